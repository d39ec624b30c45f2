"""Zeng: the whole sweep in literal form, descent of the objective, and what it learns."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from swept import curve, digits, linear, options, session, trained

from pipeline.methods import zeng
from pipeline.settings.splitting import Zeng
from pipeline.splitting.closed_forms import ridge_solver
from pipeline.splitting.full_batch import inputs_of


def literal_relu_step(m: float, c: float, p: float, q: float) -> float:
    positive, negative = max(0.0, (p * m + q * c) / (p + q)), min(0.0, m)
    costs = [p / 2 * (z - m) ** 2 + q / 2 * (c - max(z, 0)) ** 2 for z in (positive, negative)]
    return positive if costs[0] <= costs[1] else negative


def literal_sweeps(run, settings: Zeng) -> tuple[dict, dict, list[float]]:
    """Weights, biases and objectives per image, as admm.md section 5.2 writes the sweep: U before and V after ReLU."""
    alpha, rho, gamma, n = settings.alpha, settings.rho, settings.gamma, 40
    relu, last, y = lambda u: np.maximum(u, 0), 3, np.eye(5)[run.images.labels].T
    w = {i: layer.weight.detach().double().numpy() for i, layer in enumerate(linear(run), 1)}
    b = {i: layer.bias.detach().double().numpy()[:, None] for i, layer in enumerate(linear(run), 1)}
    u, v, objectives = {}, {0: inputs_of(run).double().numpy().T}, []
    for i in (1, 2, 3):
        u[i] = w[i] @ v[i - 1] + b[i]
        v[i] = relu(u[i]) if i < last else u[i]
    for _ in range(settings.epochs):
        v[last] = (y + gamma * u[last] + alpha * v[last]) / (1 + gamma + alpha)
        u[last] = (gamma * v[last] + rho * (w[last] @ v[last - 1] + b[last])) / (gamma + rho)
        for i in (3, 2, 1):
            below, old = v[i - 1], w[i]
            system = alpha * np.eye(len(below)) + rho * below @ below.T
            w[i] = (alpha * w[i] + rho * (u[i] - b[i]) @ below.T) @ np.linalg.inv(system)
            product = (w[i] if settings.newest_weights else old) @ below
            b[i] = (alpha * b[i] + rho * (u[i] - product).sum(1, keepdims=True)) / (rho * n + alpha)
            if i > 1:
                system = rho * w[i].T @ w[i] + gamma * np.eye(len(below))
                v[i - 1] = np.linalg.inv(system) @ (rho * w[i].T @ (u[i] - b[i]) + gamma * relu(u[i - 1]))
                kappa = rho + alpha
                m = (rho * (w[i - 1] @ v[i - 2] + b[i - 1]) + alpha * u[i - 1]) / kappa
                u[i - 1] = np.vectorize(literal_relu_step)(m, v[i - 1], kappa, gamma)
        objective = ((v[last] - y) ** 2).sum() / 2
        for i in (1, 2, 3):
            objective += rho / 2 * ((u[i] - w[i] @ v[i - 1] - b[i]) ** 2).sum()
            objective += gamma / 2 * ((v[i] - (relu(u[i]) if i < last else u[i])) ** 2).sum()
        objectives.append(objective / n)
    return w, b, objectives


@pytest.mark.parametrize("newest_weights", [False, True])
@pytest.mark.parametrize("init", ["small", "he"])
def test_sweeps_are_the_literal_ones(init, newest_weights):
    network = {"from": "mlp", "hidden": (7, 6), "init": init}
    settings = options("zeng", network=network, alpha=2.0, rho=0.7, gamma=1.3, newest_weights=newest_weights, epochs=6)
    run = session(settings)
    w, b, objectives = literal_sweeps(run, settings)
    zeng.fit(run, settings)
    for i, layer in enumerate(linear(run), 1):
        assert layer.weight.detach().double().numpy() == pytest.approx(w[i], rel=1e-4, abs=1e-5)
        assert layer.bias.detach().double().numpy() == pytest.approx(b[i][:, 0], rel=1e-4, abs=1e-5)
    assert curve(run, "objective") == pytest.approx(objectives, rel=1e-5)


@torch.no_grad()
def test_old_and_newest_weights_give_other_biases():
    """With the old W the bias does not minimise beside the new one; with the new it does."""
    problem = torch.nn.Linear(4, 3).double()
    below, z = torch.rand(30, 4, dtype=torch.float64) + 1, torch.randn(30, 3, dtype=torch.float64)
    slopes = []
    for newest_weights in (False, True):
        settings = options("zeng", alpha=2.0, rho=0.7, newest_weights=newest_weights)
        layer = torch.nn.Linear(4, 3).double()
        layer.load_state_dict(problem.state_dict())
        solve = ridge_solver(below, settings.alpha / settings.rho, "key")
        zeng.update_layer_(layer, below, solve, z, below @ layer.weight.T, settings)
        with torch.enable_grad():
            pull = ((layer.bias - problem.bias.detach()) ** 2).sum()
            loss = 0.35 * ((z - below @ layer.weight.T - layer.bias) ** 2).sum() + 1.0 * pull
            slopes.append(torch.autograd.grad(loss, layer.bias)[0].abs().max().item())
    assert slopes[0] > 0.1 and slopes[1] < 1e-12


@pytest.mark.parametrize(("alpha", "rho", "gamma"), [(5.0, 1.0, 1.0), (1.0, 1.0, 1.0), (0.01, 3.0, 0.5)])
@pytest.mark.parametrize("hidden", [(7, 6), (6, 6, 6, 6)])
def test_objective_never_rises_with_the_newest_weights(alpha, rho, gamma, hidden):
    settings = options("zeng", hidden, alpha=alpha, rho=rho, gamma=gamma, newest_weights=True, epochs=30)
    objectives = curve(trained(settings), "objective")
    # Single precision: relative to the largest term.
    assert all(later <= earlier * (1 + 1e-6) for earlier, later in pairwise(objectives))
    assert objectives[-1] < 0.9 * objectives[0]


def test_start_is_the_networks_own_forward_pass():
    run = session(options("zeng"))
    layers, inputs = linear(run), inputs_of(run)
    with torch.no_grad():
        start = zeng.start(layers, inputs)
        logits = run.network(run.images.floats(slice(None)))
    assert torch.allclose(start.z[-1], logits, atol=1e-7) and torch.equal(start.a[-1], start.z[-1])
    assert start.a[-1].data_ptr() != start.z[-1].data_ptr()
    assert all(torch.equal(a, z.relu()) for a, z in zip(start.a[:-1], start.z[:-1], strict=True))
    assert all(layer.bias.eq(0.1).all() for layer in layers)


def test_digits_are_learnt():
    """95 to 97 % after 50 sweeps in admm.md section 5.2, with wider layers."""
    run = trained(options("zeng", (64, 64), epochs=60), *digits())
    assert max(curve(run, "test_accuracy")) > 0.88
    assert curve(run, "objective")[-1] < 0.02 * curve(run, "objective")[0]
