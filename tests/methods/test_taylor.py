"""Taylor: both variants against literal sweeps, the thesis' one against ADMM with frozen duals, and what they learn."""

import numpy as np
import pytest
import torch
from swept import curve, digits, linear, options, session, trained
from torch import Tensor

from pipeline.errors import UserError
from pipeline.methods import admm, taylor
from pipeline.settings.splitting import Taylor
from pipeline.splitting.closed_forms import output_minimiser, relu_minimiser, ridge_solver
from pipeline.splitting.full_batch import inputs_of
from pipeline.training.losses import targets

WIDTHS = (12, 7, 6, 5)


@pytest.mark.parametrize("warm_up", [0, 2])
@pytest.mark.parametrize("loss", ["squared_error", "hinge"])
@torch.no_grad()
def test_thesis_variant_is_admm_without_its_other_duals(loss, warm_up):
    settings = options("taylor", loss=loss, warm_up=warm_up, init_scale=1.0, weight_decay=0.01, epochs=4)
    run = session(settings)
    layers, inputs = linear(run), inputs_of(run)
    weights = [layer.weight for layer in layers]
    frozen = admm.start(run, weights, settings.init_scale)
    for dual in (*frozen.u[:-1], *frozen.v):
        dual.zero_()
    outputs = targets(frozen.z[-1], run.images.labels)
    as_admm = options("admm", loss=loss)
    for sweep in range(4):
        for layer, below in enumerate([inputs, *frozen.a]):
            weights[layer].copy_(ridge_solver(below, 0.01 / settings.beta, "key")(frozen.z[layer] + frozen.u[layer]))
        products = admm.update_variables_(weights, inputs, outputs, frozen, as_admm)
        if sweep >= warm_up:
            frozen.u[-1] += frozen.z[-1] - products[-1]
    ours = trained(settings)
    for layer, expected in zip(linear(ours), weights, strict=True):
        assert torch.allclose(layer.weight, expected, rtol=1e-5, atol=1e-7)
        assert layer.bias.count_nonzero() == 0
    assert curve(ours, "dual_3")[-1] == pytest.approx(frozen.u[-1].abs().mean().item(), rel=1e-5)


def literal_original(run_weights: list[Tensor], inputs: Tensor, labels: Tensor, start, settings: Taylor) -> dict:
    """Weights and Λ of the original's sweeps, samples as columns, with pseudo-inverses and penalties without 1/2."""
    beta, gamma, y = settings.beta, settings.gamma, np.eye(5)[labels].T
    w = {layer: weight.detach().double().numpy() for layer, weight in enumerate(run_weights, 1)}
    z = {layer: tensor.double().numpy().T.copy() for layer, tensor in enumerate(start.z, 1)}
    a = {layer: tensor.double().numpy().T.copy() for layer, tensor in enumerate(start.a, 1)}
    a[0], dual = inputs.double().numpy().T, np.zeros_like(z[3])
    for sweep in range(settings.epochs):
        for layer in (1, 2):
            w[layer] = z[layer] @ np.linalg.pinv(a[layer - 1])
            up = w[layer + 1]
            system = beta * up.T @ up + gamma * np.eye(len(a[layer]))
            a[layer] = np.linalg.inv(system) @ (beta * up.T @ z[layer + 1] + gamma * np.maximum(z[layer], 0))
            m = torch.tensor(w[layer] @ a[layer - 1])
            z[layer] = relu_minimiser(m, torch.tensor(a[layer]), beta, gamma).numpy()
        w[3] = z[3] @ np.linalg.pinv(a[2])
        m = w[3] @ a[2]
        if settings.loss == "squared_error":
            z[3] = (y - dual + 2 * beta * m) / (1 + 2 * beta)
        else:
            shifted = torch.tensor(m - dual / (2 * beta))
            z[3] = output_minimiser("hinge", shifted, torch.tensor(y), 2 * beta).numpy()
        if sweep >= settings.warm_up:
            dual = dual + beta * (z[3] - w[3] @ a[2])
    return w | {"dual": dual}


