"""Factorisation of maps: against loops over entries, SciPy's least squares, scikit-learn's NMF, and autograd."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.optimize import nnls
from sklearn.decomposition import NMF
from torch import Tensor

from pipeline.splitting.nmf import (
    drawn_positions,
    factorise,
    maps_of,
    normalise_,
    redraw_,
    rows_of,
    safe_step,
    scores,
    starting_factors,
    step_scores_,
    sweep_factors_,
    sweep_scores_,
    worst_fitted,
)
from pipeline.training.streams import stream

GAMMA, BETA = 0.7, 1.3


def normal(*shape: int, name: str = "") -> Tensor:
    return torch.randn(shape, generator=stream(0, name, *shape), dtype=torch.float64)


def positive(*shape: int, name: str = "") -> Tensor:
    return torch.rand(shape, generator=stream(0, name, *shape), dtype=torch.float64)


def error(rows: Tensor, found: Tensor, factors: Tensor) -> float:
    return (rows - found @ factors.T).square().sum().item() / 2


def parts(positions: int = 300, channels: int = 12, rank: int = 4, noise: float = 0.05) -> Tensor:
    """Rows of a few overlapping parts, each present in some of the rows, and noise."""
    present = positive(positions, rank, name="present") * (positive(positions, rank, name="which") < 0.5)
    return (present @ positive(channels, rank, name="parts").T + noise * normal(positions, channels)).clamp_min(0)


# Rows and maps.


def test_drawn_positions_are_different_rows_as_many_as_asked_for():
    rows = torch.arange(20).view(10, 2).to(torch.bfloat16)
    for most, expected in ((4, 4), (10, 10), (50, 10)):
        found = drawn_positions(rows, most, stream(0, "draws"))
        assert found.dtype == torch.float32 and len(found[:, 0].unique()) == len(found) == expected
        assert torch.equal(found, rows.float()[(found[:, 0] / 2).long()])
    assert not torch.equal(drawn_positions(rows, 4, stream(0, "draws")), drawn_positions(rows, 4, stream(1, "draws")))


def test_rows_are_positions_and_columns_channels():
    maps = torch.arange(2 * 3 * 4 * 5.0).view(2, 3, 4, 5)
    rows = rows_of(maps)
    assert rows.shape == (40, 3)
    for image, channel, y, x in [(0, 0, 0, 0), (0, 2, 1, 3), (1, 1, 3, 4), (1, 2, 0, 1)]:
        assert rows[20 * image + 5 * y + x, channel] == maps[image, channel, y, x]
    assert not torch.equal(rows, maps.reshape(40, 3))


def test_maps_come_back():
    maps = normal(3, 5, 2, 4)
    assert torch.equal(maps_of(rows_of(maps), 2, 4), maps)


# Scores.


@pytest.mark.parametrize(("channels", "rank"), [(12, 5), (8, 8), (6, 9)])
def test_scores_are_non_negative_least_squares(channels, rank):
    rows, factors = normal(40, channels), positive(channels, rank)
    found = scores(rows, factors, tolerance=1e-13, sweeps=20000)
    expected = np.stack([nnls(factors.numpy(), row.numpy())[0] for row in rows])
    assert (found >= 0).all() and (found == 0).any() and (found > 0).any()
    # With more factors than channels the minimum is not at one place.
    assert error(rows, found, factors) == pytest.approx(error(rows, torch.from_numpy(expected), factors), rel=1e-9)
    if rank <= channels:
        assert np.allclose(found.numpy(), expected, rtol=0, atol=1e-6)


def test_scores_of_the_default_tolerance_are_close():
    rows, factors = parts(rank=6), positive(12, 6)
    expected = np.stack([nnls(factors.numpy(), row.numpy())[0] for row in rows])
    assert np.allclose(scores(rows, factors).numpy(), expected, rtol=0, atol=1e-4)


def test_scores_of_exact_products_are_found_again():
    wanted, factors = positive(30, 4, name="s"), positive(12, 4)
    assert torch.allclose(scores(wanted @ factors.T, factors, 1e-12, 5000), wanted, rtol=0, atol=1e-8)


def test_a_factor_of_zeros_has_no_scores():
    rows, factors = parts(), positive(12, 4)
    factors[:, 2] = 0
    found = scores(rows, factors)
    assert (found[:, 2] == 0).all() and torch.allclose(found[:, :2], scores(rows, factors[:, [0, 1, 3]])[:, :2])


def test_sweep_over_scores_is_the_literal_one():
    rows, factors, start = normal(7, 6), positive(6, 3), positive(7, 3, name="s")
    expected = start.clone()
    for j in range(3):
        for i in range(7):
            rest = rows[i] - sum(expected[i, k] * factors[:, k] for k in range(3) if k != j)
            expected[i, j] = max(0.0, (rest @ factors[:, j] / (factors[:, j] @ factors[:, j])).item())
    found = start.T.contiguous()
    sweep_scores_(found, (rows @ factors).T, factors.T @ factors)
    assert torch.allclose(found.T, expected, rtol=0, atol=1e-13) and (expected == 0).any()


# Factors.


def test_sweep_over_factors_is_the_literal_one():
    """Entry by entry, for rows some of which are negative, as with duals."""
    rows, found, start = normal(20, 6) + 0.5, positive(20, 3, name="s"), positive(6, 3)
    expected = start.clone()
    for j in range(3):
        for c in range(6):
            rest = rows[:, c] - sum(found[:, k] * expected[c, k] for k in range(3) if k != j)
            expected[c, j] = max(0.0, (rest @ found[:, j] / (found[:, j] @ found[:, j])).item())
    factors = start.clone()
    dead = sweep_factors_(factors, rows.T @ found, found.T @ found)
    assert torch.allclose(factors, expected, rtol=0, atol=1e-13) and (expected == 0).any()
    assert not dead.any() and error(rows, found, factors) < error(rows, found, start)


@pytest.mark.parametrize("seed", range(5))
def test_sweeps_never_raise_the_error(seed):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(60, 8, dtype=torch.float64, generator=generator)
    factors, found = (torch.rand(n, 4, dtype=torch.float64, generator=generator) for n in (8, 60))
    errors = [error(rows, found, factors)]
    for _ in range(20):
        transposed = found.T.contiguous()
        sweep_scores_(transposed, (rows @ factors).T, factors.T @ factors)
        found = transposed.T
        errors.append(error(rows, found, factors))
        sweep_factors_(factors, rows.T @ found, found.T @ found)
        errors.append(error(rows, found, factors))
        assert (factors >= 0).all() and (found >= 0).all()
    assert all(later <= earlier * (1 + 1e-12) for earlier, later in pairwise(errors))
    assert errors[-1] < errors[0] / 2


def test_columns_without_scores_and_without_channels_are_dead():
    rows, found, factors = parts(), positive(300, 4, name="s"), positive(12, 4)
    found[:, 1] = 1e-8 * positive(300, name="tiny")
    products = rows.T @ found
    products[:, 3] = -100
    dead = sweep_factors_(factors, products, found.T @ found)
    assert dead.tolist() == [False, True, False, True]
    assert (factors[:, dead] == 0).all() and factors.isfinite().all()


def test_dead_columns_take_the_worst_fitted_rows_and_change_no_product():
    rows, found, factors = parts(noise=0.0), positive(300, 4, name="s"), positive(12, 4)
    factors[:, 2] = 0
    dead, before = torch.tensor([False, False, True, False]), found @ factors.T
    residuals = rows - before
    lengths = [sum(max(0.0, value) ** 2 for value in row) ** 0.5 for row in residuals.tolist()]
    worst = worst_fitted(residuals, 1)
    assert torch.equal(worst[0], residuals[int(np.argmax(lengths))].clamp_min(0))
    redraw_(factors, found, dead, worst)
    assert torch.equal(factors[:, 2], worst[0]) and (found[:, 2] == 0).all()
    assert torch.allclose(found @ factors.T, before, rtol=0, atol=1e-14)
    # The scores to the new factors fit better than those without it.
    assert error(rows, scores(rows, factors), factors) < error(rows, scores(rows, factors[:, ~dead]), factors[:, ~dead])


def test_worst_rows_of_parts_are_those_of_all():
    residuals, worst = normal(50, 4), torch.empty(0, 4, dtype=torch.float64)
    for some in residuals.split(7):
        worst = worst_fitted(torch.cat([worst, some]), 3)
    assert torch.equal(worst, worst_fitted(residuals, 3)) and len(worst_fitted(residuals[:2], 3)) == 2


def test_normalising_changes_neither_products_nor_embeddings():
    factors, found, weight = positive(6, 3), positive(5, 4 * 3, name="s"), normal(7, 4 * 3)
    products, embeddings = found.view(-1, 3) @ factors.T, found @ weight.T
    before = factors.clone()
    normalise_(factors, found, weight)
    assert torch.allclose(factors.norm(dim=0), torch.ones(3).double()) and not torch.allclose(factors, before)
    assert torch.allclose(found.view(-1, 3) @ factors.T, products, rtol=0, atol=1e-14)
    assert torch.allclose(found @ weight.T, embeddings, rtol=0, atol=1e-13)


def test_normalising_leaves_a_column_of_zeros_alone():
    factors, found = positive(6, 3), positive(5, 3, name="s")
    factors[:, 1] = 0
    kept = found[:, 1].clone()
    normalise_(factors, found)
    assert torch.equal(found[:, 1], kept) and (factors[:, 1] == 0).all() and factors.isfinite().all()


# Factorisation.


@pytest.mark.parametrize("rank", [2, 4, 7])
def test_factorisation_is_as_good_as_that_of_scikit_learn(rank):
    rows = parts()
    factors = factorise(rows, rank, stream(0, "draw"), tolerance=1e-6, sweeps=1000)
    peer = NMF(rank, init="nndsvda", max_iter=5000, tol=1e-4)
    reached = error(rows, torch.from_numpy(peer.fit_transform(rows.numpy())), torch.from_numpy(peer.components_.T))
    assert factors.shape == (12, rank) and (factors >= 0).all()
    assert torch.allclose(factors.norm(dim=0), torch.ones(rank).double())
    assert error(rows, scores(rows, factors), factors) <= 1.01 * reached


def test_parts_are_found_again():
    """Parts that have channels for themselves are the only factorisation, but for their order."""
    wanted = torch.block_diag(*positive(4, 3, name="parts")).T
    rows = positive(300, 4, name="present") @ wanted.T
    factors = factorise(rows, 4, stream(0, "draw"), tolerance=1e-8, sweeps=1000)
    assert error(rows, scores(rows, factors), factors) < 1e-8 * rows.square().sum()
    cosines = factors.T @ (wanted / wanted.norm(dim=0))
    assert cosines.max(0).values.min() > 0.9999 and sorted(cosines.argmax(1).tolist()) == [0, 1, 2, 3]


def test_more_factors_than_channels_reconstruct_everything():
    rows = parts(channels=5)
    factors = factorise(rows, 9, stream(0, "draw"), tolerance=1e-6, sweeps=1000)
    assert (factors.norm(dim=0) > 0.99).all()
    assert error(rows, scores(rows, factors), factors) < 1e-6 * rows.square().sum()


def test_factors_start_as_nndsvd():
    """The definition of Boutsidis and Gallopoulos, pair by pair, from NumPy's singular vectors."""
    rows = parts()
    left, _, right = np.linalg.svd(rows.numpy(), full_matrices=False)
    for j, column in enumerate(starting_factors(rows, 5, stream(0, "draw")).T):
        u, v = left[:, j], right[j]
        pairs = [(np.maximum(sign * u, 0), np.maximum(sign * v, 0)) for sign in (1, -1)]
        _, expected = max(pairs, key=lambda pair: np.linalg.norm(pair[0]) * np.linalg.norm(pair[1]))
        assert np.allclose(column.numpy(), expected, rtol=0, atol=1e-10)


