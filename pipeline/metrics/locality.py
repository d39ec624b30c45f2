"""Where the maps of features lie: probabilities of parts and objects, and their entropy (xnn.md sections 7.3 to 7.5).

Maps M×n×H×W ≥ 0 are of n features on M images; their scale does not matter. Rows and columns are those of the map, with
(0, 0) the middle of the first pixel. A probability that is not defined is NaN: of an invisible part, which one without
finite coordinates is too, and all those of a map that is not one (`probabilities`: NaN, an infinity or a negative value
in it, or zero everywhere).
"""

from typing import Literal

import torch
from torch import Tensor

from pipeline.metrics.map_orthogonality import probabilities


def pixel_probabilities(maps: Tensor, points: Tensor, visible: Tensor) -> Tensor:
    """What the normalised maps are at the pixels of parts: M×n×P, each 0 to 1.

    `points` M×P×2 are (row, column), rounded to the nearest pixel and moved into the map; `visible` M×P bool.
    """
    points, visible = _parts(maps, points, visible)
    shares = probabilities(maps)
    height, width = maps.shape[2:]
    rows, columns = points.round().long().unbind(2)
    places = rows.clamp(0, height - 1) * width + columns.clamp(0, width - 1)
    found = shares.flatten(2).gather(2, places[:, None].expand(-1, maps.shape[1], -1))
    return found.masked_fill(~visible[:, None], torch.nan)


def voronoi_probabilities(maps: Tensor, points: Tensor, visible: Tensor, boxes: Tensor) -> Tensor:
    """What of the normalised maps belongs to each part and, last, to the context: M×n×(P + 1), each 0 to 1.

    Each pixel counts for its owner by its weight, both from `voronoi_cells`, so the sum is at most 1. A visible part
    that owns no pixel has probability 0. An image without a visible part, or without a pixel in its box, is all NaN.
    """
    points, visible = _parts(maps, points, visible)
    owners, weights = voronoi_cells(points, visible, boxes, (maps.shape[2], maps.shape[3]))
    parts = visible.shape[1]
    found = _sums(probabilities(maps).flatten(2) * weights.flatten(1)[:, None], owners.flatten(1), parts + 1)
    usable = visible.any(1, keepdim=True) & (owners < parts).flatten(1).any(1, keepdim=True)
    defined = torch.cat([visible & usable, usable], dim=1)
    return found.masked_fill(~defined[:, None], torch.nan)


def voronoi_cells(points: Tensor, visible: Tensor, boxes: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Which part owns each pixel of `size` H×W, and how much the pixel counts for it: M×H×W each.

    A pixel in the box belongs to the nearest visible part, of equally near ones to the first, and counts 1 − d / d_max:
    d is its distance to the part's point, d_max the largest of that part's pixels. Pixels outside the box are context,
    with owner P, and count 1. `points` M×P×2 are finite, `visible` M×P bool; `boxes` M×4 are (top, left, height,
    width), with the pixels whose middle is in them. Needs M·P·H·W distances at once.
    """
    if boxes.shape != (len(points), 4):
        raise ValueError(f"boxes: expected M×4 for {len(points)} images, not {tuple(boxes.shape)}")
    images, parts = visible.shape
    rows, columns = (torch.arange(side, device=points.device).double() for side in size)
    squares = (rows - points[..., :1]).square()[..., None] + (columns - points[..., 1:]).square()[:, :, None]
    distances, owners = squares.masked_fill_(~visible[..., None, None], torch.inf).sqrt_().min(1)
    top, left, tall, wide = boxes.double()[..., None].unbind(1)
    inside = ((rows >= top) & (rows < top + tall))[..., None] & ((columns >= left) & (columns < left + wide))[:, None]
    owners, distances = owners.masked_fill(~inside, parts), distances.masked_fill(~inside, 0)
    largest = distances.new_zeros(images, parts + 1).scatter_reduce(1, owners.flatten(1), distances.flatten(1), "amax")
    relative = distances / largest.gather(1, owners.flatten(1)).view_as(distances)
    return owners, 1 - torch.where(distances > 0, relative, 0)


def object_probabilities(maps: Tensor, objects: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """What of the normalised maps lies on each of `count` classes of objects, M×n×count, and on none, M×n; 0 to 1.

    `objects` M×H×W integers, the class of each pixel; whatever is outside 0 … count − 1 is unlabelled. All instances of
    a class count together; a class that is not in an image is NaN there. Both results together sum to 1.
    """
    if maps.dim() != 4 or objects.shape != maps[:, 0].shape:
        raise ValueError(f"expected maps M×n×H×W and objects M×H×W, not {tuple(maps.shape)} and {tuple(objects.shape)}")
    labelled = (objects >= 0) & (objects < count)
    owners = torch.where(labelled, objects, count).long().flatten(1)
    found = _sums(probabilities(maps).flatten(2), owners, count + 1)
    present = torch.zeros(len(maps), count + 1, dtype=torch.bool, device=maps.device).scatter_(1, owners, True)
    return found[..., :count].masked_fill(~present[:, None, :count], torch.nan), found[..., count]


def mean_probabilities(found: Tensor, invisible: Literal["zero", "skip"] = "zero") -> Tensor:
    """S̄ n×P: mean over images of one of the above, M×n×P; NaN for a feature without an image.

    An image in which all of a feature's probabilities are NaN does not count. Where a single one is NaN, the part is
    invisible: it counts as zero, as published, or with "skip" the mean is over the images in which it is visible.
    """
    if found.dim() != 3:
        raise ValueError(f"expected probabilities M×n×P, not {tuple(found.shape)}")
    if invisible == "skip":
        return found.nanmean(0)
    counted = (~found.isnan().all(2)).sum(0)
    return found.nansum(0) / counted[:, None]


def locality_entropy(means: Tensor) -> Tensor:
    """H = −Σ_p s_p ln s_p in nats for each of the features of S̄ n×P, with s = S̄ / Σ S̄: lower is more local.

    0 if everything is on one part, ln P if it is spread evenly. A part that is NaN, because it never was visible,
    counts as absent; a feature without any probability, or with a negative or infinite one, is NaN.
    """
    if means.dim() != 2:
        raise ValueError(f"expected mean probabilities n×P, not {tuple(means.shape)}")
    absent = means.isnan()
    known = means.masked_fill(absent, 0)
    shares = known / known.sum(1, keepdim=True)
    entropy = torch.special.entr(shares).sum(1)
    return entropy.masked_fill(((known < 0) | known.isinf()).any(1), torch.nan)


def _parts(maps: Tensor, points: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
    """Points in double precision, zero where nothing is visible, and what is."""
    if maps.dim() != 4 or visible.dim() != 2 or len(visible) != len(maps) or points.shape != (*visible.shape, 2):
        raise ValueError(
            "expected maps M×n×H×W, points M×P×2 and visible M×P, not "
            f"{tuple(maps.shape)}, {tuple(points.shape)} and {tuple(visible.shape)}"
        )
    visible = visible & points.isfinite().all(2)
    return points.double().masked_fill(~visible[..., None], 0), visible


def _sums(values: Tensor, owners: Tensor, count: int) -> Tensor:
    """Sums M×n×count of `values` M×n×K over the K pixels of each of `count` owners M×K; NaN where any value is."""
    sums = values.new_zeros(*values.shape[:2], count).scatter_add(2, owners[:, None].expand_as(values), values)
    return sums.masked_fill(values.isnan().any(2, keepdim=True), torch.nan)
