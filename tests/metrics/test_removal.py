"""Removal of the most and least relevant pixels: the literal sets, their complements, and the accuracies."""

from math import isnan, nan

import pytest
import torch

from pipeline.metrics.removal import bottom_pixels, diffroar, removed, top_pixels

LEVELS = [level / 10 for level in range(11)]


def maps(count: int = 3) -> torch.Tensor:
    """Signed maps with many equal values."""
    return torch.randint(-3, 4, (count, 5, 4), generator=torch.Generator().manual_seed(0)).float()


@pytest.mark.parametrize("share", LEVELS)
def test_masks_are_the_literal_ranking(share):
    values = maps()
    found, lowest = top_pixels(values, share), bottom_pixels(values, share)
    for row, single in enumerate(values):
        flat = single.flatten().tolist()
        ranked = sorted(range(20), key=lambda place, flat=flat: (-flat[place], place))
        count = round(20 * share)  # a whole number for every level
        assert found[row].flatten().nonzero()[:, 0].tolist() == sorted(ranked[:count])
        assert lowest[row].flatten().nonzero()[:, 0].tolist() == sorted(ranked[20 - count :])


@pytest.mark.parametrize("share", [*LEVELS, 0.125, 1 / 3, 0.99])
@pytest.mark.parametrize("side", [3, 7, 32])
def test_top_and_bottom_are_complementary(share, side):
    values = torch.randn(2, side, side, generator=torch.Generator().manual_seed(0)).round(decimals=1)
    top, bottom = top_pixels(values, share), bottom_pixels(values, 1 - share)
    assert torch.equal(top, ~bottom)
    assert top.sum((1, 2)).tolist() == [int(share * side**2 + 1e-6)] * 2


def test_equal_pixels_go_by_their_index():
    assert top_pixels(torch.zeros(1, 2, 3), 0.5).tolist() == [[[True] * 3, [False] * 3]]
    assert bottom_pixels(torch.zeros(1, 2, 3), 0.5).tolist() == [[[False] * 3, [True] * 3]]


def test_removed_pixels_have_the_value_and_others_stay():
    images = torch.rand(3, 2, 5, 4, generator=torch.Generator().manual_seed(0))
    before, value = images.clone(), torch.tensor([0.25, 0.5])
    masks = top_pixels(maps(), 0.3)
    found = removed(images, masks, value)
    for item in range(3):
        for channel in range(2):
            for row in range(5):
                for column in range(4):
                    gone = masks[item, row, column]
                    expected = value[channel] if gone else images[item, channel, row, column]
                    assert found[item, channel, row, column] == expected
    assert torch.equal(images, before)


def test_diffroar_counts_points():
    assert diffroar(0.7, 0.55) == pytest.approx(15)
    assert diffroar(0.5, 0.6) == pytest.approx(-10)
    assert isnan(diffroar(nan, 0.5)) and isnan(diffroar(0.5, nan))


@pytest.mark.parametrize("value", [nan, torch.inf])
def test_map_that_ranks_no_pixels_is_an_error(value):
    values = maps()
    values[1, 0, 0] = value
    for masks in (top_pixels, bottom_pixels):
        with pytest.raises(ValueError, match="1 of 3 maps hold NaN or inf"):
            masks(values, 0.3)


def test_shapes_and_shares_are_named():
    images, mask = torch.rand(2, 3, 4, 4), torch.zeros(2, 4, 4, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"maps must be N×H×W, got the shape \(2, 3, 4, 4\)"):
        top_pixels(images, 0.5)
    with pytest.raises(ValueError, match=r"share must be in 0\.\.1, got 30"):
        top_pixels(images[:, 0], 30)
    with pytest.raises(ValueError, match=r"masks must be bool N×H×W"):
        removed(images, mask[:, :3], torch.zeros(3))
    with pytest.raises(ValueError, match=r"masks must be bool N×H×W"):
        removed(images, mask.float(), torch.zeros(3))
    with pytest.raises(ValueError, match=r"value must hold 3 numbers, one a channel, got \(\)"):
        removed(images, mask, torch.tensor(0.5))
