"""Gates of filters: how dense, how like the features of their classes, and which filters they give to a class.

A gate matrix G is C×K with values in 0..1: row G_c are the gates of class c, column k those of filter k (csg.md section
1). A gate that is NaN serves no class.
"""

from typing import NamedTuple

import torch
from torch import Tensor

#: A filter serves a class if its gate is larger (csg.md E7).
SERVES = 0.5
#: A filter belongs to a class if its gate is larger (csg.md section 2.8).
BELONGS = 0.95


def l1_density(gates: Tensor) -> float:
    """‖G‖₁ / (C·K), in 0..1 for gates in 0..1 (csg.md E1); NaN without gates."""
    return gates.abs().double().mean().item()


def l1_interval(classes: int, density_bound: float) -> tuple[float, float]:
    """Where the density of C classes ends: 1/C, as every filter serves a class, and the bound g/(C·K) of the penalty.

    Source: csg.md section 2.1, appendix A of the paper.
    """
    return 1 / classes, density_bound


def gate_similarity(features: Tensor, labels: Tensor, gates: Tensor) -> Tensor:
    """S of shape C×C in double precision, S_yc = cos(mean of the features of class y, G_c) (csg.md E5).

    `features` N×K are those of the images to be compared, `labels` N their true classes, `gates` C×K. In 0..1 if
    features and gates are ≥ 0. The row of a class without images, or whose mean is zero or not finite, is NaN, and so
    is the column of a class without gates; other rows do not suffer.
    """
    if features.ndim != 2 or labels.shape != features.shape[:1] or features.shape[1:] != gates.shape[1:]:
        shapes = ", ".join(str(tuple(part.shape)) for part in (features, labels, gates))
        raise ValueError(f"features, labels and gates must be N×K, N and C×K, found {shapes}")
    sums = torch.zeros(gates.shape, dtype=torch.float64, device=features.device)
    sums.index_add_(0, labels, features.double())
    # A sum points the way of its mean; without images it is zero and 0/0 is the NaN we want.
    rows, columns = (matrix / matrix.norm(dim=1, keepdim=True) for matrix in (sums, gates.double()))
    return (rows @ columns.T).clamp(-1, 1)


class Similarity(NamedTuple):
    """Means over the entries of a matrix C×C that are not NaN, and how many they are; NaN over none."""

    diagonal: float
    off_diagonal: float
    diagonal_count: int
    off_diagonal_count: int

    @property
    def difference(self) -> float:
        return self.diagonal - self.off_diagonal


def summary(similarity: Tensor) -> Similarity:
    """How much more classes resemble their own gates than those of others (csg.md E5)."""
    own = torch.eye(len(similarity), dtype=torch.bool, device=similarity.device)
    known = [similarity[part & ~similarity.isnan()] for part in (own, ~own)]
    return Similarity(*(values.mean().item() for values in known), *map(len, known))


def arg_max_class(gates: Tensor) -> Tensor:
    """For each of K filters the class with its largest gate; −1 if several have it, or its gates are 0 or NaN."""
    largest, classes = gates.max(dim=0)
    return torch.where((largest > 0) & ((gates == largest).sum(dim=0) == 1), classes, -1)


def serving(gates: Tensor) -> Tensor:
    """C×K bool: which filters serve a class, {k : G_c^k > 0.5} (csg.md E7)."""
    return gates > SERVES


def weight_share(weights: Tensor, gates: Tensor) -> float:
    """Share of Σ|W|, over the C×K `weights` of the classifier, that lies on {G > 0.5} (csg.md E4); NaN if W is 0."""
    sizes = weights.abs().double()
    return (sizes[serving(gates)].sum() / sizes.sum()).item()


def weight_correlation(weights: Tensor, gates: Tensor) -> float:
    """Pearson correlation of the C×K `weights` with the gates over all entries, −1..1 (csg.md E4).

    NaN if all weights, or all gates, are equal or one of them is NaN.
    """
    pairs = torch.stack([weights.flatten(), gates.flatten()]).double()
    if (pairs == pairs[:, :1]).all(dim=1).any():
        return float("nan")
    return torch.corrcoef(pairs)[0, 1].item()


def filter_counts(gates: Tensor) -> tuple[float, int]:
    """m1, filters that a class has for itself, on average, and m2, filters that classes share (csg.md section 2.8).

    A class has a filter for itself if its gate is > 0.95 and no other of the column > 0.5; classes share a filter if at
    least two gates of its column are > 0.5.
    """
    served = serving(gates).sum(dim=0)
    monopolised = (gates > BELONGS).any(dim=0) & (served == 1)
    return monopolised.sum().item() / len(gates), int((served >= 2).sum())
