"""Sparsity of attribution maps (normat.md section 8.1)."""

import torch
from torch import Tensor


def gini(maps: Tensor) -> Tensor:
    """Gini index of |map| for maps N×…, N values: 0 for a flat map, 1 − 1/n for one pixel of n; NaN for a zero map.

    G = Σ_k (2k − n − 1) a_(k) / (n Σ a), with a_(k) the k-th smallest of the n absolute values.
    """
    values = maps.flatten(1).abs().double().sort(dim=1).values
    n = values.shape[1]
    ranks = torch.arange(1, n + 1, dtype=values.dtype, device=values.device)
    return (values * (2 * ranks - n - 1)).sum(1) / (n * values.sum(1))