def test_rows_are_drawn_where_singular_vectors_end():
    rows = positive(30, 2, name="s") @ positive(6, 2).T
    first, again, other = (starting_factors(rows, 5, stream(seed, "draw")) for seed in (0, 0, 1))
    assert torch.equal(first, again) and torch.equal(first[:, :2], other[:, :2]) and not torch.equal(first, other)
    for column in first[:, 2:].T:
        assert (rows == column).all(1).any()


# Scores within a network.


def joint(found: Tensor, rows: Tensor, factors: Tensor, weight: Tensor, wanted: Tensor) -> Tensor:
    """γ/2 |Z − S Mᵀ|² + β/2 |T − S Wᵀ|², image by image and position by position."""
    total = torch.zeros((), dtype=torch.float64)
    positions = found.shape[1] // factors.shape[1]
    for i, image in enumerate(found):
        for m, score in enumerate(image.view(positions, -1)):
            total = total + GAMMA / 2 * (rows[i * positions + m] - factors @ score).square().sum()
        total = total + BETA / 2 * (wanted[i] - weight @ image).square().sum()
    return total


def problem(scale: float = 1.0) -> dict[str, Tensor]:
    """4 images of 3 positions with 6 channels, 2 factors, embeddings of 5 numbers; `scale` of the linear layer."""
    return {
        "rows": normal(12, 6),
        "factors": positive(6, 2),
        "weight": scale * normal(5, 6, name="w"),
        "wanted": normal(4, 5, name="t"),
    }


