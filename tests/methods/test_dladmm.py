"""dlADMM: whole iterations in literal form with a search that tries, each step, the rule for ρ, and what it learns."""

from collections.abc import Callable

import pytest
import torch
from swept import curve, digits, linear, options, session, trained
from torch import Tensor
from torch.nn.functional import one_hot

from pipeline.methods import dladmm
from pipeline.methods.dladmm import State, fista, majorising, raise_penalty_
from pipeline.settings.splitting import Dladmm
from pipeline.training.streams import stream


def literal_search(phi: Callable[[Tensor], Tensor], point: Tensor, first: float) -> Tensor:
    """point − ∇/θ with the first θ of `first`, twice that, … for which the quadratic majorises, all values computed."""
    point = point.clone().requires_grad_()
    value = phi(point)
    (slope,) = torch.autograd.grad(value, point)
    with torch.no_grad():
        theta = first
        while True:
            step = -slope / theta
            if phi(point + step) <= value + (slope * step).sum() + theta / 2 * (step**2).sum() + 1e-13:
                return (point + step).detach()
            theta *= 2


def literal_iterations(run, settings: Dladmm) -> tuple[list[Tensor], list[Tensor], Tensor]:
    """W, b and u after all iterations, as admm.md section 5.4 writes them for three layers, in double precision."""
    relu, rho, theta, y = torch.relu, settings.rho, settings.theta, one_hot(run.images.labels, 5).double()
    draw = lambda name, *shape: (  # noqa: E731
        settings.init_scale * torch.randn(shape, generator=stream(0, "init", name))
    ).double()
    widths = (12, 7, 6, 5)
    w = {i: draw(f"weight{i}", widths[i], widths[i - 1]) for i in (1, 2, 3)}
    b = {i: draw(f"bias{i}", widths[i]) for i in (1, 2, 3)}
    a, z, u = {0: run.images.floats(slice(None)).flatten(1).double()}, {}, torch.zeros(40, 5).double()
    for i in (1, 2, 3):
        z[i] = a[i - 1] @ w[i].T + b[i]
        a[i] = relu(z[i])
    z[3] = 2 * y - 1
    dual = lambda i: u / rho if i == 3 else 0.0  # noqa: E731

    def update(name: str) -> None:
        i = int(name[1])
        match name[0]:
            case "z" if i == 3:
                m, point, old, t = a[2] @ w[3].T + b[3] - u / rho, z[3], z[3], 1.0
                for _ in range(settings.output_steps):
                    new = (rho * m + point / 4 - (point.softmax(1) - y)) / (rho + 1 / 4)
                    faster = (1 + (1 + 4 * t * t) ** 0.5) / 2
                    point, old, t = new + (t - 1) / faster * (new - old), new, faster
                z[3] = old
            case "z":
                m = a[i - 1] @ w[i].T + b[i]
                below, above = m.clamp_max(0), ((m + a[i]) / 2).clamp_min(0)
                cost = lambda v: (v - m) ** 2 + (a[i] - relu(v)) ** 2  # noqa: E731
                z[i] = torch.where(cost(above) <= cost(below), above, below)
            case "b":
                b[i] = b[i] + (z[i] - a[i - 1] @ w[i].T - b[i] + dual(i)).mean(0)
            case "w":
                phi = lambda v: rho / 2 * ((z[i] - a[i - 1] @ v.T - b[i] + dual(i)) ** 2).sum()  # noqa: E731
                w[i] = literal_search(phi, w[i], theta)
            case "a":
                phi = lambda v: (  # noqa: E731
                    rho / 2 * ((z[i + 1] - v @ w[i + 1].T - b[i + 1] + dual(i + 1)) ** 2).sum()
                    + rho / 2 * ((v - relu(z[i])) ** 2).sum()
                )
                a[i] = literal_search(phi, a[i], theta)

    backward = ["z3", "b3", "w3", "a2", "z2", "b2", "w2", "a1", "z1", "b1", "w1"]
    forward = ["w1", "b1", "z1", "a1", "w2", "b2", "z2", "a2", "w3", "b3", "z3"]
    for _ in range(settings.epochs):
        for name in backward + forward:
            update(name)
        u = u + rho * (z[3] - a[2] @ w[3].T - b[3])
    return [w[i] for i in (1, 2, 3)], [b[i] for i in (1, 2, 3)], u


