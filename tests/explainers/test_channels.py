"""Channels to one map: the three ways by hand, their order, and bad input."""

from math import sqrt

import pytest
import torch

from pipeline.explainers.channels import one_map

WAYS = ("magnitude", "signed", "norm")


def literal(values: list[float], channels: str) -> float:
    if channels == "magnitude":
        return sum(abs(value) for value in values)
    return sum(values) if channels == "signed" else sqrt(sum(value * value for value in values))


@pytest.mark.parametrize("channels", WAYS)
def test_maps_are_the_literal_loop_over_pixels(channels):
    attributions = torch.randn(3, 4, 2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    maps = one_map(attributions, channels)
    assert maps.shape == (3, 2, 5)
    for image in range(3):
        for row in range(2):
            for column in range(5):
                expected = literal(attributions[image, :, row, column].tolist(), channels)
                assert maps[image, row, column].item() == pytest.approx(expected, rel=1e-12)


def test_one_channel_has_one_magnitude():
    attributions = torch.tensor([[[[-2.0, 0.0, 3.0]]]])
    found = {channels: one_map(attributions, channels).flatten().tolist() for channels in WAYS}
    assert found == {"magnitude": [2, 0, 3], "signed": [-2, 0, 3], "norm": [2, 0, 3]}


@pytest.mark.parametrize("channels", WAYS)
def test_zeros_are_zero_and_have_a_derivative(channels):
    attributions = torch.zeros(1, 3, 2, 2, requires_grad=True)
    maps = one_map(attributions, channels)
    maps.sum().backward()
    assert (maps == 0).all() and attributions.grad.isfinite().all()


@pytest.mark.parametrize("channels", WAYS)
def test_nan_stays_at_its_pixel(channels):
    attributions = torch.ones(2, 3, 2, 2)
    attributions[1, 2, 0, 1] = torch.nan
    assert one_map(attributions, channels).isnan().nonzero().tolist() == [[1, 0, 1]]


def test_unknown_way_is_named():
    with pytest.raises(ValueError, match="channels is 'maximum', expected magnitude, signed or norm"):
        one_map(torch.ones(1, 1, 1, 1), "maximum")
