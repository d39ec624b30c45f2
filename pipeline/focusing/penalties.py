"""Sizes of what a map has where a mask says that nothing should be (reff.md section 3.2)."""

import torch
from torch import Tensor
from torch.nn.functional import adaptive_max_pool2d

#: Added to the maximum that a map is divided by: one that is 0 everywhere stays so.
EPSILON = 1e-6


def at_size_of(maps: Tensor, masks: Tensor) -> Tensor:
    """Masks B×1×H×W in 0..1 at the size of `maps` B×h×w: a cell has the largest value of the pixels below it.

    So a cell that touches the object belongs to it, and thin strokes stay (section 8, 5).
    """
    return adaptive_max_pool2d(masks, maps.shape[1:])[:, 0]


def mean_norm(values: Tensor, norm: str) -> Tensor:
    """Norm of each B×h×w of `values` over its places, as a mean, averaged over the batch.

    "squared_l2" is the mean square, "l2" its root, "l1" the mean magnitude. All are 0 with gradient 0 at 0.
    """
    flat = values.flatten(1)
    match norm:
        case "squared_l2":
            return flat.square().mean()
        case "l2":
            return torch.linalg.vector_norm(flat, dim=1).mean() / flat.shape[1] ** 0.5
        case "l1":
            return flat.abs().mean()
    raise ValueError(f"unknown norm '{norm}'")


def error(maps: list[Tensor], masks: Tensor, norm: str) -> Tensor:
    """Σ_l ‖M^l / max M^l − m^l‖ of `maps` B×h×w ≥ 0 and `masks` B×1×H×W in 0..1."""
    return sum(mean_norm(over_maximum(of_layer) - at_size_of(of_layer, masks), norm) for of_layer in maps)


def over_maximum(maps: Tensor) -> Tensor:
    """Each of the `maps` B×h×w ≥ 0 over its maximum, with a gradient through both."""
    return maps / (maps.amax((1, 2), keepdim=True) + EPSILON)