@pytest.mark.parametrize(("loss", "warm_up"), [("squared_error", 0), ("squared_error", 2), ("hinge", 1)])
def test_original_variant_is_its_literal_sweep(loss, warm_up):
    settings = options("taylor", variant="original", loss=loss, warm_up=warm_up, beta=2.0, gamma=7.0, epochs=4)
    run = session(settings)
    start = taylor.start(run, [layer.weight for layer in linear(run)], settings)
    literal = literal_original(
        [layer.weight for layer in linear(run)], inputs_of(run), run.images.labels, start, settings
    )
    taylor.fit(run, settings)
    for layer, ours in enumerate(linear(run), 1):
        assert ours.weight.detach().double().numpy() == pytest.approx(literal[layer], rel=1e-3, abs=1e-4)
    expected = np.abs(literal["dual"]).mean() / (2 * settings.beta)
    assert curve(run, "dual_3")[-1] == pytest.approx(expected, rel=1e-3)


def test_starts_of_the_variants():
    run = session(options("taylor"))
    weights = [layer.weight for layer in linear(run)]
    thesis = taylor.start(run, weights, options("taylor", init_scale=0.5))
    original = taylor.start(run, weights, options("taylor", variant="original"))
    for start in (thesis, original):
        assert [tensor.shape for tensor in start.z] == [(40, width) for width in WIDTHS[1:]]
        assert [tensor.shape for tensor in start.a] == [(40, width) for width in WIDTHS[1:-1]]
    assert all(tensor.min() >= 0 and tensor.max() <= 0.5 for tensor in (*thesis.z, *thesis.a, thesis.dual))
    assert all(tensor.min() < -1 and tensor.max() > 1 for tensor in (*original.z, *original.a))
    assert thesis.dual.count_nonzero() > 0 and original.dual.count_nonzero() == 0


def test_dual_stays_as_it_is_while_warming_up():
    first, *_, last = curve(trained(options("taylor", warm_up=3)), "dual_3")
    assert first == last < 1e-4
    assert curve(trained(options("taylor", warm_up=2)), "dual_3")[2] > first


@pytest.mark.parametrize("variant", ["thesis", "original"])
def test_pixels_that_are_always_0_need_weight_decay_or_the_pseudo_inverse(variant):
    settings = options("taylor", variant=variant, weight_decay=0.0)
    run = session(settings)
    run.images.pixels[:, :, 1, 2] = 0
    if variant == "thesis":
        with pytest.raises(UserError, match=r"^methods\.tried\.weight_decay: .*singular.*; raise it"):
            taylor.fit(run, settings)
    else:
        taylor.fit(run, settings)
        assert linear(run)[0].weight[:, 6].abs().max() < 1e-6


@pytest.mark.parametrize("variant", ["thesis", "original"])
def test_recorded_objective_is_the_written_one(variant):
    """With the dual at 0 throughout: nothing of it is left in either form."""
    settings = options("taylor", variant=variant, init_scale=1e-12, warm_up=3, weight_decay=0.1, beta=2.0, gamma=3.0)
    run = session(settings)
    layers, x = linear(run), inputs_of(run).double()
    kept = {}
    track, run.track = run.track, lambda **tensors: (kept.update(tensors), track(**tensors))
    taylor.fit(run, settings)
    z, a = ([kept[name].double() for name in names] for names in (("z1", "z2", "z3"), ("a1", "a2")))
    w = [layer.weight.detach().double() for layer in layers]
    half = 0.5 if variant == "thesis" else 1.0
    total = ((z[2] - torch.eye(5)[run.images.labels]) ** 2).sum() / 2
    for layer, below in enumerate([x, *a]):
        total += half * 2.0 * ((z[layer] - below @ w[layer].T) ** 2).sum()
        total += 0.1 / 2 * (w[layer] ** 2).sum() if variant == "thesis" else 0
    for layer, above in enumerate(a):
        total += half * 3.0 * ((above - z[layer].relu()) ** 2).sum()
    assert curve(run, "objective")[-1] == pytest.approx(total.item() / 40, rel=1e-4)


def test_digits_are_learnt_less_well_than_by_admm():
    """96.7 % against 97.5 % in admm.md section 2, on another split and with 128 hidden neurons."""
    images = digits()
    run = trained(options("taylor", (64, 64), epochs=60), *images)
    other = trained(options("admm", (64, 64), epochs=60), *images)
    assert 0.9 < curve(run, "test_accuracy")[-1] < curve(other, "test_accuracy")[-1]
