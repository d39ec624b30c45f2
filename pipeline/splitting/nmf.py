"""Non-negative matrix factorisation of activation maps, Z ≈ S Mᵀ with S, M ≥ 0, by coordinate descent.

Rows are positions, columns the channels of the maps: Z P×C, scores S P×r, factors M C×r, shared by all positions of all
images (admm.md section 4; Khorram 2020, section 4.3). Hierarchical alternating least squares (HALS; Cichocki and Phan
2009) finds one column of S or M at a time, exactly: for others fixed its minimiser is a clamped ratio. Z itself may be
negative, as it is with duals added to it, where multiplicative updates do not hold.
"""

import torch
from torch import Tensor

from pipeline.splitting.closed_forms import cross_product

#: A column of S with less than this share of the energy of the largest is dead: nothing is reconstructed with it.
DEAD = 1e-10


def rows_of(maps: Tensor) -> Tensor:
    """Maps B×C×h×w as rows (B·h·w)×C, positions of an image one after another."""
    return maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])


def maps_of(rows: Tensor, height: int, width: int) -> Tensor:
    """Rows (B·h·w)×C back as maps B×C×h×w."""
    return rows.view(-1, height, width, rows.shape[1]).permute(0, 3, 1, 2)


def scores(rows: Tensor, factors: Tensor, tolerance: float = 1e-6, sweeps: int = 200) -> Tensor:
    """argmin_{S ≥ 0} 1/2 |Z − S Mᵀ|², P×r, for Z = `rows` P×C and M = `factors` C×r: the projection of test time.

    HALS on MᵀM and Z M, until a sweep changes S by less than `tolerance` · |S|, `sweeps` times at most. A column of
    zeros in M has scores of 0.
    """
    gram, products = factors.T @ factors, (rows @ factors).T.contiguous()
    found = torch.zeros_like(products)
    for _ in range(sweeps):
        before = found.clone()
        sweep_scores_(found, products, gram)
        if (found - before).norm() <= tolerance * found.norm():
            break
    return found.T.contiguous()


def sweep_scores_(scores: Tensor, products: Tensor, gram: Tensor) -> None:
    """One HALS sweep over the rows of Sᵀ = `scores` r×P in place, for `products` (Z M)ᵀ r×P and `gram` MᵀM r×r."""
    for j, curvature in enumerate(gram.diagonal().tolist()):
        if curvature > 0:
            scores[j].add_(products[j] - gram[j] @ scores, alpha=1 / curvature).clamp_min_(0)


def sweep_factors_(factors: Tensor, products: Tensor, gram: Tensor) -> Tensor:
    """One HALS sweep over the columns of M = `factors` C×r in place, for `products` A = ZᵀS C×r and `gram` B = SᵀS r×r.

    M_j ← max(0, M_j + (A_j − M B_j) / B_jj). Gives r booleans: which columns are dead, because their scores are 0 or
    because no channel is left in them. They are 0 from then on and want to be drawn anew by `redraw_`.
    """
    products, gram = products.to(factors.dtype), gram.to(factors.dtype)
    energies = gram.diagonal()
    used = (energies > DEAD * energies.max()).tolist()
    for j, column in enumerate(factors.unbind(1)):
        if used[j]:
            column.add_((products[:, j] - factors @ gram[:, j]) / energies[j]).clamp_min_(0)
        else:
            column.zero_()
    return ~factors.any(0)


def worst_fitted(residuals: Tensor, count: int) -> Tensor:
    """Those `count` of the rows of Z − S Mᵀ = `residuals` P×C whose positive part, which is kept, is the longest."""
    positive = residuals.clamp_min(0)
    return positive[positive.norm(dim=1).topk(min(count, len(positive))).indices]


def redraw_(factors: Tensor, scores: Tensor, dead: Tensor, residuals: Tensor) -> None:
    """Put a row of `residuals` n×C, as `worst_fitted` gives them, into each column of M that is `dead` (r booleans).

    Its scores become 0 in S = `scores` N×(m·r), so that S Mᵀ stays as it was; both change in place.
    """
    columns = dead.nonzero().flatten()[: len(residuals)]
    factors[:, columns] = residuals[: len(columns)].T
    by_position = scores.view(-1, factors.shape[1])
    by_position[:, columns.to(scores.device)] = 0


