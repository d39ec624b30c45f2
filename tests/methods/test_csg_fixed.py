"""CSG with gates made by hand: their matrix, steps and resumed runs in literal form (csg.md sections 2.8, 8.29)."""

import json
from copy import deepcopy

import pytest
import torch
from gated import CLASSES, CPU, FILTERS, NETWORK, curve, equal, options, session
from pydantic import ValidationError
from torch import Tensor

from pipeline.errors import UserError
from pipeline.methods import csg, std
from pipeline.methods.csg import exclusive_filters, fixed_gates
from pipeline.models import alexnet_cifar
from pipeline.settings import parse_slice
from pipeline.settings.methods import Csg, FixedGates, Std
from pipeline.settings.networks import AlexnetCifar
from pipeline.training.resume import Resume
from pipeline.training.session import Session
from pipeline.training.streams import seeded, stream


def fixed_options(**changes) -> Csg:
    return options(**{"fixed_gates": {"exclusive": 1}} | changes)


@pytest.mark.parametrize(
    ("classes", "filters", "exclusive", "shared", "row_sum"),
    [(10, 64, 6, 4, 10), (10, 256, 25, 6, 31), (3, 6, 2, 0, 2)],
)
def test_fixed_gates_are_the_papers_matrix(classes, filters, exclusive, shared, row_sum):
    gates = fixed_gates(classes, filters, exclusive)
    literal = torch.zeros(classes, filters)
    for c in range(classes):
        for k in range(filters):
            literal[c, k] = c * exclusive <= k <= (c + 1) * exclusive - 1 or k >= filters - shared
    assert torch.equal(gates, literal)
    assert gates.sum(1).tolist() == [row_sum] * classes
    assert gates.sum(0).tolist() == [1] * (filters - shared) + [classes] * shared


@pytest.mark.parametrize("joint_weights", [None, (0.3, 0.7)])
def test_training_leaves_fixed_gates_bit_identical_and_says_how_dense_they_are(joint_weights):
    run = session()
    gates = csg.fit(run, fixed_options(epochs=6, joint_weights=joint_weights))["gates"]
    assert torch.equal(gates, fixed_gates(CLASSES, FILTERS, 1))
    assert not gates.requires_grad and gates.grad is None
    assert curve(run, "density") == pytest.approx([30 / 120] * 6)
    assert curve(run, "csg_path") == ([0, 0, 1] * 2 if joint_weights is None else [0] * 6)
    assert run.notices == []


def test_optimiser_keeps_nothing_for_fixed_gates(tmp_path):
    with Resume(tmp_path, "state", seconds=0) as resume:
        run = session(resume=resume)
        csg.fit(run, fixed_options(csg_min=0))
        state = resume.load(CPU.device)["optimisers"][0]["state"]
    assert list(state) == list(range(len(list(run.network.parameters()))))


def literal_fixed_epoch(run: Session, settings: Csg, std_weight: float, csg_weight: float) -> dict[str, Tensor]:
    """Weights after one epoch on both cross-entropies, written out: each image through its own gates, in its own pass
    of the head."""
    network = deepcopy(run.network).train()
    gates = fixed_gates(CLASSES, FILTERS, settings.fixed_gates.exclusive)
    velocity = [torch.zeros_like(variable) for variable in network.parameters()]
    order = torch.randperm(len(run.images), generator=stream(run.seed, "shuffle", 0))
    for rows in order.split(settings.batch_size):
        y = run.images.labels[rows]
        losses = []
        for a, c in zip(network.maps(run.images.pixels[rows] / 255).mean((2, 3)), y, strict=True):
            for weight, passed in ((std_weight, a), (csg_weight, a * gates[c])):
                z = network.head.weight @ passed + network.head.bias
                losses.append(weight * (z.logsumexp(0) - z[c]))
        gradients = torch.autograd.grad(sum(losses) / len(y), list(network.parameters()))
        for i, (variable, gradient) in enumerate(zip(network.parameters(), gradients, strict=True)):
            change = gradient + settings.optimiser.weight_decay * variable.detach()
            velocity[i] = settings.optimiser.momentum * velocity[i] + change
            variable.data -= settings.optimiser.learning_rate * velocity[i]
    return network.state_dict()


@pytest.mark.parametrize(
    ("changes", "std_weight", "csg_weight"),
    [
        ({"csg_min": 0, "lambda1": 0.7}, 0, 0.7),
        ({}, 1, 0),
        ({"joint_weights": (0.3, 0.7)}, 0.3, 0.7),
        ({"joint_weights": (2.0, 0.0), "csg_min": 0}, 2, 0),
    ],
    ids=["CSG path", "STD path", "joint", "joint without CSG path"],
)
def test_steps_with_fixed_gates_are_the_literal_steps(changes, std_weight, csg_weight):
    settings = fixed_options(epochs=1, batch_size=32, optimiser={"from": "sgd", "weight_decay": 0.05}, **changes)
    run = session()
    run.images.notes["augment"] = {}
    expected = literal_fixed_epoch(run, settings, std_weight, csg_weight)
    csg.fit(run, settings)
    for name, tensor in run.network.state_dict().items():
        assert torch.allclose(tensor, expected[name], rtol=0, atol=1e-6), name


@pytest.mark.parametrize("joint_weights", [None, (0.3, 0.7)])
def test_a_step_passes_the_backbone_once(joint_weights):
    run, passes = session(), []
    run.network.backbone.register_forward_hook(lambda *_: passes.append(1))
    csg.fit(run, fixed_options(epochs=3, batch_size=32, joint_weights=joint_weights))
    assert len(passes) == 3 * 2


