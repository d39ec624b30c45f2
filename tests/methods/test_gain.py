"""GAIN: what is taken out of an image beside loops, that attention mining closes its eyes, and training."""

import math

import pytest
import torch
from masked import fitted, options, same, session

from pipeline.errors import UserError
from pipeline.methods import std
from pipeline.methods.gain import without


def test_what_is_looked_at_gives_way_to_the_mean_colour():
    generator = torch.Generator().manual_seed(0)
    images, maps = (torch.rand(shape, generator=generator).double() for shape in ((2, 3, 4, 4), (2, 4, 4)))
    mean = torch.tensor([0.2, 0.5, 0.9]).double().view(3, 1, 1)
    found = without(images, 7 * maps, mean, options("gain", steepness=5.0, threshold=0.3))
    for b in range(2):
        highest = maps[b].max().item()
        for y in range(4):
            for x in range(4):
                gate = 1 / (1 + math.exp(-5 * (maps[b, y, x].item() / highest - 0.3)))
                for c in range(3):
                    pixel, colour = images[b, c, y, x].item(), mean[c].item()
                    assert found[b, c, y, x].item() == pytest.approx((1 - gate) * pixel + gate * colour, abs=1e-6)


def test_small_maps_are_brought_to_the_size_of_the_image():
    maps = torch.zeros(1, 2, 2)
    maps[0, 0, 0] = 1
    found = without(torch.ones(1, 1, 8, 8), maps, torch.zeros(1, 1, 1), options("gain", steepness=50.0))
    assert found[0, 0, :2, :2].max() < 0.01 and found[0, 0, 4:, 4:].min() > 0.99


def test_without_weights_it_is_standard_training_bit_for_bit():
    ours, plain = fitted(options("gain", weight=0.0, mining=0.0)), session(options("std"))
    std.fit(plain, options("std"))
    assert same(ours, plain)


@pytest.mark.parametrize(("weight", "term"), [("weight", "map_error"), ("mining", "left")])
def test_training_lowers_each_term(weight, term):
    common = {"weight": 0.0, "mining": 0.0, "epochs": 8, "optimiser": {"from": "adamw", "learning_rate": 4e-3}}
    ends = [
        [row["value"] for row in fitted(options("gain", **common | {weight: value})).history().to_pylist()
         if row["metric"] == term][-1]
        for value in (0.0, 5.0)
    ]  # fmt: skip
    assert ends[1] < ends[0]


def test_other_layers_are_refused():
    with pytest.raises(UserError, match="layers"):
        options("gain", layers="all")
