"""One pixel: what is painted, how the first population is drawn, when the search stops, and that it is blind."""

import json

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from victims import WithoutGradients, attacked, network, same_state, state

from pipeline.attacks.one_pixel import attack, one_pixel, painted
from pipeline.attacks.outcome import fooled
from pipeline.settings.attacks import OnePixel


class Keyhole(nn.Module):
    """Class 0 unless the red of the pixel in row 5, column 2 is above 0.8; the nearer to it, the less certain."""

    def forward(self, images: Tensor) -> Tensor:
        excess = 10 * (images[:, 0, 5, 2] - 0.8)
        return torch.stack([-excess, excess, torch.full_like(excess, -20)], dim=1)


def searched(victim, images, labels, targets=None, seed: int = 0, **settings) -> Tensor:
    block = OnePixel.model_validate(json.loads(json.dumps({"from": "one_pixel", **settings})))
    return attack(victim, images, labels, targets, block, torch.Generator().manual_seed(seed))


def changed_places(found: Tensor, images: Tensor) -> Tensor:
    return (found != images).any(1).sum((1, 2))


@pytest.mark.parametrize("channels", [1, 3])
def test_painting_is_the_literal_loop(channels):
    image = torch.rand(channels, 4, 6, generator=torch.Generator().manual_seed(0))
    random = np.random.default_rng(0)
    genes = random.uniform(0, [4, 6, *[255] * channels], (50, 2 + channels))
    genes[0], genes[1] = [4, 6, *[255] * channels], 0  # both ends of the bounds
    found = painted(image, torch.from_numpy(genes))
    for copy, (row, column, *colours) in zip(found, genes, strict=True):
        expected = image.clone()
        for channel, colour in enumerate(colours):
            expected[channel, min(int(row), 3), min(int(column), 5)] = int(colour) / 255
        assert torch.allclose(copy, expected)


def test_first_population_is_uniform_in_place_and_normal_in_colour():
    seen = []

    class Recorder(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            seen.append(images)
            return torch.tensor([[1.0, 0.0]]).repeat(len(images), 1)

    image = torch.full((3, 16, 16), 0.5001)
    one_pixel(Recorder(), image, torch.tensor([0]), population=4000, generations=1)
    first = seen[0]
    places = (first != image).any(1).nonzero()
    assert len(first) == len(places) == 4000
    for axis in (1, 2):
        counts = torch.bincount(places[:, axis], minlength=16) / 4000
        assert counts.tolist() == pytest.approx([1 / 16] * 16, abs=0.02)
    colours = 255 * first[places[:, 0], :, places[:, 1], places[:, 2]]
    # N(128, 127) clipped to 0..255: Φ(−1.0079) = 0.1567 fall on the lower end (or below 1), 0.1586 on the upper.
    assert (colours < 1).float().mean().item() == pytest.approx(0.159, abs=0.015)
    assert (colours == 255).float().mean().item() == pytest.approx(0.159, abs=0.015)
    assert colours.median().item() == pytest.approx(128, abs=5)
    assert torch.allclose(colours, colours.round(), atol=1e-3)


@pytest.mark.parametrize("targeted", [False, True])
def test_the_one_pixel_that_matters_is_found(targeted):
    images, labels = torch.full((2, 3, 8, 8), 0.2), torch.tensor([0, 0])
    targets = torch.tensor([1, 1]) if targeted else None
    found = searched(Keyhole(), images, labels, targets, population=100, generations=40)
    assert fooled(Keyhole()(found), labels, targets).all()
    assert changed_places(found, images).tolist() == [1, 1]
    assert (found[:, 0, 5, 2] > 0.8).all()


def test_search_stops_at_the_first_success_and_at_the_last_generation():
    image = torch.full((1, 3, 8, 8), 0.2)
    victim = WithoutGradients(Keyhole())
    searched(victim, image, torch.tensor([0]), population=300, generations=75)
    # One forward pass a population, and one for the best of it.
    assert set(victim.sizes) == {300, 1} and len(victim.sizes) < 2 * 75
    victim.sizes.clear()
    searched(victim, image, torch.tensor([0]), torch.tensor([2]), population=20, generations=6)
    assert victim.sizes == [20] + 6 * [20, 1]


def test_equal_probabilities_do_not_end_the_search():
    victim = WithoutGradients(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)))
    victim.network[1].weight.data.zero_()
    victim.network[1].bias.data = torch.tensor([1.0, 0.0])
    searched(victim, torch.rand(1, 3, 8, 8), torch.tensor([0]), population=10, generations=9)
    assert victim.sizes.count(10) == 10


@pytest.mark.parametrize("channels", [1, 3])
def test_failed_searches_change_one_pixel_too_and_images_stay_in_range(channels):
    images = torch.rand(2, channels, 8, 8, generator=torch.Generator().manual_seed(0))
    never = nn.Sequential(nn.Flatten(), nn.Linear(channels * 64, 2))
    never[1].bias.data = torch.tensor([100.0, 0.0])
    found = searched(WithoutGradients(never), images, torch.tensor([0, 0]), population=10, generations=3)
    assert changed_places(found, images).max() <= 1
    assert found.min() >= 0 and found.max() <= 1 and found.dtype is torch.float32


def test_draws_come_from_the_generator_and_not_from_the_batch():
    victim, (images, labels) = network(), attacked(3)
    small = {"population": 20, "generations": 3}
    together = searched(victim, images, labels, **small)
    assert torch.equal(together, searched(victim, images, labels, **small))
    assert not torch.equal(together, searched(victim, images, labels, seed=1, **small))
    generator = torch.Generator().manual_seed(0)
    block = OnePixel.model_validate({"from": "one_pixel", **small})
    parts = [attack(victim, images[row], labels[row], None, block, generator) for row in torch.arange(3).split(2)]
    assert torch.equal(together, torch.cat(parts))


def test_attacking_leaves_no_trace():
    victim, (images, labels) = network(), attacked(2)
    before, copy = state(victim), images.clone()
    found = searched(victim, images, labels, population=10, generations=1)
    assert same_state(victim, before) and torch.equal(images, copy) and not found.is_inference()
