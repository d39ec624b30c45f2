"""How well groups of things agree with their labels (xnn.md section 10.4)."""

import torch
from sklearn.metrics import adjusted_rand_score
from torch import Tensor


def purity(labels: Tensor, bins: Tensor) -> Tensor:
    """(1/n) Σ_bins max_c |things of the bin with label c|, in 1/n..1, for each of …×n groupings `bins`.

    `labels` are …×n or n integers ≥ 0, `bins` as many, any integers ≥ 0; the result has the leading dimensions of
    `bins`. NaN without things. 1 means that no bin mixes labels; more bins can only raise it.
    """
    if labels.shape not in (bins.shape, bins.shape[-1:]) or bins.ndim == 0:
        raise ValueError(f"labels {tuple(labels.shape)} must be as many as bins {tuple(bins.shape)}")
    if not bins.numel():
        return torch.full(bins.shape[:-1], torch.nan, dtype=torch.float64)
    classes, groups = int(labels.max()) + 1, int(bins.max()) + 1
    pairs = torch.atleast_2d(bins * classes + labels).flatten(0, -2)
    table = torch.zeros(len(pairs), groups * classes, dtype=torch.float64, device=bins.device)
    table.scatter_add_(1, pairs, torch.ones_like(pairs, dtype=torch.float64))
    largest = table.unflatten(1, (groups, classes)).amax(2).sum(1)
    return (largest / bins.shape[-1]).reshape(bins.shape[:-1])


def chance_purity(labels: Tensor, bins: int, generator: torch.Generator, draws: int = 10_000) -> float:
    """Mean purity when each of n things goes to one of `bins` bins at random, over `draws` draws of `generator`.

    NaN without things. Takes memory for draws × n numbers.
    """
    thrown = torch.randint(bins, (draws, len(labels)), generator=generator)
    return purity(labels.cpu(), thrown).mean().item()


def adjusted_rand(labels: Tensor, bins: Tensor) -> float:
    """Adjusted Rand index of two groupings of n things, −0.5..1, 0 by chance, 1 if they agree; NaN without things."""
    if labels.shape != bins.shape or labels.ndim != 1:
        raise ValueError(f"labels {tuple(labels.shape)} and bins {tuple(bins.shape)} must be n each")
    return float(adjusted_rand_score(labels.cpu().numpy(), bins.cpu().numpy())) if len(labels) else float("nan")
