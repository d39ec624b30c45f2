"""Updates of Block-ADMM against their literal form, its penalty, that it learns, and its settings."""

import json
from itertools import pairwise

import pytest
import torch
from literal_admm import LiteralAdmm, options
from literal_blocks import CLASSES, CPU, NETWORK, curve, session, state_of
from pydantic import ValidationError
from sklearn.datasets import load_digits
from torch import nn

from pipeline.errors import UserError
from pipeline.methods import block_admm, std
from pipeline.methods.block_admm import Run, adapt_, sweep_
from pipeline.models.mlp import build
from pipeline.settings import parse_slice
from pipeline.settings.methods import Std
from pipeline.settings.networks import Mlp
from pipeline.settings.splitting import BlockAdmm
from pipeline.splitting import linear_blocks
from pipeline.splitting.blocks import Blocks, cut
from pipeline.splitting.linear_blocks import LinearBlocks, split
from pipeline.splitting.variables import Descent
from pipeline.training.data import Images
from pipeline.training.resume import Resume
from pipeline.training.session import Session
from pipeline.training.streams import seeded

VARIANTS = {
    "cycle": {},
    "cycle, many": {"n_z": 3, "n_theta": 2, "beta": 0.7},
    "cycle, cross-entropy": {"loss": "cross_entropy"},
    "cycle, forward": {"order": "forward"},
    "cycle, no duals": {"duals": False},
    "cycle, fresh": {"z_optimiser": "adam_fresh", "zeta": 0.01, "n_z": 2},
    "cycle, persistent": {"z_optimiser": "adam_persistent", "zeta": 0.01},
    "mini-batch": {"updates": "mini_batch"},
    "mini-batch, many": {"updates": "mini_batch", "n_z": 2, "n_theta": 3},
    "mini-batch, persistent": {"updates": "mini_batch", "z_optimiser": "adam_persistent", "zeta": 0.01},
    "online": {"updates": "online"},
    "online, many": {"updates": "online", "inner": 3, "n_z": 2, "n_theta": 2, "beta": 1.3},
    "online, forward": {"updates": "online", "inner": 2, "order": "forward"},
    "online, no duals": {"updates": "online", "duals": False, "loss": "cross_entropy"},
    "one layer": {"network": Mlp(hidden=(5,)), "inner": 2, "updates": "online"},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_updates_are_those_of_the_literal_algorithm(tmp_path, variant):
    settings = options(**VARIANTS[variant])
    literal = LiteralAdmm(session(settings.network), settings)
    literal.run_epochs()
    with Resume(tmp_path, "state", seconds=0) as resume:
        run = session(settings.network, resume=resume)
        assert block_admm.fit(run, settings) == {}
        kept = state_of(resume)
    for name, weight in run.network.state_dict().items():
        assert torch.allclose(weight, literal.run.network.state_dict()[name], rtol=0, atol=1e-5), name
    assert ("u" in kept) == settings.duals and ("z" in kept) == (settings.updates != "online")
    for name, parts in {"z": literal.z, "u": literal.u}.items():
        if name in kept:
            assert torch.allclose(kept[name], torch.cat(parts, dim=1), rtol=0, atol=1e-5), name


def layers() -> list[nn.Module]:
    """Blocks 36-8-8-8-8-4 in double precision."""
    with seeded(0, "init"):
        network = build(NETWORK, channels=1, size=(6, 6), classes=CLASSES, mean=[0.4], std=[0.25])
    return cut(network.double(), None, "tried")


def two_blocks() -> list[nn.Module]:
    """A small CNN in double precision, cut in the middle."""
    with seeded(0, "init"):
        first = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
        second = nn.Sequential(nn.Conv2d(4, 4, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(4, CLASSES))
    return [first.double(), second.double()]


@pytest.mark.parametrize("kind", ["linear", "autograd", "convolutional"])
@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
def test_first_sweep_is_backpropagation_with_a_factor_for_each_block(kind, loss):
    """admm.md section 3.4: from a forward pass and U = 0 the gradient of Theta_t is (beta zeta)^(T-t+1) times that of
    backpropagation, if taken with the Z_{t-1} before the sweep."""
    beta, zeta = 1.3, 0.4
    modules = two_blocks() if kind == "convolutional" else layers()
    images = torch.rand(7, 1, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(7) % CLASSES
    logits = nn.Sequential(*modules)(images)
    if loss == "squared_error":
        objective = (logits - torch.eye(CLASSES).double()[labels]).square().sum() / 2
    else:
        objective = -logits.log_softmax(1)[range(7), labels].sum()
    own = [list(module.parameters()) for module in modules]
    expected = [torch.autograd.grad(objective / 7, weights, retain_graph=True) for weights in own]

    blocks = LinearBlocks(modules, images[:1], *split(modules)) if kind == "linear" else Blocks(modules, images[:1], 7)
    start = blocks.outputs(images, None).clone()
    z = start.clone()
    outputs = blocks.outputs(images, z)
    steps = Descent([zeta] * len(blocks))
    sweep_(blocks, outputs, z, None, labels, steps, loss=loss, beta=beta, forward=False)
    for t, (module, expected_of_block) in enumerate(zip(modules, expected, strict=True), 1):
        below = images if t == 1 else blocks.parts(start)[t - 2]
        squares = beta / 2 * (blocks.parts(z)[t - 1] - module(below)).square().sum() / 7
        factor = (beta * zeta) ** (len(modules) - t + 1)
        for found, gradient in zip(torch.autograd.grad(squares, own[t - 1]), expected_of_block, strict=True):
            assert torch.allclose(found, factor * gradient, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("order", ["reverse", "forward"])
def test_sweep_on_one_forward_pass_is_the_sweep_that_passes_every_block_again(order):
    """Gauss-Seidel with the newest neighbours, each gradient by autograd from the augmented Lagrangian itself."""
    modules = layers()
    generator = torch.Generator().manual_seed(2)
    images = torch.rand(9, 1, 6, 6, dtype=torch.float64, generator=generator)
    labels, beta, zeta = torch.arange(9) % CLASSES, 0.8, 0.3
    blocks = LinearBlocks(modules, images[:1], *split(modules))
    z, u = torch.rand(2, 9, blocks.width, dtype=torch.float64, generator=generator)
    expected = z.clone()
    for t in range(len(modules)) if order == "forward" else reversed(range(len(modules))):
        leaf = expected.clone().requires_grad_()
        parts, lagrangian = blocks.parts(leaf), 0
        for s, module in enumerate(modules):
            below = images if s == 0 else parts[s - 1]
            lagrangian = lagrangian + beta / 2 * (parts[s] - module(below) + blocks.parts(u)[s]).square().sum()
        lagrangian = lagrangian + (parts[-1] - torch.eye(CLASSES).double()[labels]).square().sum() / 2
        columns = blocks.columns[t]
        expected[:, columns] -= zeta * torch.autograd.grad(lagrangian, leaf)[0][:, columns]
    outputs = blocks.outputs(images, z)
    steps = Descent([zeta] * len(blocks))
    sweep_(blocks, outputs, z, u, labels, steps, loss="squared_error", beta=beta, forward=order == "forward")
    assert torch.allclose(z, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("updates", ["cycle", "mini_batch", "online"])
def test_blocks_by_autograd_learn_the_same(updates):
    """`trainable` with all stages takes the general form, whose weights are the network's own tensors."""
    settings = options(updates=updates, n_z=2, inner=2)
    stacked, general = session(), session()
    block_admm.fit(stacked, settings)
    block_admm.fit(
        general, settings.model_copy(update={"trainable": ("layer1", "layer2", "layer3", "layer4", "layer5")})
    )
    for name, weight in stacked.network.state_dict().items():
        assert torch.allclose(weight, general.network.state_dict()[name], rtol=0, atol=1e-5), name
    for metric in ("loss", "residual", "residual_3", "dual_5"):
        assert curve(stacked, metric) == pytest.approx(curve(general, metric), rel=1e-3)


def test_passes_over_a_few_rows_change_nothing(monkeypatch):
    whole, parts = session(), session()
    block_admm.fit(whole, options(n_z=2))
    monkeypatch.setattr(linear_blocks, "CHUNK", 7 * 36)
    block_admm.fit(parts, options(n_z=2))
    for name, weight in whole.network.state_dict().items():
        assert torch.allclose(weight, parts.network.state_dict()[name], rtol=0, atol=1e-6), name


# The adaptive penalty.


def test_penalty_grows_only_when_the_residual_does_not_shrink_and_keeps_the_multipliers():
    penalty, u = torch.tensor([1.0, float("inf")], dtype=torch.float64), torch.rand(5, 4)
    multipliers = penalty[0].float() * u
    for residual, beta, least in (
        (8.0, 1, 8),
        (7.0, 1, 7),
        (6.9, 1 / 0.9, 6.9),
        (7.5, 1 / 0.9**2, 6.9),
        (3, 1 / 0.9**2, 3),
    ):
        adapt_(penalty, u, residual, 0.9, 100.0)
        assert penalty.tolist() == pytest.approx([beta, least])
        assert torch.allclose(penalty[0].float() * u, multipliers, rtol=1e-5)
    for _ in range(60):
        adapt_(penalty, u, 5.0, 0.9, 100.0)
    assert penalty[0] == 100 and torch.allclose(penalty[0].float() * u, multipliers, rtol=1e-5)
    adapt_(penalty, None, 5.0, 0.9, 200.0)
    assert penalty[0] == pytest.approx(100 / 0.9)


def test_adaptive_penalty_is_recorded_and_used():
    run = session()
    block_admm.fit(run, options(epochs=12, penalty="adaptive", zeta="auto", beta_limit=1.5))
    betas = curve(run, "beta")
    assert betas[0] == 1 and max(betas) > 1 and betas == sorted(betas) and max(betas) <= 1.5
    assert all(
        later == earlier or later == pytest.approx(min(earlier / 0.9, 1.5)) for earlier, later in pairwise(betas)
    )


def test_safe_steps_are_the_inverse_of_the_largest_curvature():
    run = Run(session(), options(zeta="auto", beta=2.0))
    layers = list(run.session.network.stages().values())
    norms = [torch.linalg.svdvals(next(iter(layer.parameters()))).max().item() for layer in layers]
    assert run.zetas() == pytest.approx([1 / (2 + 2 * norm**2) for norm in norms[1:]] + [1 / 3], rel=1e-5)


# It learns.


def digits(count: int | None = None) -> Images:
    data = load_digits()
    pixels = torch.from_numpy((data.images * 255 / 16).astype("uint8"))[:count, None]
    notes = {"class_names": list("0123456789"), "mean": [0.0], "std": [1.0], "augment": {}}
    return Images(pixels, torch.from_numpy(data.target)[:count], [str(row) for row in range(len(pixels))], notes)


def deep_session() -> Session:
    """Ten layers on scikit-learn's digits; weights of variance 1/(3 fan_in)."""
    network = Mlp(hidden=(128,) * 9)
    with seeded(0, "init"):
        built = build(network, channels=1, size=(8, 8), classes=10, mean=[0.0], std=[1.0])
    return Session(built, digits(), CPU, 0, "tried")


def test_ten_layers_learn_where_gradient_descent_stays_at_chance():
    network, epochs = Mlp(hidden=(128,) * 9), 20
    ours, plain = deep_session(), deep_session()
    block_admm.fit(ours, BlockAdmm(kind="block_admm", network=network, epochs=epochs))
    rate = {"from": "sgd", "learning_rate": 0.1, "momentum": 0.0, "weight_decay": 0.0}
    settings = {"network": network, "epochs": epochs, "batch_size": 128, "loss": "squared_error", "optimiser": rate}
    std.fit(plain, Std(kind="std", **settings))
    assert curve(ours, "accuracy")[-1] > 0.9
    assert max(curve(plain, "accuracy")) < 0.2


# Settings.


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"zeta": "auto", "z_optimiser": "adam_fresh"}, "zeta: auto is a step of gd"),
        ({"updates": "online", "z_optimiser": "adam_persistent"}, "take another z_optimiser"),
        ({"penalty": "adaptive"}, "set zeta: auto"),
        ({"penalty": "adaptive", "zeta": "auto", "beta": 200.0}, "beta_limit 100.0 is below beta 200.0"),
        ({"beta": 0.0}, "greater than 0"),
        ({"zeta": "fast"}, "zeta"),
        ({"dual_init": -0.1}, "greater than or equal to 0"),
        ({"shrinkage": 1.0}, "less than 1"),
        ({"storage": "float16"}, "storage"),
    ],
)
def test_settings_without_sense_are_refused(changes, problem):
    with pytest.raises(ValidationError, match=problem):
        options(**changes)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"cuts": ("layer9",)}, r"^methods\.tried\.cuts: unknown stage 'layer9'; did you mean 'layer4'\?$"),
        ({"cuts": ("layer5",)}, r"^methods\.tried\.cuts: nothing comes behind 'layer5'; name some of layer1, layer2"),
        ({"zeta": "auto", "cuts": ("layer2",)}, "^zeta: auto needs blocks of one linear layer each"),
        ({"batch_size": 51}, r"training\.batch_size: 51 is more than the 50"),
    ],
)
def test_what_the_network_cannot_do_is_named(changes, problem):
    with pytest.raises(UserError, match=problem):
        block_admm.fit(session(), options(**changes))


def test_slice_reads_back():
    settings = options(cuts=("layer2",), zeta="auto", penalty="adaptive")
    assert parse_slice("method", json.dumps(settings.slice())) == settings
