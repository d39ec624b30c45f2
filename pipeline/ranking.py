"""The largest entries of a map: how many a share of them is, and which ones they are."""

import torch
from torch import Tensor


def counted(share: float, wholes: Tensor) -> Tensor:
    """⌊share · whole⌋ for `share` in 0..1; a product that misses an integer by rounding alone, as 0.29 · 100, is it."""
    if not 0 <= share <= 1:
        raise ValueError(f"share must be in 0..1, got {share}")
    return (share * wholes.double() + 1e-6).long()


def rank(share: float, count: int) -> int:
    """⌊share · count⌋, at least 1: from the top, 1 being the largest, where a share of `count` entries ends."""
    return max(1, int(counted(share, torch.tensor(count))))


def largest(values: Tensor, counts: Tensor) -> Tensor:
    """Mask of the `counts` B largest of each row of `values` B×n, exactly so many; of equals the first ones."""
    order = values.argsort(dim=1, descending=True, stable=True)
    taken = torch.arange(values.shape[1], device=values.device) < counts[:, None]
    return torch.zeros_like(values, dtype=torch.bool).scatter_(1, order, taken)
