"""How alike two attribution maps of an image are (normat.md sections 8.3, 8.4, 8.6, 8.7).

`top_k_intersection`, `ssim` of display maps and `normalised_distance` compare the map of an image with that of its
attacked copy (section 8.3). The first two between the maps of two networks, trained on slightly different data, are the
stability of a training method (section 8.4).

Maps are ranked by magnitude. Bad input: an item with NaN or inf in either map is NaN, as is what has no answer: a top
or a rank of a constant map, a direction of a map of zeros. The other items keep their values. Shapes that differ raise
`ValueError`. Aggregates are the caller's: the mean over the items that are not NaN, with their number.
"""

import torch
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from pipeline.ranking import counted, largest

#: Largest value of a display map is this quantile of the map (normat.md section 2).
BRIGHTEST = 0.99
#: Maps whose values lie closer together are shown as zeros.
NARROWEST = 1e-10


def display_map(attributions: Tensor, scale_of: Tensor | None = None) -> Tensor:
    """Maps as people are shown them, for attributions B×C×H×W: B×H×W in 0..1, double precision.

    Magnitudes summed over channels, minus the minimum, over the 99th percentile minus the minimum, clipped. Both ends
    come from `scale_of`, attributions B×C×H×W whose scale is to be kept; None takes those of the maps themselves. Where
    the ends are less than 1e-10 apart, as for maps with less than one pixel of a hundred, the map is zero everywhere;
    where either holds NaN or inf it is NaN everywhere.
    """
    magnitudes = _magnitudes(attributions)
    scale = magnitudes if scale_of is None else _magnitudes(scale_of)
    if len(scale) != len(magnitudes):
        raise ValueError(f"expected one scale for each map, got {len(scale)} for {len(magnitudes)}")
    low = scale.flatten(1).amin(1)
    spread = torch.quantile(scale.flatten(1), BRIGHTEST, dim=1) - low
    shown = ((magnitudes - low[:, None, None]) / spread[:, None, None]).clamp(0, 1)
    shown = torch.where((spread < NARROWEST)[:, None, None], 0, shown)
    finite = _finite(magnitudes) & _finite(scale)
    return torch.where(finite[:, None, None], shown, torch.nan)


def ssim(first: Tensor, second: Tensor, data_range: float = 1.0) -> Tensor:
    """Structural similarity (Wang et al. 2004) of maps B×H×W whose values span `data_range`: B values in −1..1.

    Gaussian window of standard deviation 1.5, 11 pixels wide, mirrored at the border, in single precision. The mean is
    over all pixels; scikit-image leaves out 5 at each border, which matters for small maps. Constant maps are defined:
    two equal ones have 1. Raises `ValueError` for maps with a side below 6 pixels, which the window cannot mirror;
    enlarge them first.
    """
    _same_shape(first, second)
    if first.dim() != 3 or min(first.shape[1:]) < 6:
        raise ValueError(f"maps must be B×H×W with sides of at least 6 pixels, got the shape {tuple(first.shape)}")
    if not len(first):  # which torchmetrics does not take
        return first.new_zeros(0, dtype=torch.float64)
    # Maps as channels of one image go through one depthwise convolution, many times as fast as maps as images.
    _, values = structural_similarity_index_measure(
        first[None].float(), second[None].float(), sigma=1.5, data_range=data_range, return_full_image=True
    )
    means = values[0].double().mean((1, 2)).clamp(-1, 1)  # rounding may overshoot
    return torch.where(_finite(first) & _finite(second), means, torch.nan)


def top_k_intersection(first: Tensor, second: Tensor, share: float) -> Tensor:
    """|A ∩ B| / k for attributions B×…, B values in 0..1, with A and B the k largest entries of `first` and `second`.

    k = ⌊share · #{first ≠ 0}⌋ for each item (normat.md sections 8.3, 8.4); among equals the lowest index comes first.
    NaN where k = 0 or a map is constant. Not symmetric, since `first` alone decides on k.
    """
    _same_shape(first, second)
    return _shared(first, second, counted(share, first.flatten(1).count_nonzero(1)))


def top_k_overlap(saliency: Tensor, gaze: Tensor, share: float) -> Tensor:
    """|A ∩ B| / k for maps B×H×W, B values in 0..1, with k = ⌊share · H·W⌋ pixels (normat.md section 8.7).

    Random maps score `share`. Among equals the lowest index comes first. NaN where k = 0 or a map is constant, such as
    gaze without a pixel.
    """
    _same_shape(saliency, gaze)
    pixels = torch.full((len(saliency),), saliency.flatten(1).shape[1], device=saliency.device)
    return _shared(saliency, gaze, counted(share, pixels))


def normalised_distance(first: Tensor, second: Tensor) -> Tensor:
    """‖a/‖a‖₂ − b/‖b‖₂‖₂ for attributions B×…, B values in 0..2, at most √2 where none is negative (section 8.3).

    Takes values with their signs; the paper's are magnitudes. NaN where either map is zero everywhere.
    """
    _same_shape(first, second)
    flat = [values.flatten(1).double() for values in (first, second)]
    directions = [values / values.norm(dim=1, keepdim=True) for values in flat]
    return (directions[0] - directions[1]).norm(dim=1).clamp(max=2)


def rank_correlation(first: Tensor, second: Tensor) -> Tensor:
    """Spearman's rank correlation of the magnitudes of attributions B×…, B values in −1..1.

    Equals share their mean rank. NaN where either map is constant in magnitude.
    """
    _same_shape(first, second)
    ranks = [_centred_ranks(values.flatten(1).abs()) for values in (first, second)]
    covariance = (ranks[0] * ranks[1]).sum(1)
    values = covariance / (ranks[0].square().sum(1) * ranks[1].square().sum(1)).sqrt()
    return torch.where(_finite(first) & _finite(second), values.clamp(-1, 1), torch.nan)


def _shared(first: Tensor, second: Tensor, counts: Tensor) -> Tensor:
    """Which part of the `counts` (B) entries of largest magnitude two maps have in common."""
    sizes = [values.flatten(1).abs() for values in (first, second)]
    both = (largest(sizes[0], counts) & largest(sizes[1], counts)).sum(1)
    ranked = _finite(first) & _finite(second) & (counts > 0)
    for values in sizes:
        ranked &= (values != values[:, :1]).any(1)
    return torch.where(ranked, both.double() / counts, torch.nan)


def _centred_ranks(values: Tensor) -> Tensor:
    """Ranks of each row of B×n minus their mean, which is exact: the row of a constant map is 0."""
    ordered = values.sort(dim=1).values
    below = torch.searchsorted(ordered, values)
    up_to = torch.searchsorted(ordered, values, right=True)
    return (below + up_to - values.shape[1]).double() / 2


def _magnitudes(attributions: Tensor) -> Tensor:
    if attributions.dim() != 4:
        raise ValueError(f"attributions must be B×C×H×W, got the shape {tuple(attributions.shape)}")
    return attributions.double().abs().sum(1)


def _finite(maps: Tensor) -> Tensor:
    """Which of the maps B×… hold neither NaN nor inf."""
    return maps.flatten(1).isfinite().all(1)


def _same_shape(first: Tensor, second: Tensor) -> None:
    if first.shape != second.shape or first.dim() < 2:
        shapes = f"{tuple(first.shape)} and {tuple(second.shape)}"
        raise ValueError(f"maps must be two tensors of one shape with at least two axes, got {shapes}")