def test_joint_training_records_the_accuracy_without_gates():
    """Through the gates the network sees the label: the record must be that of the path which is deployed."""
    ordinary, joint, gated = session(), session(), session()
    one_step = {"epochs": 1, "batch_size": 64}
    std.fit(ordinary, Std(kind="std", network=NETWORK, **one_step))
    csg.fit(joint, fixed_options(joint_weights=(0.3, 0.7), **one_step))
    csg.fit(gated, fixed_options(csg_min=0, **one_step))
    assert curve(joint, "accuracy") == curve(ordinary, "accuracy") != curve(gated, "accuracy")
    (std_loss,), (csg_loss,) = curve(ordinary, "loss"), curve(gated, "loss")
    assert curve(joint, "loss") == pytest.approx([0.3 * std_loss + 0.7 * csg_loss])


def test_settings_of_learnt_gates_do_not_matter_to_fixed_ones():
    plain, changed = session(), session()
    csg.fit(plain, fixed_options())
    csg.fit(changed, fixed_options(lambda2=5.0, density_bound=0.01, gate_init=1.0, projection="euclid"))
    assert equal(plain.network.state_dict(), changed.network.state_dict())
    assert plain.history() == changed.history()


@pytest.mark.parametrize("joint_weights", [None, (0.3, 0.7)])
@pytest.mark.parametrize("passes", [7, 10])
def test_run_with_fixed_gates_goes_on_where_it_was_killed(tmp_path, joint_weights, passes):
    """Killed in the second epoch or in the third, four steps each; the third is gated where paths alternate."""
    settings, whole = fixed_options(joint_weights=joint_weights), session()
    gates = csg.fit(whole, settings)["gates"]
    left = [None] * passes

    def fall_over(*_) -> None:
        if not left:
            raise KeyboardInterrupt
        left.pop()

    with Resume(tmp_path, "state", seconds=0) as resume:
        killed = session(resume=resume)
        killed.network.backbone.register_forward_hook(fall_over)
        with pytest.raises(KeyboardInterrupt):
            csg.fit(killed, settings)
        again, left = session(resume=resume), []
        again.network.backbone.register_forward_hook(lambda *_: left.append(1))
        resumed = csg.fit(again, settings)["gates"]
    assert len(left) == 12 - passes
    assert torch.equal(resumed, gates)
    assert equal(again.network.state_dict(), whole.network.state_dict())
    assert again.history() == whole.history()


@pytest.mark.parametrize(("filters", "exclusive"), [(64, 6), (256, 25), (12, 1), (10, 1)])
def test_as_many_exclusive_filters_as_there_are(filters, exclusive):
    """For ten classes and 64 or 256 filters the paper's counts."""
    assert exclusive_filters(10, filters, FixedGates(), "tried") == exclusive
    gates = csg.fit(session(filters=filters), options(fixed_gates={}, epochs=1))["gates"]
    assert torch.equal(gates, fixed_gates(10, filters, exclusive))


@pytest.mark.parametrize(("filters", "exclusive"), [(12, 2), (9, None)])
def test_more_exclusive_filters_than_the_network_has_are_refused(filters, exclusive):
    run = session(filters=filters)
    before = deepcopy(run.network.state_dict())
    problem = (
        rf"^methods\.tried\.fixed_gates\.exclusive: {exclusive or 1} for each of 10 classes are more than the "
        rf"{filters} filters of the last stage; lower it or take a wider network$"
    )
    with pytest.raises(UserError, match=problem):
        csg.fit(run, fixed_options(fixed_gates={"exclusive": exclusive}))
    assert equal(run.network.state_dict(), before)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"fixed_gates": {"exclusive": 0}}, "greater than 0"),
        ({"fixed_gates": None, "joint_weights": (0.3, 0.7)}, "joint_weights need fixed_gates"),
        ({"joint_weights": (0, 0)}, "joint_weights are both 0"),
        ({"joint_weights": (0.3, 0.7), "csg_path": {}}, "csg_path cannot have its own"),
        ({"joint_weights": (0.3, -0.7)}, "greater than or equal to 0"),
    ],
)
def test_settings_of_fixed_gates_without_sense_are_refused(changes, problem):
    with pytest.raises(ValidationError, match=problem):
        fixed_options(**changes)


def test_slice_of_fixed_gates_reads_back():
    settings = fixed_options(joint_weights=(0.3, 0.7))
    assert parse_slice("method", json.dumps(settings.slice())) == settings


@torch.no_grad()
def test_without_pooling_gates_multiply_the_maps():
    """Loss of a step through the gates of AlexNet: map k of image i times G_y^k, everything behind it as it is."""
    shape = AlexnetCifar(channels=(4, 4, 4, 4, FILTERS), hidden=16, dropout=0.0)
    with seeded(0, "init"):
        network = alexnet_cifar.build(shape, channels=1, size=(8, 8), classes=CLASSES, mean=[0.5], std=[0.25])
    run = session()
    run.images.notes["augment"] = {}
    run.network = deepcopy(network)
    with torch.enable_grad():
        gates = csg.fit(run, fixed_options(network=shape, csg_min=0, epochs=1, batch_size=64))["gates"]
    losses = []
    for pixels, y in zip(run.images.pixels, run.images.labels, strict=True):
        maps = network.maps(pixels[None] / 255)[0]
        z = network.tail(torch.stack([gate * one for gate, one in zip(gates[y], maps, strict=True)])[None])[0]
        losses.append((z.logsumexp(0) - z[y]).item())
    assert curve(run, "loss") == [pytest.approx(sum(losses) / 64, rel=1e-5)]
