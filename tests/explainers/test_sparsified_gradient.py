"""Sparsified gradient: the literal sort, how many entries stay, and ties."""

import pytest
import torch
from gradient_toys import TARGETS, generator, linear, resnet, slope, smooth, trained
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from torch import Tensor

from pipeline.explainers.sparsified_gradient import sparsified_gradient, top

MAGNITUDES = arrays("float64", array_shapes(min_dims=4, max_dims=4, max_side=3), elements=st.integers(0, 4)).map(
    torch.from_numpy
)


def kept(magnitudes: Tensor, entries: int) -> list[bool]:
    """Whether each of the numbers is among the largest, the first of equal ones before the others."""
    values = magnitudes.flatten().tolist()
    order = sorted(range(len(values)), key=lambda place: (-values[place], place))
    return [place in order[:entries] for place in range(len(values))]


@pytest.mark.parametrize("make", [smooth, resnet])
@pytest.mark.parametrize(("keep", "entries"), [(0.1, 7), (0.5, 36), (1.0, 72), (0.001, 1)])
def test_attributions_are_the_literal_sort(make, keep, entries):
    network, images = trained(make)
    found = sparsified_gradient(network, images, TARGETS, keep=keep)
    for attributions, image, target in zip(found, images, TARGETS, strict=True):
        gradient = slope(network, image, target)
        expected = gradient * torch.tensor(kept(gradient.abs(), entries)).view_as(gradient)
        assert torch.allclose(attributions, expected, rtol=1e-4, atol=1e-6)
        assert attributions.count_nonzero() == entries


@given(magnitudes=MAGNITUDES, share=st.sampled_from([0.01, 0.2, 0.5, 0.75, 1.0]))
def test_mask_is_the_literal_sort_with_ties(magnitudes, share):
    entries = max(1, int(share * magnitudes[0].numel()))
    masks = top(magnitudes, share)
    assert masks.flatten(1).tolist() == [kept(item, entries) for item in magnitudes]


def test_channels_compete():
    network, weights = linear()
    weights = weights[0].abs()
    weights[1] += 10
    network[1].weight.data[0] = weights.flatten()
    found = sparsified_gradient(network, torch.zeros(1, 2, 6, 6).double(), torch.tensor([0]), keep=0.5)
    assert (found[0, 0] == 0).all() and (found[0, 1] > 10).all()


def test_negative_gradients_are_large_too():
    network, _ = linear()
    network[1].weight.data[1] = torch.linspace(-3, 1, 72)
    found = sparsified_gradient(network, torch.zeros(1, 2, 6, 6).double(), torch.tensor([1]), keep=0.25)
    assert (
        torch.allclose(found.flatten()[:18], torch.linspace(-3, 1, 72)[:18].double())
        and (found.flatten()[18:] == 0).all()
    )


def test_nan_stays_in_its_item():
    magnitudes = torch.rand(3, 2, 3, 3, generator=generator())
    expected = top(magnitudes, 0.3)
    magnitudes[1] = torch.nan
    assert torch.equal(top(magnitudes, 0.3)[[0, 2]], expected[[0, 2]])
