"""Closed forms of methods without gradients, against grids, literal rules and numerical minimisers."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor

from pipeline.errors import UserError
from pipeline.splitting.closed_forms import (
    ROWS,
    activation_minimiser,
    cross_product,
    output_loss,
    output_minimiser,
    pseudo_inverse_solver,
    relu_minimiser,
    ridge_solver,
)
from pipeline.training.streams import stream

WEIGHTS = [(1.0, 1.0), (10.0, 10.0), (6.0, 1.0), (0.3, 2.0)]


def normal(*shape: int, name: str = "") -> Tensor:
    return torch.randn(shape, generator=stream(0, name, *shape), dtype=torch.float64)


# Entry by entry.


def relu_cost(z: float, m: float, c: float, p: float, q: float) -> float:
    return p / 2 * (z - m) ** 2 + q / 2 * (c - max(z, 0)) ** 2


def literal_relu_minimiser(m: float, c: float, p: float, q: float) -> float:
    """Both candidates of admm.md section 2, and the cheaper."""
    positive, negative = max(0.0, (p * m + q * c) / (p + q)), min(0.0, m)
    return positive if relu_cost(positive, m, c, p, q) <= relu_cost(negative, m, c, p, q) else negative


@pytest.mark.parametrize(("p", "q"), WEIGHTS)
def test_relu_minimiser_is_the_cheaper_candidate(p, q):
    near, target = normal(400, name="m"), normal(400, name="c")
    ours = relu_minimiser(near, target, p, q)
    literal = [literal_relu_minimiser(m, c, p, q) for m, c in zip(near.tolist(), target.tolist(), strict=True)]
    assert ours.tolist() == pytest.approx(literal, abs=1e-14)
    # All four quadrants and both branches in the third are among them.
    assert (ours > 0).any() and (ours < 0).any() and (ours == 0).any() and ((near < 0) & (ours > 0)).any()


@pytest.mark.parametrize(("p", "q"), WEIGHTS)
def test_relu_minimiser_beats_a_dense_grid(p, q):
    grid = torch.linspace(-5, 5, 10001, dtype=torch.float64)
    near, target = normal(200, name="m"), normal(200, name="c")
    for m, c, z in zip(near.tolist(), target.tolist(), relu_minimiser(near, target, p, q).tolist(), strict=True):
        costs = p / 2 * (grid - m) ** 2 + q / 2 * (c - grid.clamp_min(0)) ** 2
        assert costs.min().item() - 1e-5 <= relu_cost(z, m, c, p, q) <= costs.min().item() + 1e-12


@pytest.mark.parametrize(("m", "c"), [(0, 0), (0, -1), (0, 2), (-1, 0), (-1, -3), (3, -3), (3, -4), (2, 0)])
def test_relu_minimiser_at_corners(m, c):
    z = relu_minimiser(torch.tensor([float(m)]), torch.tensor([float(c)]), 1.0, 1.0).item()
    assert z == literal_relu_minimiser(m, c, 1, 1)


def test_relu_minimiser_at_a_tie_costs_the_same_on_both_branches():
    """p = 1, q = 3, c = 1: the branches meet at m = −(√4 − 1) = −1."""
    below, tie, above = relu_minimiser(torch.tensor([-1.001, -1.0, -0.999]), torch.ones(3), 1.0, 3.0).tolist()
    assert (below, tie) == pytest.approx((-1.001, 0.5)) and above > 0.5
    assert relu_cost(tie, -1, 1, 1, 3) == pytest.approx(relu_cost(-1, -1, 1, 1, 3))


def literal_loss(loss: str, z: float, y: float) -> float:
    if loss == "squared_error":
        return (z - y) ** 2 / 2
    return max(1 - z, 0) if y == 1 else max(z, 0)


@pytest.mark.parametrize("loss", ["squared_error", "hinge"])
@pytest.mark.parametrize("beta", [0.5, 1.0, 10.0])
def test_output_minimiser_beats_a_dense_grid(loss, beta):
    grid = np.linspace(-12, 12, 12001)
    near = torch.cat([3 * normal(60), torch.tensor([0.0, 1.0, 1 - 1 / beta, 1 / beta])])
    for y in (0.0, 1.0):
        ours = output_minimiser(loss, near, torch.full_like(near, y), beta)
        losses = np.array([literal_loss(loss, g, y) for g in grid])
        for m, z in zip(near.tolist(), ours.tolist(), strict=True):
            best = (losses + beta / 2 * (grid - m) ** 2).min()
            assert best - 1e-4 <= literal_loss(loss, z, y) + beta / 2 * (z - m) ** 2 <= best + 1e-12


@pytest.mark.parametrize("beta", [0.5, 10.0])
def test_hinge_minimiser_is_the_rule_of_three_cases(beta):
    for m in (3 * normal(100)).tolist():
        raised = m if m >= 1 else m + 1 / beta if m <= 1 - 1 / beta else 1.0
        lowered = m if m <= 0 else m - 1 / beta if m >= 1 / beta else 0.0
        near = torch.tensor([m, m], dtype=torch.float64)
        ours = output_minimiser("hinge", near, torch.tensor([1.0, 0.0]), beta)
        assert ours.tolist() == pytest.approx([raised, lowered], abs=1e-15)


@pytest.mark.parametrize("loss", ["squared_error", "hinge"])
def test_output_loss_sums_over_classes_and_images(loss):
    outputs, targets = normal(6, 4), torch.eye(4, dtype=torch.float64)[[0, 1, 2, 3, 0, 1]]
    literal = sum(literal_loss(loss, outputs[n, c].item(), targets[n, c].item()) for n in range(6) for c in range(4))
    assert output_loss(loss, outputs, targets).item() == pytest.approx(literal)


def test_unknown_losses_are_refused():
    for function in (lambda: output_minimiser("l1", *[torch.ones(1, 1)] * 2, 1.0), lambda: output_loss("l1", 1, 1)):
        with pytest.raises(ValueError, match="unknown loss 'l1'"):
            function()


# By least squares.


def test_products_are_summed_in_double_precision_over_all_rows():
    left, right = normal(2 * ROWS + 5, 3).float(), 1e-4 * normal(2 * ROWS + 5, 2).float()
    ours = cross_product(left, right)
    assert ours.dtype == torch.float64
    assert torch.allclose(ours, left.double().T @ right.double(), rtol=1e-13, atol=1e-16)
    assert not torch.allclose((left.T @ right).double(), ours, rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("ridge", [1e-6, 0.3, 5.0])
def test_ridge_solver_is_least_squares_with_rows_for_the_ridge(ridge):
    inputs, wanted = normal(30, 5), normal(30, 4)
    weight = ridge_solver(inputs, ridge, "key")(wanted)
    rows = torch.cat([inputs, ridge**0.5 * torch.eye(5)]), torch.cat([wanted, torch.zeros(5, 4)])
    assert torch.allclose(weight, torch.linalg.lstsq(*rows).solution.T, atol=1e-10)
    weight.requires_grad_()
    ((wanted - inputs @ weight.T).square().sum() / 2 + ridge / 2 * weight.square().sum()).backward()
    assert weight.grad.abs().max() < 1e-12


def test_ridge_solver_keeps_digits_where_single_precision_has_none():
    """Activations of 1e-4 as at the start of ADMM: eigenvalues of 1e-6 and less beside a ridge of 5e-6."""
    inputs, wanted = (1e-4 * torch.rand(400, width, generator=stream(0, "small")) for width in (20, 3))
    weight = ridge_solver(inputs, 5e-6, "key")(wanted)
    system = inputs.double().T @ inputs.double() + 5e-6 * torch.eye(20)
    expected = torch.linalg.solve(system, inputs.double().T @ wanted.double()).T
    assert weight.dtype == torch.float32
    assert torch.allclose(weight.double(), expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("fault", ["constant", "dependent"])
def test_singular_system_without_ridge_is_refused_by_the_name_of_the_setting(fault):
    inputs = normal(30, 5)
    inputs[:, 2] = 0 if fault == "constant" else inputs[:, 0] + inputs[:, 1]
    with pytest.raises(
        UserError, match=r"^methods\.tried\.weight_decay: .*singular.*; raise it, for instance to 5e-5$"
    ):
        ridge_solver(inputs, 0.0, "methods.tried.weight_decay")
    ridge_solver(inputs, 5e-5, "methods.tried.weight_decay")


@pytest.mark.parametrize("rank", [5, 3])
def test_pseudo_inverse_solver_is_the_pseudo_inverse(rank):
    inputs, wanted = normal(30, rank) @ normal(rank, 5), normal(30, 4)
    expected = wanted.T @ torch.linalg.pinv(inputs, rtol=1e-9).T
    assert torch.allclose(pseudo_inverse_solver(inputs)(wanted), expected, atol=1e-9)


@pytest.mark.parametrize(("beta", "gamma"), [(10.0, 10.0), (1.0, 0.2)])
def test_activation_minimiser_against_a_numerical_one(beta, gamma):
    weight, outputs, near = normal(3, 4), normal(6, 3), normal(6, 4)
    ours = activation_minimiser(weight, outputs, beta, near, gamma)
    for mine, z, n in zip(ours.numpy(), outputs.numpy(), near.numpy(), strict=True):

        def cost(a: np.ndarray, z: np.ndarray = z, n: np.ndarray = n) -> float:
            return beta / 2 * ((z - weight.numpy() @ a) ** 2).sum() + gamma / 2 * ((a - n) ** 2).sum()

        found = minimize(cost, np.zeros(4), tol=1e-12)
        assert mine == pytest.approx(found.x, abs=1e-5)
        assert cost(mine) <= found.fun + 1e-12
