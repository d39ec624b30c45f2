"""ReFF(L1) and ReFF(L2): the error beside loops, empty maps, and training."""

import pytest
import torch
from masked import fitted, options, same, session

from pipeline.focusing.penalties import error, over_maximum
from pipeline.methods import std


@pytest.mark.parametrize("norm", ["squared_l2", "l2", "l1"])
def test_the_error_is_the_loop(norm):
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(3, 4, 4, generator=generator).double() * 7
    masks = torch.rand(3, 1, 8, 8, generator=generator).double()
    total = 0.0
    for image in range(3):
        highest = maps[image].max().item() + 1e-6
        beside = [
            maps[image, u, v].item() / highest - masks[image, 0, 2 * u : 2 * u + 2, 2 * v : 2 * v + 2].max().item()
            for u in range(4)
            for v in range(4)
        ]
        square = sum(value**2 for value in beside) / 16
        total += {"squared_l2": square, "l2": square**0.5, "l1": sum(map(abs, beside)) / 16}[norm] / 3
    assert error([maps], masks, norm).item() == pytest.approx(total)
    assert error([maps, maps], masks, norm).item() == pytest.approx(2 * total)


def test_mass_that_is_missing_inside_counts_too():
    maps = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]])
    assert error([maps], torch.ones(1, 1, 4, 4), "l1").item() == pytest.approx(0.75, abs=1e-5)


def test_an_empty_map_stays_empty_with_a_finite_gradient():
    maps = torch.zeros(2, 3, 3, requires_grad=True)
    error([maps], torch.ones(2, 1, 3, 3), "l2").backward()
    assert (over_maximum(maps) == 0).all() and maps.grad.isfinite().all()


def test_without_weight_it_is_standard_training_bit_for_bit():
    ours, plain = fitted(options("map_error", weight=0.0)), session(options("std"))
    std.fit(plain, options("std"))
    assert same(ours, plain)


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_training_lowers_the_error(norm):
    common = {"norm": norm, "layers": "last", "epochs": 8, "optimiser": {"from": "adamw", "learning_rate": 4e-3}}
    curves = [
        [row["value"] for row in fitted(options("map_error", weight=weight, **common)).history().to_pylist()
         if row["metric"] == "map_error"]
        for weight in (0.0, 3.0)
    ]  # fmt: skip
    assert curves[1][-1] < curves[0][-1]