def steps(given: dict[str, Tensor], found: Tensor, count: int) -> None:
    length = safe_step(given["factors"], given["weight"], GAMMA, BETA)
    step_scores_(found, **given, gamma=GAMMA, beta=BETA, length=length, steps=count)


def test_steps_of_scores_are_projected_gradient_steps():
    given, found = problem(), positive(4, 6, name="s")
    largest = [torch.linalg.eigvalsh(matrix.T @ matrix)[-1] for matrix in (given["factors"], given["weight"])]
    step = 1 / (GAMMA * largest[0] + BETA * largest[1])
    expected = found.clone()
    for _ in range(5):
        leaf = expected.clone().requires_grad_()
        expected = (expected - step * torch.autograd.grad(joint(leaf, **given), leaf)[0]).clamp_min(0)
    steps(given, found, 5)
    assert torch.allclose(found, expected, rtol=0, atol=1e-13) and (found == 0).any() and (found > 0).any()


@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0])
def test_steps_of_scores_never_raise_the_objective(scale):
    given, found = problem(scale), positive(4, 6, name="s")
    values = [joint(found, **given).item()]
    for _ in range(100):
        steps(given, found, 1)
        assert (found >= 0).all()
        values.append(joint(found, **given).item())
    assert all(later <= earlier * (1 + 1e-13) for earlier, later in pairwise(values))
    assert values[-1] < values[0]


def test_steps_of_scores_end_at_the_least_squares_of_both_terms():
    """For one image γ/2 |…|² + β/2 |…|² is one non-negative least-squares problem, with a block of rows a position."""
    given, found = problem(), positive(4, 6, name="s")
    steps(given, found, 5000)
    blocks = torch.block_diag(*[given["factors"]] * 3)
    system = torch.cat([GAMMA**0.5 * blocks, BETA**0.5 * given["weight"]]).numpy()
    for i in range(4):
        rows = given["rows"][3 * i : 3 * i + 3].flatten()
        target = torch.cat([GAMMA**0.5 * rows, BETA**0.5 * given["wanted"][i]]).numpy()
        assert np.allclose(found[i].numpy(), nnls(system, target)[0], rtol=0, atol=1e-8)
