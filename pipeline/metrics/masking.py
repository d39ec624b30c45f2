"""What becomes of predictions when filters are closed: groups of filters, and confusion matrices (csg.md E7)."""

import torch
from torch import Tensor

from pipeline.metrics.localisation import class_means


def most_active(features: Tensor, labels: Tensor, classes: int, count: int) -> Tensor:
    """C×K bool: the `count` filters whose mean over the images of a class is largest, at most K (csg.md 8.31).

    `features` N×K are pooled activations, `labels` N; of filters with equal means the lowest are taken. A class without
    images has no filter.
    """
    means = class_means(features, labels, classes)
    largest = means.argsort(dim=1, descending=True, stable=True)[:, :count]
    chosen = torch.zeros_like(means, dtype=torch.bool).scatter_(1, largest, True)
    return chosen & ~means.isnan()


def confusion(labels: Tensor, predicted: Tensor, classes: int) -> Tensor:
    """C×C in double precision: which share of the images of class y, the row, is predicted as p, the column; 0..1.

    `labels` and `predicted` are N classes each. Rows sum to 1; that of a class without images is NaN. The diagonal
    holds the recalls.
    """
    if labels.shape != predicted.shape or labels.ndim != 1:
        raise ValueError(f"labels {tuple(labels.shape)} and predicted {tuple(predicted.shape)} must be N each")
    counts = (labels * classes + predicted).bincount(minlength=classes * classes).view(classes, classes).double()
    return counts / counts.sum(dim=1, keepdim=True)
