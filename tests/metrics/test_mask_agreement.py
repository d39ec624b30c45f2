"""Agreement of drawn and true masks: pixel by pixel, closed forms, and where there is no value."""

import math

import pytest
import torch
from torch import Tensor

from pipeline.metrics.mask_agreement import agreement


def masks(seed: int, images: int = 20) -> Tensor:
    return torch.rand(images, 5, 7, generator=torch.Generator().manual_seed(seed)) > 0.6


def literal(drawn: list[list[bool]], true: list[list[bool]]) -> dict[str, float]:
    cells = [pair for lines in zip(drawn, true, strict=True) for pair in zip(*lines, strict=True)]
    hits = sum(d and t for d, t in cells)
    false_alarms, misses = sum(d and not t for d, t in cells), sum(t and not d for d, t in cells)
    return {
        "iou": hits / (hits + false_alarms + misses),
        "dice": 2 * hits / (2 * hits + false_alarms + misses),
        "precision": hits / (hits + false_alarms),
        "recall": hits / (hits + misses),
    }


def test_values_are_those_of_the_definition():
    drawn, true = masks(0), masks(1)
    found = agreement(drawn, true)
    for row in range(len(drawn)):
        expected = literal(drawn[row].tolist(), true[row].tolist())
        assert {name: values[row].item() for name, values in found.items()} == pytest.approx(expected)


def test_half_of_the_object_is_drawn():
    true = torch.zeros(1, 4, 4, dtype=torch.bool)
    true[:, :2] = True
    drawn = true.clone()
    drawn[:, 1] = False
    found = {name: values.item() for name, values in agreement(drawn, true).items()}
    assert found == {"iou": 0.5, "dice": pytest.approx(2 / 3), "precision": 1.0, "recall": 0.5}


def test_what_is_not_defined():
    none, some = torch.zeros(1, 3, 3, dtype=torch.bool), torch.ones(1, 3, 3, dtype=torch.bool)
    for drawn in (none, some):
        assert all(math.isnan(values.item()) for values in agreement(drawn, none).values())
    missed = {name: values.item() for name, values in agreement(none, some).items()}
    assert math.isnan(missed.pop("precision")) and missed == {"iou": 0, "dice": 0, "recall": 0}


@pytest.mark.parametrize("drawn", [masks(0, 3), masks(0)[:, :4], masks(0).float()])
def test_other_shapes_and_types_are_refused(drawn):
    with pytest.raises(ValueError, match="expected"):
        agreement(drawn, masks(1))
