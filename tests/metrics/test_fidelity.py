"""AOPC: the literal loop over images, draws and regions, hand values of additive models, and the random control."""

from itertools import product

import pytest
import torch
from torch import Tensor, nn

from pipeline.metrics.fidelity import aopc, relative_drop

PATCH = 2


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int = 3, size: tuple[int, int] = (6, 7)) -> Tensor:
    return torch.rand(count, 2, *size, generator=generator())


def relevance(count: int = 3, size: tuple[int, int] = (6, 7)) -> Tensor:
    """Maps of small integers, so that many regions have equal sums."""
    return torch.randint(0, 2, (count, *size), generator=generator(1)).float()


def score() -> nn.Module:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Tanh(), nn.Flatten(), nn.LazyLinear(1), nn.Flatten(0)).double()
    network(images().double())
    return network


def literal(f: nn.Module, image: Tensor, single: Tensor, steps: list[int], draws: int) -> list[float]:
    """One image alone: the regions are overwritten one after another, with the draws in the order of `aopc`."""
    random = generator(7)
    rows, columns = single.shape[0] // PATCH, single.shape[1] // PATCH
    corners = [(PATCH * row, PATCH * column) for row, column in product(range(rows), range(columns))]
    sums = [single[top : top + PATCH, left : left + PATCH].sum().item() for top, left in corners]
    areas = dict.fromkeys(steps, 0.0)
    for _ in range(draws):
        tiebreak = torch.randperm(len(corners), generator=random).argsort().tolist()
        noise = torch.rand(1, *image.shape, generator=random)[0]
        changed, drops = image.clone(), [0.0]
        for region in sorted(range(len(corners)), key=lambda r: (-sums[r], tiebreak[r])):
            top, left = corners[region]
            changed[:, top : top + PATCH, left : left + PATCH] = noise[:, top : top + PATCH, left : left + PATCH]
            drops.append((f(image[None]) - f(changed[None])).item())
        for step in steps:
            areas[step] += sum(drops[: step + 1]) / (step + 1) / draws
    return list(areas.values())


def measured(f, pixels: Tensor, maps: Tensor, steps=(1, 4, 9), draws: int = 3, patch: int = PATCH) -> Tensor:
    return aopc(f, pixels, maps, patch=patch, steps=steps, draws=draws, generator=generator(7))


def test_aopc_is_the_literal_loop():
    f, pixels, maps = score(), images().double(), relevance()
    with torch.no_grad():
        expected = [literal(f, image, single, [1, 4, 9], 3) for image, single in zip(pixels, maps, strict=True)]
    found = measured(f, pixels, maps)
    assert found.shape == (3, 3) and found.dtype is torch.float64 and not found.requires_grad
    assert found.T.tolist() == [pytest.approx(values, abs=1e-12) for values in expected]
    assert torch.equal(pixels, images().double()) and found.std() > 1e-3


@pytest.mark.parametrize("batch", [1, 2])
def test_value_of_an_image_does_not_depend_on_its_batch(batch):
    f, pixels, maps = score(), images().double(), relevance()
    parts = [measured(f, pixels[row : row + batch], maps[row : row + batch]) for row in range(0, 3, batch)]
    assert torch.allclose(torch.cat(parts, dim=1), measured(f, pixels, maps), rtol=0, atol=1e-12)


def additive(weights: Tensor):
    """f = Σ over pixels of weight · value: a region adds its weight times the sum of its values."""
    return lambda pixels: (pixels * weights).sum((1, 2, 3))


def test_additive_model_has_its_hand_value():
    weights = torch.tensor([[4.0, 1], [2, 3]]).repeat_interleave(2, 0).repeat_interleave(2, 1)
    pixels, draws = torch.ones(1, 1, 4, 4), 4000
    found = measured(additive(weights), pixels, weights[None], steps=(1, 2, 3, 4), draws=draws)[:, 0]
    # Noise of mean 1/2 takes half of a region's 4 pixels · weight: 8, then 6, 4, 2, accumulating 8, 14, 18, 20.
    assert found.tolist() == pytest.approx([8 / 2, 22 / 3, 40 / 4, 60 / 5], rel=0.02)


def test_maps_without_differences_remove_in_random_order():
    weights = torch.tensor([[4.0, 1], [2, 3]]).repeat_interleave(2, 0).repeat_interleave(2, 1)
    pixels = torch.ones(1, 1, 4, 4)
    steps = (1, 2, 3, 4)
    zeros, flat = (
        measured(additive(weights), pixels, torch.full((1, 4, 4), value), steps, 4000) for value in (0.0, 2.0)
    )
    # In random order every step takes a mean region: 5, 10, 15, 20.
    assert zeros[:, 0].tolist() == pytest.approx([5 / 2, 15 / 3, 30 / 4, 50 / 5], rel=0.02)
    assert torch.equal(zeros, flat)


def test_pixels_outside_the_grid_stay():
    outside = torch.zeros(1, 6, 7)
    outside[:, :, 6] = 1
    f = additive(outside)
    assert (measured(f, images(), relevance()) == 0).all()
    assert (measured(f, images(), relevance(), steps=(1,), patch=4) == 0).all()


def test_steps_beyond_the_regions_are_nan():
    found = measured(score(), images().double(), relevance(), steps=(9, 10, 2))
    assert found.isnan().all(1).tolist() == [False, True, False]
    assert torch.equal(found[[0, 2]], measured(score(), images().double(), relevance(), steps=(9, 2)))
    assert measured(score(), images().double(), relevance(), steps=(1, 20), patch=8).isnan().all()
    assert measured(score(), images(0).double(), relevance(0)).shape == (3, 0)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_broken_maps_and_images_are_nan_and_harm_no_other(value):
    f, pixels, maps = score(), images().double(), relevance()
    expected = measured(f, pixels, maps)
    maps[1, 5, 6] = value  # outside the grid, too
    found = measured(f, pixels, maps)
    assert found[:, 1].isnan().all() and torch.equal(found[:, [0, 2]], expected[:, [0, 2]])
    pixels[2] = float("nan")
    assert measured(f, pixels, maps)[:, 1:].isnan().all()


def test_wrong_input_is_named():
    with pytest.raises(ValueError, match=r"maps B×H×W, got \(3, 2, 6, 7\) and \(3, 7, 6\)"):
        measured(score(), images(), relevance().transpose(1, 2))
    with pytest.raises(ValueError, match=r"one value an image, got the shape \(3, 2\)"):
        measured(lambda pixels: pixels.mean((2, 3)), images(), relevance())
    for wrong in ({"patch": 0}, {"draws": 0}, {"steps": (0, 1)}):
        with pytest.raises(ValueError, match="must be at least 1"):
            measured(score(), images(), relevance(), **wrong)


def test_relative_drop_is_the_lost_share():
    base, post = torch.tensor([0.5, 0.4, 0.0, float("nan")]), torch.tensor([0.4, 0.5, 0.1, 0.1])
    assert relative_drop(base, post).tolist() == pytest.approx([0.2, -0.25, float("nan"), float("nan")], nan_ok=True)