@pytest.mark.parametrize(("rho", "theta"), [(0.05, 1.0), (0.01, 0.001), (1e-6, 1.0)])
def test_iterations_are_the_literal_ones(rho, theta):
    settings = options("dladmm", rho=rho, theta=theta, output_steps=20, output_tolerance=0.0, epochs=3)
    run = trained(settings)
    weights, biases, u = literal_iterations(run, settings)
    for layer, weight, bias in zip(linear(run), weights, biases, strict=True):
        assert torch.allclose(layer.weight.double(), weight, rtol=1e-3, atol=1e-4)
        assert torch.allclose(layer.bias.double(), bias, rtol=1e-3, atol=1e-4)
    assert curve(run, "dual_3")[-1] == pytest.approx(u.abs().mean().item(), rel=1e-3)


def state_of(rho: float, theta: float) -> State:
    """Layers 4-3-2 with random variables of ten images, in double precision."""
    generator = stream(0, "state")
    normal = lambda *shape: torch.randn(shape, dtype=torch.float64, generator=generator)  # noqa: E731
    layers = [torch.nn.Linear(4, 3).double(), torch.nn.Linear(3, 2).double()]
    inputs, z, a = normal(10, 4), [normal(10, 3), normal(10, 2)], [normal(10, 3)]
    products = [inputs @ layers[0].weight.detach().T, a[0] @ layers[1].weight.detach().T]
    penalty = torch.tensor([rho, theta, torch.inf, 0], dtype=torch.float64)
    return State(layers, inputs, torch.arange(10) % 2, z, a, normal(10, 2), products, penalty)


def phi(state: State, layer: int) -> float:
    gap = state.z[layer] - state.below(layer) @ state.layers[layer].weight.T - state.layers[layer].bias
    gap = gap + state.u / state.rho if layer == 1 else gap
    return (state.rho / 2 * (gap**2).sum()).item()


@pytest.mark.parametrize(("rho", "theta"), [(2.0, 1.0), (2.0, 1e-3), (1e-3, 1.0)])
@pytest.mark.parametrize("layer", [0, 1])
@torch.no_grad()
def test_step_of_a_weight_goes_where_its_quadratic_majorises(rho, theta, layer):
    state = state_of(rho, theta)
    old, before, weight = state.layers[layer].weight.clone(), phi(state, layer), state.layers[layer].weight
    gap = state.gap(layer)
    slope = -rho * gap.T @ state.below(layer)
    dladmm.update_weight_(state, layer)
    used = (slope.norm() / (weight - old).norm()).item()
    assert torch.allclose(weight, old - slope / used)
    model = before - (slope**2).sum().item() / (2 * used)
    assert phi(state, layer) <= model + 1e-12 <= before
    # `used` is `theta` itself or the first of its doubles that will do.
    doublings = torch.tensor(used / theta).log2().item()
    assert doublings == pytest.approx(round(doublings), abs=1e-9) and doublings > -0.5
    if doublings > 0.5:
        step = old - 2 * slope / used
        weight.copy_(step)
        assert phi(state, layer) > before - (slope**2).sum().item() / used
        weight.copy_(old - slope / used)
    assert torch.allclose(state.products[layer], state.below(layer) @ weight.T)


@pytest.mark.parametrize(("rho", "theta"), [(2.0, 1.0), (2.0, 1e-3), (1e-3, 1.0)])
@torch.no_grad()
def test_step_of_an_activation_goes_where_its_quadratic_majorises(rho, theta):
    state = state_of(rho, theta)
    value = lambda: phi(state, 1) + rho / 2 * ((state.a[0] - state.z[0].relu()) ** 2).sum().item()  # noqa: E731
    old, before = state.a[0].clone(), value()
    slope = rho * (old - state.z[0].relu() - state.gap(1) @ state.layers[1].weight)
    dladmm.update_activation_(state, 0)
    used = (slope.norm() / (state.a[0] - old).norm()).item()
    assert torch.allclose(state.a[0], old - slope / used)
    assert value() <= before - (slope**2).sum().item() / (2 * used) + 1e-12
    assert torch.allclose(state.products[1], state.a[0] @ state.layers[1].weight.T)


@torch.no_grad()
def test_bias_leaves_no_slope():
    for layer in (0, 1):
        state = state_of(0.5, 1.0)
        dladmm.update_bias_(state, layer)
        assert state.gap(layer).mean(0).abs().max() < 1e-14


@pytest.mark.parametrize(
    ("first", "curvature", "length", "theta"),
    [(1.0, 0.5, 1.0, 1.0), (1.0, 1.0, 1.0, 1.0), (1.0, 5.0, 1.0, 8.0), (10.0, 50.0, 2.0, 40.0), (1.0, 0.0, 0.0, 1.0)],
)
def test_first_majorising_multiple(first, curvature, length, theta):
    assert majorising(first, curvature, length) == theta


# The last layer's outputs.


