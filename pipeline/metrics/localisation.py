"""How well maps find the object: overlap, pointing game and energy (csg.md E9, reff.md "Metrics, exactly").

Maps are N×H×W at the resolution of the object masks, N×H×W bool. Results are one value an image, double precision, in
0..1. An image has no value (NaN) if its mask has no pixel, or its map has a NaN or infinite value; other images are not
touched by it. Wrong shapes raise `ValueError`. Means leave out NaN.
"""

import torch
from torch import Tensor
from torch.nn.functional import interpolate, one_hot

from pipeline.ranking import rank

#: Pixels of upsampled maps that exist at a time while filters are measured: what a processor's cache holds.
BLOCK = 2**20

#: Activations that are copied at a time while thresholds are found.
COLUMN_BLOCK = 2**23


def intersection_over_union(predicted: Tensor, true: Tensor) -> Tensor:
    """|P ∧ T| / |P ∨ T| of boolean masks …×H×W that broadcast.

    An empty union gives 0, as csg.md E9 has it; a `true` without a pixel beside a prediction with some gives NaN.
    """
    if predicted.dtype != torch.bool or true.dtype != torch.bool or predicted.shape[-2:] != true.shape[-2:]:
        raise ValueError(f"expected boolean masks of one size, got {_kind(predicted)} and {_kind(true)}")
    both = (predicted & true).sum((-2, -1))
    return _ratio(both, predicted.sum((-2, -1)), true.sum((-2, -1)))


def reaches(overlaps: Tensor, percent: int) -> Tensor:
    """1 where IoU ≥ percent / 100, else 0; NaN stays. Its mean over images is APn, n = `percent` (csg.md 8.18)."""
    return (overlaps >= percent / 100).double().where(~overlaps.isnan(), torch.nan)


def top_share(maps: Tensor, share: float) -> Tensor:
    """Predicted masks N×H×W: each map ≥ its value at rank ⌊share·H·W⌋ from the top, rank 1 being the largest.

    Ties at the threshold are all in: a constant map covers the image. A map with a NaN covers nothing.
    """
    values = maps.flatten(1)
    place = values.shape[1] - rank(share, values.shape[1]) + 1
    return maps >= values.kthvalue(place, dim=1).values[:, None, None]


def map_overlaps(maps: Tensor, masks: Tensor, share: float) -> Tensor:
    """IoU of each map's `top_share` with its mask."""
    valid = _valid(maps, masks)
    return intersection_over_union(top_share(maps, share), masks).where(valid, torch.nan)


def half_maximum_overlaps(maps: Tensor, masks: Tensor) -> Tensor:
    """IoU of the mask with where each map has half of its maximum or more; 0 for a map without a positive value."""
    valid = _valid(maps, masks)
    highest = maps.amax((1, 2), keepdim=True)
    return intersection_over_union((maps >= highest / 2) & (highest > 0), masks).where(valid, torch.nan)


def pointing_game(maps: Tensor, masks: Tensor) -> Tensor:
    """1 if the largest value lies in the mask, else 0; of equals the first in row-major order counts.

    NaN for a constant map, which points nowhere.
    """
    valid = _valid(maps, masks)
    values = maps.flatten(1)
    hits = masks.flatten(1).gather(1, values.argmax(1, keepdim=True))[:, 0].double()
    return hits.where(valid & (values.amax(1) != values.amin(1)), torch.nan)


def energy_inside(maps: Tensor, masks: Tensor) -> Tensor:
    """Σ max(map, 0) in the mask / Σ max(map, 0): reff.md's inside share. 0 for a map without a positive value.

    A map that does not know the object has the share of the image that the mask covers.
    """
    valid = _valid(maps, masks)
    energy = maps.double().clamp(min=0)
    total = energy.sum((1, 2))
    return ((energy * masks).sum((1, 2)) / total.where(total > 0, 1)).where(valid, torch.nan)


def centre_distance(maps: Tensor) -> Tensor:
    """Distance N of each map's centre of mass, of its positive part, from the centre of the image: 0 there, 1 in a
    corner (reff.md section 7, d). Maps N×H×W. NaN for a map without a positive value.
    """
    energy = maps.double().clamp(min=0)
    total = energy.sum((1, 2))
    squares = [
        ((energy.sum(other) * torch.linspace(-1, 1, size).to(energy)).sum(1) / total).square()
        for size, other in zip(maps.shape[1:], (2, 1), strict=True)
    ]
    return (sum(squares) / 2).sqrt()


