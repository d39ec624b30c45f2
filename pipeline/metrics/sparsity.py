"""Sparsity of attribution maps (normat.md section 8.1), and of bases and coefficients (admm.md E8).

Bad input: a map with NaN or inf, a map of zeros and a map without pixels have no index, theirs is NaN and the others'
stays; a constant map is defined, 0.
"""

import torch
from torch import Tensor


def gini(maps: Tensor) -> Tensor:
    """Gini index of |map| for maps N×…, N values: 0 for a flat map, 1 − 1/n for one pixel of n; NaN for a zero map.

    G = Σ_k (2k − n − 1) a_(k) / (n Σ a), with a_(k) the k-th smallest of the n absolute values (Hurley and Rickard
    2009). No unit; float64. Raises `ValueError` for a tensor without an axis of items.
    """
    if maps.dim() < 2:
        raise ValueError(f"maps must be N×… with at least two axes, got the shape {tuple(maps.shape)}")
    values = maps.flatten(1).abs().double().sort(dim=1).values
    n = values.shape[1]
    ranks = torch.arange(1, n + 1, dtype=values.dtype, device=values.device)
    return (values * (2 * ranks - n - 1)).sum(1) / (n * values.sum(1))


def hoyer(values: Tensor) -> Tensor:
    """Hoyer sparsity of each row of `values` N×n, N values: 0 if all magnitudes are equal, 1 for one that is not 0.

    (√n − |x|₁ / |x|₂) / (√n − 1) (Hoyer 2004, section 3.1); NaN for a row of zeros, and for n = 1. No unit; float64.
    """
    values, root = values.double(), values.shape[1] ** 0.5
    return (root - values.norm(p=1, dim=1) / values.norm(dim=1)) / (values.new_tensor(root) - 1)


def gini_group(attributions: Tensor, patch: int, joint_channels: bool = False) -> Tensor:
    """Gini index of the Euclidean norms of groups, for attributions N×C×H×W: N values as of `gini`.

    Groups are the `patch` × `patch` squares that tile each channel, or with `joint_channels` all channels of a square
    (normat.md section 3). Raises `ValueError` unless the squares tile the image.
    """
    if attributions.dim() != 4:
        raise ValueError(f"attributions must be N×C×H×W, got the shape {tuple(attributions.shape)}")
    count, channels, height, width = attributions.shape
    if patch < 1 or height % patch or width % patch:
        raise ValueError(f"squares of {patch}×{patch} do not tile maps of {height}×{width}")
    squares = attributions.double().reshape(count, channels, height // patch, patch, width // patch, patch)
    energy = squares.square().sum((1, 3, 5) if joint_channels else (3, 5))
    return gini(energy.sqrt())
