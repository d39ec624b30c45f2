"""Images in terms of bases: coefficients and what is lost (admm.md E8).

With a mean the bases are orthonormal, those of PCA, and coefficients have any sign; without one they are those of NMF,
and coefficients are not negative.
"""

from torch import Tensor

from pipeline.splitting.nmf import scores


def coefficients(rows: Tensor, bases: Tensor, mean: Tensor | None = None) -> Tensor:
    """argmin_W |X − 1 μ' − W H|², n×r, or without μ argmin_{W ≥ 0} |X − W H|², for X = `rows` n×d, H = `bases` r×d."""
    return scores(rows, bases.T) if mean is None else (rows - mean) @ bases.T


def reconstruct(found: Tensor, bases: Tensor, mean: Tensor | None = None) -> Tensor:
    """W H, plus the `mean` if there is one, n×d, for W = `found` n×r and H = `bases` r×d."""
    return found @ bases + (0 if mean is None else mean)


def reconstruction_error(rows: Tensor, found: Tensor, bases: Tensor, mean: Tensor | None = None) -> float:
    """|X − reconstruction| / |X| in Frobenius norms, 0 for none; NaN where X = `rows` n×d is zero."""
    return ((rows - reconstruct(found, bases, mean)).norm() / rows.norm()).item()
