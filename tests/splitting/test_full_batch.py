"""What methods that sweep over all images share: their networks, inputs, starts, records, and exact resume."""

import json

import pytest
import torch
from pydantic import ValidationError
from swept import METHODS, curve, digits, linear, options, session, trained

from pipeline.errors import UserError
from pipeline.models.resnet_cifar import build
from pipeline.registry import load
from pipeline.settings import parse_slice
from pipeline.settings.networks import ResnetCifar
from pipeline.splitting.full_batch import (
    accuracy,
    inputs_of,
    linear_layers,
    normal,
    residuals,
    straight_through,
    uniform,
    violations,
)
from pipeline.training.resume import Resume

LAYERS = 3


@pytest.mark.parametrize("normalise", [False, True])
def test_inputs_are_what_the_first_layer_sees(normalise):
    shape = {"from": "mlp", "hidden": (7, 6), "normalise": normalise}
    run, seen = session(options("admm", network=shape)), []
    inputs = inputs_of(run)
    linear_layers(run.network, run.name)[0].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    run.network(run.images.floats(slice(None)))
    assert inputs.shape == (40, 12) and torch.equal(inputs, seen[0])
    assert (inputs.min() >= 0) is not normalise


@torch.no_grad()
def test_straight_through_is_the_network_itself():
    run = session(options("admm"))
    layers = linear_layers(run.network, run.name)
    layers[0].bias.fill_(0.3)
    logits = run.network(run.images.floats(slice(None)))
    assert torch.allclose(straight_through(layers, inputs_of(run) @ layers[0].weight.T), logits, atol=1e-6)
    hits = sum(logits[n].argmax() == label for n, label in enumerate(run.images.labels))
    assert accuracy(logits, run.images.labels) == pytest.approx(hits.item() / 40)


def test_residuals_are_norms_over_norms():
    z, a, products = ([torch.randn(5, width) for width in widths] for widths in ((4, 3, 2), (4, 3), (4, 3, 2)))
    gaps = [z[0] - products[0], z[1] - products[1], z[2] - products[2], a[0] - z[0].relu(), a[1] - z[1].relu()]
    together = lambda *tensors: sum((tensor.double() ** 2).sum().item() for tensor in tensors) ** 0.5  # noqa: E731
    expected = {
        "residual": together(*gaps) / together(*z, *a),
        "residual_1": together(gaps[0], gaps[3]) / together(z[0], a[0]),
        "residual_2": together(gaps[1], gaps[4]) / together(z[1], a[1]),
        "residual_3": together(gaps[2]) / together(z[2]),
    }
    assert residuals(violations(z, a, products)) == pytest.approx(expected)


def test_draws_depend_on_seed_and_name_alone():
    one, other, shape = session(options("admm")), session(options("admm"), seed=1), (2000, 3)
    for draw in (uniform, normal):
        assert torch.equal(draw(one, "z1", shape, 2.0), draw(one, "z1", shape, 2.0))
        assert torch.equal(draw(one, "z1", shape, 2.0), 2 * draw(one, "z1", shape, 1.0))
        assert not torch.equal(draw(one, "z1", shape, 1.0), draw(one, "z2", shape, 1.0))
        assert not torch.equal(draw(one, "z1", shape, 1.0), draw(other, "z1", shape, 1.0))
    drawn = uniform(one, "z1", shape, 0.1)
    assert drawn.min() >= 0 and drawn.max() <= 0.1 and drawn.mean().item() == pytest.approx(0.05, abs=0.002)
    assert normal(one, "z1", shape, 0.1).std().item() == pytest.approx(0.1, abs=0.003)


@pytest.mark.parametrize("method", METHODS)
def test_other_networks_are_refused(method):
    run = session(options(method))
    settings = ResnetCifar(blocks=1, channels=(2, 2, 4))
    run.network = build(settings, channels=1, size=(3, 4), classes=5, mean=[0], std=[1])
    with pytest.raises(UserError, match=r"^methods\.tried\.network: .*multilayer perceptron.*; set it to {from: mlp}$"):
        load("method", method)(run, options(method))


@pytest.mark.parametrize("method", METHODS)
def test_slice_of_settings_reads_back(method):
    settings = options(method, clock=True, epochs=7)
    assert parse_slice("method", json.dumps(settings.slice())) == settings


@pytest.mark.parametrize("method", ["admm", "taylor", "dladmm"])
def test_base_is_refused_by_methods_that_draw_their_start(method):
    with pytest.raises(UserError, match="base has no effect"):
        options(method, base="std")


@pytest.mark.parametrize("method", METHODS)
def test_same_seed_same_bytes(method):
    settings = options(method)
    one, again, other = (session(settings, seed=seed) for seed in (0, 0, 1))
    for run in (one, again, other):
        load("method", method)(run, settings)
    assert one.history() == again.history() != other.history()
    for name, tensor in one.network.state_dict().items():
        assert torch.equal(tensor, again.network.state_dict()[name])
    assert not torch.equal(linear(one)[0].weight, linear(other)[0].weight)


@pytest.mark.parametrize("method", METHODS)
def test_records_of_a_sweep(method):
    images, watched = digits()
    run = trained(options(method, (9, 8), clock=True, epochs=2), images, watched)
    names = {row["metric"] for row in run.history().to_pylist()}
    own = {
        "admm": {"dual_1", "dual_2", "dual_3", "relu_dual_1", "relu_dual_2"},
        "taylor": {"dual_3"},
        "zeng": set(),
        "dladmm": {"dual_3", "rho", "loss"},
    }
    shared = {"seconds", "accuracy", "test_accuracy", "objective", "residual"}
    assert names == shared | {f"residual_{layer}" for layer in range(1, LAYERS + 1)} | own[method]
    with torch.no_grad():
        for metric, split in (("accuracy", images), ("test_accuracy", watched)):
            hits = (run.network(split.floats(slice(None))).argmax(1) == split.labels).double().mean().item()
            assert curve(run, metric)[-1] == pytest.approx(hits, abs=1.5 / len(split))


@pytest.mark.parametrize("method", METHODS)
def test_killed_run_goes_on_to_the_same_bytes(tmp_path, method):
    """Killed in the third of five sweeps, in the second of dladmm, whose start passes the network once."""
    settings, sweeps = options(method, epochs=5), []
    whole = trained(settings)

    def fall_over(*_) -> None:
        sweeps.append(1)
        if len(sweeps) == 3:
            raise KeyboardInterrupt

    with Resume(tmp_path, "state", seconds=0) as resume:
        killed = session(settings, resume=resume)
        killed.network.head.register_forward_hook(fall_over)
        with pytest.raises(KeyboardInterrupt):
            load("method", method)(killed, settings)
        again, passes = session(settings, resume=resume), []
        again.network.head.register_forward_hook(lambda *_: passes.append(1))
        load("method", method)(again, settings)
    assert len(passes) == (3 if method != "dladmm" else 5)
    assert again.history() == whole.history()
    for name, tensor in again.network.state_dict().items():
        assert torch.equal(tensor, whole.network.state_dict()[name]), name


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("admm", {"beta": 0.0}),
        ("admm", {"weight_decay": -1.0}),
        ("admm", {"loss": "cross_entropy"}),
        ("taylor", {"variant": "port"}),
        ("zeng", {"alpha": 0.0}),
        ("dladmm", {"rho": 0.2}),
    ],
)
def test_settings_without_sense_are_refused(method, changes):
    with pytest.raises((UserError, ValidationError), match=next(iter(changes))):
        options(method, **changes)
