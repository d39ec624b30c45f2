"""Gini index of maps: its ends, its invariances, and the definition as a mean difference of all pairs."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from pipeline.metrics.sparsity import gini

MAPS = arrays("float64", array_shapes(min_dims=3, max_dims=3, max_side=4), elements=st.integers(-8, 8)).map(
    lambda values: torch.from_numpy(values / 4)
)


def literal(values: np.ndarray) -> float:
    """Half the relative mean difference: Σ_i Σ_j |a_i − a_j| / (2 n Σ a)."""
    sizes = np.abs(values).ravel().tolist()
    if not any(sizes):
        return float("nan")
    return sum(abs(one - other) for one, other in product(sizes, sizes)) / (2 * len(sizes) * sum(sizes))


@given(maps=MAPS)
def test_gini_is_the_literal_double_sum(maps):
    expected = [literal(values.numpy()) for values in maps]
    assert gini(maps).tolist() == pytest.approx(expected, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("side", [1, 2, 7])
def test_flat_maps_have_0_and_single_pixels_the_most(side):
    flat, single = torch.full((side, side), -3.0), torch.zeros(side, side)
    single[side // 2, 0] = -0.5
    assert gini(torch.stack([flat, single])).tolist() == pytest.approx([0, 1 - 1 / side**2])


@given(maps=MAPS, scale=st.sampled_from([-4.0, -1.0, 0.5, 1e-6, 1e6]))
def test_scale_sign_and_place_do_not_matter(maps, scale):
    expected = gini(maps).tolist()
    assert gini(maps * scale).tolist() == pytest.approx(expected, nan_ok=True)
    assert gini(maps.flip(1).transpose(1, 2)).tolist() == pytest.approx(expected, nan_ok=True)


def test_zero_maps_are_nan_and_harm_no_other():
    values = gini(torch.stack([torch.zeros(2, 2), torch.eye(2)]))
    assert values[0].isnan() and values[1] == 0.5


def test_large_single_precision_maps_are_summed_in_double():
    maps = torch.rand(2, 150, 150, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(gini(maps), gini(maps.double()), rtol=1e-12)
    assert gini(maps).dtype is torch.float64