def normalise_(factors: Tensor, scores: Tensor, weight: Tensor | None = None) -> None:
    """Columns of M = `factors` C×r to length 1, S = `scores` N×(m·r) in turn times these lengths, all in place.

    `weight` E×(m·r) of a linear layer behind an image's m·r scores is divided by them. S Mᵀ and what the layer gives
    stay as they were. A column of zeros is left alone.
    """
    lengths = factors.norm(dim=0)
    lengths = lengths.where(lengths > 0, 1)
    factors.div_(lengths)
    scores.view(-1, len(lengths)).mul_(lengths.to(scores.device))
    if weight is not None:
        weight.view(len(weight), -1, len(lengths)).div_(lengths)


def drawn_positions(rows: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """`most` of the `rows` P×C, drawn at random, in single precision; all in another order where there are no more."""
    return rows[torch.randperm(len(rows), generator=generator)[:most].to(rows.device)].float()


def factorise(
    rows: Tensor, rank: int, generator: torch.Generator, tolerance: float = 1e-4, sweeps: int = 200
) -> Tensor:
    """M C×`rank` with columns of length 1 of a factorisation of Z = `rows` P×C ≥ 0; `scores` gives the S to it.

    Sweeps over S and M in turn from `starting_factors`, until one changes M by less than `tolerance` · |M|, `sweeps`
    times at most.
    """
    factors = starting_factors(rows, rank, generator)
    found = scores(rows, factors, sweeps=1)
    for _ in range(sweeps):
        before, transposed = factors.clone(), found.T.contiguous()
        sweep_scores_(transposed, (rows @ factors).T, factors.T @ factors)
        found = transposed.T.contiguous()
        dead = sweep_factors_(factors, cross_product(rows, found), cross_product(found, found))
        if dead.any():
            redraw_(factors, found, dead, worst_fitted(rows - found @ factors.T, int(dead.sum())))
        normalise_(factors, found)
        if (factors - before).norm() <= tolerance * factors.norm():
            break
    return factors


def starting_factors(rows: Tensor, rank: int, generator: torch.Generator) -> Tensor:
    """M C×`rank` to start from: parts of singular vectors of Z = `rows` P×C, and drawn rows beyond their number.

    NNDSVD (Boutsidis and Gallopoulos 2008): of the two non-negative parts of each pair of singular vectors, the one
    with more of the product. Zeros stay: coordinate descent raises them where it pays.
    """
    values, vectors = torch.linalg.eigh(cross_product(rows, rows))
    used = values.flip(0)[:rank] > DEAD * values[-1]
    right = vectors.flip(1)[:, :rank][:, used].to(rows.dtype)
    left = rows @ right
    positive = left.clamp_min(0).norm(dim=0) * right.clamp_min(0).norm(dim=0)
    negative = left.clamp_max(0).norm(dim=0) * right.clamp_max(0).norm(dim=0)
    parts = torch.where(positive >= negative, right, -right).clamp_min(0)
    drawn = torch.randint(len(rows), (rank - parts.shape[1],), generator=generator)
    return torch.cat([parts, rows[drawn.to(rows.device)].T], dim=1)


def safe_step(factors: Tensor, weight: Tensor, gamma: float, beta: float) -> float:
    """1 / (γ λ_max(MᵀM) + β λ_max(WᵀW)): the step with which those of `step_scores_` never raise their objective."""
    norms = [torch.linalg.matrix_norm(matrix, 2).item() for matrix in (factors, weight)]
    return 1 / (gamma * norms[0] ** 2 + beta * norms[1] ** 2)


def step_scores_(
    scores: Tensor,
    rows: Tensor,
    factors: Tensor,
    weight: Tensor,
    wanted: Tensor,
    *,
    gamma: float,
    beta: float,
    length: float,
    steps: int,
) -> None:
    """Projected gradient descent on γ/2 |Z − S Mᵀ|² + β/2 |T − S Wᵀ|² over S ≥ 0 in place, `steps` of one `length`.

    S = `scores` n×(m·r) has an image's m positions in a row; Z = `rows` (n·m)×C, M = `factors` C×r, W = `weight`
    E×(m·r) of the linear layer behind, T = `wanted` n×E without its bias (admm.md section 4.1, step 2).
    """
    gram, products = factors.T @ factors, rows @ factors
    for _ in range(steps):
        by_position = scores.view(-1, factors.shape[1])
        slope = (by_position @ gram - products).mul_(gamma).view_as(scores)
        slope.addmm_(scores @ weight.T - wanted, weight, alpha=beta)
        scores.sub_(slope, alpha=length).clamp_min_(0)
