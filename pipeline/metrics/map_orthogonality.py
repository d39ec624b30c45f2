"""How little the maps of an explanation network's features repeat each other: O1 and O2 (xnn.md section 7.2)."""

from typing import NamedTuple

import torch
from torch import Tensor

#: Eigenvalues of the correlations below this count as this much, so that equal maps have a finite O2.
LEAST_EIGENVALUE = 1e-6


class Orthogonality(NamedTuple):
    """Scalars; all but `live` are NaN for less than two live features."""

    o1: Tensor
    """‖P‖_F − √n: 0 for uncorrelated maps, n − √n for equal ones; values of different n do not compare."""
    o1_normalised: Tensor
    """o1 / (n − √n): 0 to 1, comparable over n."""
    o2: Tensor
    """−log det P in nats: 0 for uncorrelated maps; eigenvalues are clipped at 1e-6."""
    live: Tensor
    """n: features that count."""


def map_orthogonality(maps: Tensor, live: Tensor | None = None) -> Orthogonality:
    """O1 and O2 of maps M×n×H×W ≥ 0 of n features on the same M images; the scale of a map does not matter.

    P are the correlations that belong to C, the covariances of two features' maps over pixels, averaged over images;
    maps are divided by their sums first. A map that is not one (`probabilities`) or is the same everywhere has no
    covariance with any: it adds zero to C, which keeps P a correlation matrix. A feature is live if it has a map on
    more than half of the images, and if `live` n (bool), where given, says so, such as for features that fire on more
    than half of the images.
    """
    if maps.dim() != 4 or (live is not None and live.shape != maps.shape[1:2]):
        shapes = [tuple(values.shape) for values in (maps, live) if values is not None]
        raise ValueError(f"maps and live: expected M×n×H×W and n, not {shapes}")
    values = probabilities(maps).nan_to_num().flatten(2)
    varied = values.amax(2) > values.amin(2)
    found = varied.sum(0) * 2 > len(maps)
    chosen = found if live is None else found & live
    count = chosen.sum()
    if count < 2:
        return Orthogonality(*[values.new_tensor(torch.nan)] * 3, count)
    deviations = (values - values.mean(2, keepdim=True))[:, chosen] * varied[:, chosen, None]
    # All pixels of all images at once: each map has mean 1/HW, so this is the mean of the covariances of the images.
    covariance = torch.einsum("mlp,mkp->lk", deviations, deviations)
    spread = covariance.diagonal().sqrt()
    correlation = covariance / spread / spread[:, None]
    size = count.double()
    o1 = torch.linalg.matrix_norm(correlation) - size.sqrt()
    o2 = -torch.linalg.eigvalsh(correlation).clamp(min=LEAST_EIGENVALUE).log().sum()
    return Orthogonality(o1, o1 / (size - size.sqrt()), o2, count)


def probabilities(maps: Tensor) -> Tensor:
    """Maps …×H×W in double precision, each divided by its sum.

    NaN for a map that is not one: with NaN, an infinity or a negative value in it, or zero everywhere.
    """
    values = maps.double()
    usable = ((values >= 0) & values.isfinite()).all(-1).all(-1)[..., None, None]
    return torch.where(usable, values, torch.nan) / values.sum((-2, -1), keepdim=True)