def filter_thresholds(maps: Tensor, share: float) -> Tensor:
    """T of each filter, K: its value at rank ⌊share·N·h·w⌋ from the top among activation maps N×K×h×w, exactly.

    Few filters are copied at a time. A filter with a NaN or infinite activation has NaN; a filter that is 0 in more
    places than 1 − share has 0, which all its activations reach.
    """
    if maps.dim() != 4 or not maps.numel():
        raise ValueError(f"expected activation maps N×K×h×w, got {_kind(maps)}")
    count = maps.shape[0] * maps.shape[2] * maps.shape[3]
    place = count - rank(share, count) + 1
    found = []
    for part in maps.split(max(1, COLUMN_BLOCK // count), dim=1):
        columns = part.transpose(0, 1).flatten(1)
        thresholds = columns.kthvalue(place, dim=1).values
        found.append(thresholds.where(columns.isfinite().all(1), torch.nan))
    return torch.cat(found)


def filter_overlaps(maps: Tensor, masks: Tensor, thresholds: Tensor) -> Tensor:
    """IoU N×K of the masks N×H×W with where each filter, brought bilinearly to H×W, reaches its threshold.

    Activation maps N×K×h×w; `thresholds` K. Upsampled maps are made a cache's worth at a time and only counted.
    Being equal to the threshold survives the rounding of the upsampling: its last bits are ignored. NaN for an image
    and filter whose map has a NaN or infinite value, and for all images of a filter with such a threshold.
    """
    if maps.dim() != 4 or masks.dim() != 3 or len(maps) != len(masks) or thresholds.shape != maps.shape[1:2]:
        shapes = f"{_kind(maps)}, {_kind(masks)} and {_kind(thresholds)}"
        raise ValueError(f"expected maps N×K×h×w, masks N×H×W and thresholds K, got {shapes}")
    size = masks.shape[1:]
    down, across = (_upsampling(*sides).to(maps) for sides in zip(maps.shape[2:], size, strict=True))
    nearly = (thresholds - 8 * torch.finfo(thresholds.dtype).eps * thresholds.abs())[:, None, None]
    filters = max(1, min(maps.shape[1], BLOCK // size.numel()))
    images = max(1, BLOCK // (size.numel() * filters))
    true = masks.flatten(1)
    counts = maps.new_empty((*maps.shape[:2], 2))
    for part, of_part, into in zip(maps.split(images), true.split(images), counts.split(images), strict=True):
        # One product counts the predicted pixels inside the mask and all of them.
        counters = torch.stack([of_part, torch.ones_like(of_part)], dim=2).to(maps.dtype)
        parts = zip(part.split(filters, dim=1), nearly.split(filters), into.split(filters, dim=1), strict=True)
        for few, least, place in parts:
            place.copy_((down @ (few @ across.T)).ge_(least).flatten(2) @ counters)
    inside, predicted = counts.double().unbind(2)
    valid = maps.flatten(2).isfinite().all(2) & thresholds.isfinite()
    return _ratio(inside, predicted, true.sum(1, keepdim=True)).where(valid, torch.nan)


def class_means(values: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Means C×… of `values` N×… over the images of each class, without NaN; NaN for a class that has none."""
    if labels.shape != values.shape[:1]:
        raise ValueError(f"expected values N×… and labels N, got {_kind(values)} and {_kind(labels)}")
    members = one_hot(labels, classes).T.double()
    columns = values.double().unsqueeze(-1).flatten(1)
    known = ~columns.isnan()
    means = (members @ columns.where(known, 0)) / (members @ known.double())
    return means.reshape(classes, *values.shape[1:])


def focus(rates: Tensor) -> Tensor:
    """Class K that each filter focuses on: the largest of its APn, `rates` C×K; of equals the lowest (appendix H.1).

    A class with NaN is never chosen; a filter that has nothing else gets −1.
    """
    return rates.nan_to_num(nan=-1).argmax(0).where(~rates.isnan().all(0), -1)


def by_focus(values: Tensor, focused: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Per-filter aggregation of class means `values` C×K over the classes `focused` K (csg.md E9, appendix H.1).

    Returns each filter's value on its class, K; their mean over the filters F_c of each class, C, NaN where there are
    none; and |F_c|, C. A filter of class −1 has NaN and is in no F_c. The total is the nan-aware mean of the first.
    """
    focusing = focused >= 0
    own = values.gather(0, focused.clamp(min=0)[None])[0].where(focusing, torch.nan)
    scores = class_means(own[focusing], focused[focusing], len(values))
    return own, scores, focused[focusing].bincount(minlength=len(values))


def _ratio(both: Tensor, predicted: Tensor, true: Tensor) -> Tensor:
    """IoU in double precision from numbers of pixels."""
    union = (predicted + true - both).double()
    overlaps = both.double() / union.clamp(min=1)
    return overlaps.where((true > 0) | (union == 0), torch.nan)


def _upsampling(side: int, to: int) -> Tensor:
    """Weights to×side with which `interpolate` brings one axis from `side` to `to` pixels."""
    return interpolate(torch.eye(side)[None], size=to, mode="linear", align_corners=False)[0].T


def _valid(maps: Tensor, masks: Tensor) -> Tensor:
    """Images N that can have a value: the map is finite and the mask has a pixel."""
    if maps.dim() != 3 or maps.shape != masks.shape:
        raise ValueError(f"expected maps and masks N×H×W of one shape, got {_kind(maps)} and {_kind(masks)}")
    return maps.flatten(1).isfinite().all(1) & masks.flatten(1).any(1)


def _kind(tensor: Tensor) -> str:
    return f"{'×'.join(map(str, tensor.shape))} {str(tensor.dtype).removeprefix('torch.')}"
