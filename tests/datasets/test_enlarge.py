"""Enlargement of many grids at once, beside PyTorch's interpolation of each."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import interpolate

from pipeline.datasets.enlarge import enlarge


@given(nodes=st.integers(1, 9), size=st.integers(1, 40), seed=st.integers(0, 99))
def test_pytorch_with_half_pixel_centres_gives_the_same(nodes, size, seed):
    grids = np.random.default_rng(seed).normal(size=(2, 3, nodes, nodes))
    expected = interpolate(torch.tensor(grids), size=(size, size), mode="bilinear", align_corners=False)
    np.testing.assert_allclose(enlarge(grids, size), expected.numpy(), atol=1e-12)


def test_two_values_by_hand():
    np.testing.assert_allclose(enlarge(np.array([[0, 8], [0, 8]], np.uint8), 4)[0], [0, 2, 6, 8])


def test_nodes_beyond_those_of_a_grid_do_not_count():
    grids = np.random.default_rng(0).normal(size=(2, 7, 7))
    found = enlarge(grids, 24, np.array([4, 7])[:, None, None])
    np.testing.assert_allclose(found[0], enlarge(grids[0, :4, :4], 24), atol=1e-12)
    np.testing.assert_allclose(found[1], enlarge(grids[1], 24), atol=1e-12)
