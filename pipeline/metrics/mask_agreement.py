"""How well drawn masks agree with true ones (reff.md section 6, "pseudo-annotation"): IoU, Dice, precision, recall.

Masks are boolean N×H×W. Results are one value an image, double precision, in 0..1, NaN where not defined: all of them
for a true mask without a pixel, precision also for a drawn mask without one. IoU is `intersection_over_union` of
`pipeline.metrics.localisation`, but for an image in which both masks are empty, which has no value here.
"""

import torch
from torch import Tensor

from pipeline.metrics.localisation import intersection_over_union


def agreement(drawn: Tensor, true: Tensor) -> dict[str, Tensor]:
    """Metrics N by name: iou, dice = 2|D ∧ T| / (|D| + |T|), precision = |D ∧ T| / |D|, recall = |D ∧ T| / |T|."""
    if drawn.dim() != 3 or drawn.shape != true.shape:
        raise ValueError(f"expected masks N×H×W of one shape, got {tuple(drawn.shape)} and {tuple(true.shape)}")
    found = {"iou": intersection_over_union(drawn, true)}
    both, of_drawn, of_true = (part.sum((1, 2)).double() for part in (drawn & true, drawn, true))
    found |= {"dice": 2 * both / (of_drawn + of_true), "precision": both / of_drawn, "recall": both / of_true}
    return {name: values.where(of_true > 0, torch.nan) for name, values in found.items()}
