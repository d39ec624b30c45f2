"""Feature fidelity: how well single binary features of a quantised network match attributes that it never saw.

Source: intersection.md sections 4, 5 and 5.1. A feature of n has one of `levels` codes 0..Q; binary features are
[v_j = c] and its complement [v_j ≠ c], for each feature j and code c. An attribute is scored by the largest F1 = 2 TP /
(positives + predicted) over all of them, and d_D is the mean over attributes. A constant feature nearly always exists,
so that d_D is hardly ever below `floor(attributes)`; read it beside that, and beside its null, the same codes against
attributes whose rows were permuted.

With A N×d the attributes and U_c = [V = c] N×n, true positives of all pairs are A^T U_c, those of the complements what
is left of the attribute: one matrix product a code, and no array of all binary features.
"""

from typing import NamedTuple

import torch
from torch import Tensor


def quantise(features: Tensor, low: float, high: float, bits: int) -> Tensor:
    """Codes 0..Q = 2^bits − 1, uint8, of `features` of any shape: the affine quantiser that keeps 0 a code (section 4).

    step = (high − low)/Q, zero = round(clip(−low/step, 0, Q)), code = round(clip(zero + x/step, 0, Q)), ties to even,
    in double precision. Codes are 0 where high − low < 1e-12. Infinite features get the codes at the ends; NaN has no
    code and raises `ValueError`.
    """
    if not 1 <= bits <= 8:
        raise ValueError(f"bits must lie in 1..8, found {bits}")
    if features.isnan().any():
        raise ValueError("features hold NaN, for which there is no code")
    largest = 2**bits - 1
    if high - low < 1e-12:
        return torch.zeros_like(features, dtype=torch.uint8)
    step = (high - low) / largest
    zero = round(min(max(-low / step, 0), largest))
    return (features.double() / step + zero).clamp(0, largest).round().to(torch.uint8)


def code_range(features: Tensor, batch: int = 16) -> tuple[float, float]:
    """Means of the smallest and the largest entry of `batch` rows of `features` N×n at a time (section 4).

    What a running range of a training with batches of that size would end near, and less driven by outliers than the
    range of all. Rows beyond the last full batch are left out.
    """
    size = min(batch, len(features))
    low, high = features[: len(features) // size * size].reshape(-1, size * features.shape[1]).double().aminmax(dim=1)
    return low.mean().item(), high.mean().item()


class Match(NamedTuple):
    """For each of d attributes the best binary feature: its `f1`, the `feature` j, the `code` c, and whether it is the
    `complement` [v_j ≠ c]. Of equally good ones the lowest code, then plain before complement, then the lowest j.
    """

    f1: Tensor
    feature: Tensor
    code: Tensor
    complement: Tensor


def best_features(codes: Tensor, attributes: Tensor, levels: int) -> tuple[Match, Match]:
    """Best binary feature of each attribute among all, and among the plain ones [v_j = c] only (section 5).

    `codes` N×n integers below `levels`, `attributes` N×d of 0 and 1. F1 in 0..1, double precision; an attribute that no
    image has gets 0 from every feature. Memory: a few arrays N×n and d×n in single precision, which counts exactly up
    to 2^24 images.
    """
    _check(codes, attributes, levels)
    rows = attributes.T.float()
    count, positives = len(codes), rows.sum(1, keepdim=True).double()
    blank = torch.zeros(len(rows), dtype=torch.int64, device=codes.device)
    best = plain = Match(torch.full_like(positives[:, 0], -1), blank, blank, blank.bool())
    for code in range(levels):
        members = (codes == code).float()
        predicted = members.sum(0).double()
        hits = (rows @ members).double()
        found = _leading(_f1(hits, positives, predicted), code, complement=False)
        rest = _leading(_f1(positives - hits, positives, count - predicted), code, complement=True)
        plain = _better(plain, found)
        best = _better(_better(best, found), rest)
    return best, plain


def fidelity_of(match: Match, codes: Tensor, attributes: Tensor) -> Tensor:
    """F1 of each attribute on these images by the binary feature that `match` chose on others, d values.

    0 for an attribute that no image has, as in `best_features`.
    """
    _check(codes, attributes, 256)
    predicted = (codes[:, match.feature] == match.code) ^ match.complement
    present = attributes.bool()
    return _f1((predicted & present).sum(0).double(), present.sum(0), predicted.sum(0))


def floor(attributes: Tensor) -> Tensor:
    """F1 that a constant feature reaches, 2π/(1 + π) for prevalence π, of each of d attributes N×d (section 5.1)."""
    prevalence = attributes.double().mean(0)
    return 2 * prevalence / (1 + prevalence)


def present(values: Tensor, attributes: Tensor) -> Tensor:
    """Those of the d `values` whose attribute some image has."""
    return values[attributes.bool().any(0)]


def _check(codes: Tensor, attributes: Tensor, levels: int) -> None:
    if codes.ndim != 2 or attributes.ndim != 2 or len(codes) != len(attributes) or not codes.numel():
        raise ValueError(f"codes {tuple(codes.shape)} and attributes {tuple(attributes.shape)} must be N×n and N×d")
    if not ((attributes == 0) | (attributes == 1)).all():
        raise ValueError("attributes must be 0 or 1")
    low, high = int(codes.min()), int(codes.max())
    if low < 0 or high >= levels:
        raise ValueError(f"codes must lie in 0..{levels - 1}, found {low}..{high}")


def _f1(hits: Tensor, positives: Tensor, predicted: Tensor) -> Tensor:
    # Without positives and predictions there are no hits either, and 0/1 is the 0 of the definition.
    return 2 * hits / (positives + predicted).clamp(min=1)


def _leading(f1: Tensor, code: int, complement: bool) -> Match:
    """The best of n features for each attribute, given d×n values of F1."""
    values, features = f1.max(1)
    return Match(values, features, torch.full_like(features, code), torch.full_like(features, complement).bool())


def _better(old: Match, new: Match) -> Match:
    larger = new.f1 > old.f1
    return Match(*(torch.where(larger, after, before) for before, after in zip(old, new, strict=True)))
