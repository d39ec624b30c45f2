"""How far a prediction falls as what a map calls relevant is taken away (normat.md section 8.5).

Paper: Samek et al. 2017, Evaluating the visualization of what a deep neural network has learned: area over the
perturbation curve (AOPC), most relevant first (MoRF). A map that is the same everywhere removes regions in random
order, and so does a map of zeros: that is the control beside which a method's AOPC is read.

Bad input: a map with NaN or inf, and an image whose score is NaN, have NaN; the other items keep their values.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad


@torch.no_grad()
def aopc(
    score: Callable[[Tensor], Tensor],
    images: Tensor,
    maps: Tensor,
    *,
    patch: int,
    steps: Sequence[int],
    draws: int,
    generator: torch.Generator,
) -> Tensor:
    """AOPC_L = 1/(L+1) · Σ_{k=0..L} [f(x₀) − f(x_k)] of each image for each L of `steps`: len(steps)×B, float64.

    `score` is f, from images B×C×H×W to B values, whose unit is the result's; `maps` are B×H×W. Regions are the
    ⌊H/patch⌋·⌊W/patch⌋ squares of a fixed grid; what is left over at the right and at the bottom stays. x_k is x₀ with
    the k regions of the largest sum of the map overwritten by noise from U(0,1), equal sums in random order. Means over
    `draws` of noise and order, which all images share: an image's value does not depend on its batch, provided that the
    generator starts alike. NaN for an L above the number of regions. The forward passes are draws · max L + 1.
    """
    if images.dim() != 4 or maps.shape != (len(images), *images.shape[2:]):
        shapes = f"{tuple(images.shape)} and {tuple(maps.shape)}"
        raise ValueError(f"images must be B×C×H×W and maps B×H×W, got {shapes}")
    if min(patch, draws, *steps) < 1:
        raise ValueError(f"patch, draws and steps must be at least 1, got {patch}, {draws} and {tuple(steps)}")
    relevance = _region_sums(maps, patch)
    regions = relevance.shape[1] * relevance.shape[2]
    last = max((step for step in steps if step <= regions), default=0)
    start = score(images).double()
    if start.shape != (len(images),):
        raise ValueError(f"score must give one value an image, got the shape {tuple(start.shape)}")
    drops = start.new_zeros(last + 1, len(images))
    for _ in range(draws):
        shuffled = torch.randperm(regions, generator=generator).to(maps.device)
        noise = torch.rand(1, *images.shape[1:], generator=generator).to(images)
        turns = _turns(relevance, shuffled, patch, images.shape[2:])
        for k in range(1, last + 1):
            drops[k] += start - score(torch.where(turns <= k, noise, images)).double()
    areas = drops.cumsum(0) / draws / torch.arange(1, last + 2, device=drops.device)[:, None]
    areas = torch.where(maps.flatten(1).isfinite().all(1), areas, torch.nan)
    missing = torch.full_like(start, torch.nan)
    return torch.stack([areas[step] if step <= regions else missing for step in steps])


def relative_drop(base: Tensor, post: Tensor) -> Tensor:
    """(base − post) / base: which share of the AOPC `base` a processed map with `post` lost; NaN where base is 0.

    Any shape; the published percentages are of means over images. Negative where the processed map is better.
    """
    return torch.where(base == 0, torch.nan, (base - post) / base)


def _region_sums(maps: Tensor, patch: int) -> Tensor:
    """Sums of maps B×H×W over squares of the grid, B×rows×columns."""
    rows, columns = maps.shape[1] // patch, maps.shape[2] // patch
    grid = maps[:, : rows * patch, : columns * patch].double()
    return grid.reshape(len(maps), rows, patch, columns, patch).sum((2, 4))


def _turns(relevance: Tensor, shuffled: Tensor, patch: int, size: torch.Size) -> Tensor:
    """At which step, from 1, each pixel is overwritten, B×1×H×W; what is outside the grid is so never.

    `relevance` B×rows×columns decides; equals come in the order of `shuffled`, a permutation of the regions.
    """
    order = shuffled[relevance.flatten(1)[:, shuffled].argsort(dim=1, descending=True, stable=True)]
    turns = (order.argsort(dim=1) + 1).reshape(relevance.shape)
    pixels = turns.repeat_interleave(patch, 1).repeat_interleave(patch, 2)
    missing = (0, size[1] - pixels.shape[2], 0, size[0] - pixels.shape[1])
    return pad(pixels, missing, value=len(shuffled) + 1)[:, None]