def output_objective(z: Tensor, near: Tensor, labels: Tensor, rho: float) -> float:
    losses = [z[n].logsumexp(0) - z[n, label] for n, label in enumerate(labels)]
    return (sum(losses) + rho / 2 * ((z - near) ** 2).sum()).item()


def newton(near: Tensor, labels: Tensor, rho: float) -> Tensor:
    """Minimiser of Σ CE(z) + ρ/2 |z − m|², image by image."""
    rows = []
    for m, label in zip(near, labels, strict=True):
        z = m.clone()
        for _ in range(100):
            p = z.softmax(0)
            slope = p - one_hot(label, len(m)) + rho * (z - m)
            z = z - 0.5 * torch.linalg.solve(torch.diag(p) - torch.outer(p, p) + rho * torch.eye(len(m)), slope)
        rows.append(z)
    return torch.stack(rows)


@pytest.mark.parametrize("rho", [1.0, 0.1, 0.01])
def test_fista_ends_where_newton_does(rho):
    near = torch.randn(12, 5, dtype=torch.float64, generator=stream(0, "near"))
    labels = torch.arange(12) % 5
    exact = newton(near, labels, rho)
    ours = fista(near, labels, torch.zeros_like(near), rho, steps=3000, tolerance=0.0)
    assert torch.allclose(ours, exact, atol=1e-6)
    assert output_objective(ours, near, labels, rho) == pytest.approx(output_objective(exact, near, labels, rho))


def test_fista_ends_when_the_objective_hardly_moves():
    near, labels = torch.randn(12, 5, dtype=torch.float64, generator=stream(0, "near")), torch.arange(12) % 5
    loose, tight = (fista(near, labels, near, 0.1, 5000, tolerance) for tolerance in (1.0, 1e-6))
    exact = output_objective(newton(near, labels, 0.1), near, labels, 0.1)
    assert output_objective(tight, near, labels, 0.1) - exact < 1e-4
    assert output_objective(loose, near, labels, 0.1) - exact > 1e-3


# Start and penalty.


def test_start_has_a_forward_pass_below_and_labels_above():
    run = session(options("dladmm"))
    with torch.no_grad():
        state = dladmm.start(run, options("dladmm"))
        expected = state.inputs
        for layer, z, a in zip(state.layers[:-1], state.z, state.a, strict=False):
            assert torch.equal(z, layer(expected)) and torch.equal(a, z.relu())
            expected = a
    signs = state.z[-1][torch.arange(40), run.images.labels]
    assert signs.eq(1).all() and state.z[-1].sum().item() == 40 * (1 - 4)
    assert state.u.count_nonzero() == 0
    assert state.layers[0].weight.std().item() == pytest.approx(0.1, rel=0.2)


@torch.no_grad()
def test_same_draws_begin_alike():
    run = session(options("dladmm"))
    dladmm.start(run, options("dladmm"))
    first, second, third = linear(run)
    assert not torch.equal(first.bias, first.weight.flatten()[:7])
    dladmm.start(run, options("dladmm", same_draws=True))
    for layer in (first, second, third):
        for parameter in layer.parameters():
            assert torch.equal(parameter.flatten(), first.weight.flatten()[: parameter.numel()])


def test_penalty_rises_after_three_rises_of_the_cost():
    penalty = torch.tensor([1e-3, 1.0, torch.inf, 0], dtype=torch.float64)
    seen = []
    for cost in (5, 4, 4.1, 4.2, 4.3, 4.4, 4.0, 4.1, 4.2, 4.3, 4.4, 4.4):
        raise_penalty_(penalty, cost, limit=0.05)
        seen.append(tuple(penalty[:2].tolist()))
    rho = [1e-3] * 4 + [1e-2, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05]
    theta = [1.0] * 4 + [10.0] + [100.0] * 4 + [1000.0] + [10000.0] * 2
    assert seen == [pytest.approx(pair) for pair in zip(rho, theta, strict=True)]


def test_recorded_cost_and_penalty_are_those_of_the_network():
    run = trained(options("dladmm", epochs=4, rho=0.01))
    with torch.no_grad():
        logits = run.network(run.images.floats(slice(None)))
    literal = (logits.logsumexp(1) - logits[torch.arange(40), run.images.labels]).mean().item()
    assert curve(run, "loss")[-1] == pytest.approx(literal, rel=1e-5)
    assert curve(run, "rho")[0] == 0.01


def test_digits_are_learnt_slowly():
    run = trained(options("dladmm", (64, 64), epochs=60), *digits())
    accuracies = curve(run, "test_accuracy")
    assert max(accuracies) > 0.5 and curve(run, "loss")[-1] < curve(run, "loss")[0]
