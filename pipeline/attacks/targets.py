"""Targets of targeted attacks (csg.md 8.22)."""

import torch
from torch import Tensor


def other_classes(labels: Tensor, classes: int, generator: torch.Generator) -> Tensor:
    """A class t ≠ y in 0..`classes` − 1 for each of `labels` N, `classes` ≥ 2.

    Of the images of a class each run of `classes` − 1 holds every other class once, in an order of its own.
    """
    targets = torch.empty_like(labels)
    for label in range(classes):
        rows = (labels == label).nonzero()[:, 0]
        runs = -(-len(rows) // (classes - 1))
        offsets = 1 + torch.rand(runs, classes - 1, generator=generator).argsort(1).flatten()[: len(rows)]
        targets[rows] = (label + offsets) % classes
    return targets
