"""Heat maps of the scores of a factorisation: where each of its r dimensions is at work.

Source: DeepFacto's figure B.2 as admm.md section 4.3 settles it. Activations Z ≈ M·S of a stage are factorised over
channels, shared by all places; row (n, u, v) of the transposed scores belongs to place (u, v) of image n.
There is no `explain` here, because no network with scores is among the methods.
Range: from 0, without upper end. Sign: none. Resolution: the image's, bilinear. Cost: that of the scores.
"""

from math import log

import torch
from torch import Tensor
from torch.nn.functional import interpolate


def grids(scores: Tensor, size: tuple[int, int]) -> Tensor:
    """Scores (N·h·w)×r, images outermost, as maps N×r×h×w of `size` h×w; raises `ValueError` if they do not fit."""
    if scores.dim() != 2 or len(scores) % (size[0] * size[1]):
        raise ValueError(f"expected scores (N·{size[0]}·{size[1]})×r, got {tuple(scores.shape)}")
    return scores.unflatten(0, (-1, *size)).permute(0, 3, 1, 2)


def score_map(scores: Tensor, size: tuple[int, int], image_size: tuple[int, int]) -> Tensor:
    """Heat maps N×r×H×W at `image_size` of scores (N·h·w)×r at `size`, corners not aligned."""
    return interpolate(grids(scores, size), size=image_size, mode="bilinear", align_corners=False)


def spatial_concentration(maps: Tensor) -> Tensor:
    """N×r for maps N×r×h×w ≥ 0: 1 − H(p) / log(h·w), p = map / Σ map; 0 for a flat map, 1 for a single place.

    NaN for a map that is zero everywhere, has a negative, NaN or infinite value, or is a single place. Raises
    `ValueError` for maps of another shape.
    """
    if maps.dim() != 4:
        raise ValueError(f"expected maps N×r×h×w, got {tuple(maps.shape)}")
    values = maps.flatten(2).double()
    shares = values / values.sum(2, keepdim=True)
    entropy = torch.special.entr(shares).sum(2)
    valid = (values >= 0).all(2) & (values.shape[2] > 1)
    return (1 - entropy / log(max(values.shape[2], 2))).where(valid, torch.nan)


def most_concentrated(concentration: Tensor, count: int) -> Tensor:
    """Numbers of the `count` dimensions of largest mean concentration N×r over the images where it is defined.

    The largest comes first, of equals the lowest number. A dimension that is defined nowhere is never chosen, so that
    there may be fewer. Raises `ValueError` unless `count` is positive.
    """
    if count < 1:
        raise ValueError(f"expected a positive count, got {count}")
    means = concentration.nanmean(0)
    order = means.nan_to_num(nan=-torch.inf).argsort(descending=True, stable=True)
    return order[: min(count, int((~means.isnan()).sum()))]


def colour_limits(maps: Tensor) -> Tensor:
    """r×2: smallest and largest value of each dimension over all images and places of maps N×r×h×w.

    With one scale for a dimension, pictures of different images compare. NaN for a dimension with a NaN.
    """
    values = maps.transpose(0, 1).flatten(1)
    return torch.stack(values.aminmax(dim=1), dim=1)
