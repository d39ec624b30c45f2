"""How alike filters are: absolute cosines of their kernels (csg.md E6)."""

from typing import NamedTuple

import torch
from torch import Tensor


def filter_correlation(kernels: Tensor) -> Tensor:
    """P = |Ŵ Ŵᵀ − I| of shape K×K in double precision, Ŵ the K flattened `kernels` K×… at unit length.

    Symmetric, entries in 0..1, diagonal 0; orthogonal kernels give 0. Row and column of a kernel that is zero or not
    finite are NaN, its entry on the diagonal too.
    """
    if kernels.ndim < 2:
        raise ValueError(f"kernels {tuple(kernels.shape)} must have a first dimension of filters and at least one more")
    rows = kernels.flatten(1).double()
    rows = rows / rows.norm(dim=1, keepdim=True)
    cosines = (rows @ rows.T).abs().clamp(max=1)
    cosines.diagonal().mul_(0)  # unlike filling in zeros this leaves NaN as it is
    return cosines


class Correlation(NamedTuple):
    """Means of P over pairs of different filters, NaN pairs left out, and how many they are; NaN over none."""

    within: float
    between: float
    overall: float
    within_pairs: int
    between_pairs: int
    pairs: int

    @property
    def ratio(self) -> float:
        return self.within / self.between if self.between else float("nan")


def group_correlation(correlation: Tensor, groups: Tensor) -> Correlation:
    """Mean of the K×K `correlation` within and between `groups`, K integers; a negative one means no group.

    A filter without group counts in `overall` only. `within` of groups of single filters and `between` of one group are
    NaN. Every pair counts once.
    """
    if correlation.shape != (len(groups), len(groups)):
        raise ValueError(f"correlation {tuple(correlation.shape)} must be K×K for the {len(groups)} filters of groups")
    pair = torch.ones_like(correlation, dtype=torch.bool).triu(1) & ~correlation.isnan()
    grouped = pair & (groups >= 0) & (groups >= 0)[:, None]
    same = groups == groups[:, None]
    chosen = [correlation[pairs] for pairs in (grouped & same, grouped & ~same, pair)]
    return Correlation(*(values.mean().item() for values in chosen), *map(len, chosen))
