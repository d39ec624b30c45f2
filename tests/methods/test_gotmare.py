"""Gotmare et al.: updates in literal form, backpropagation as a special case, resumed runs, and that it learns."""

import json

import pytest
import torch
from literal_blocks import (
    CLASSES,
    CONVOLUTIONAL,
    COUNT,
    EVERYTHING,
    NETWORK,
    Literal,
    curve,
    equal,
    session,
    state_of,
    stop_in,
)
from pydantic import ValidationError
from torch import nn

from pipeline.errors import UserError
from pipeline.methods import gotmare
from pipeline.methods.gotmare import Run, sweep_
from pipeline.models.mlp import build
from pipeline.settings import parse_slice
from pipeline.settings.networks import Mlp
from pipeline.settings.splitting import Gotmare
from pipeline.splitting.blocks import cut
from pipeline.splitting.linear_blocks import LinearBlocks, split
from pipeline.splitting.variables import Descent
from pipeline.training.losses import mean_loss
from pipeline.training.resume import Resume
from pipeline.training.session import Session
from pipeline.training.streams import seeded


def options(**changes) -> Gotmare:
    return Gotmare(kind="gotmare", **{"network": NETWORK, "epochs": 3, "batch_size": 16, **changes})


class LiteralGotmare(Literal):
    """Every update for itself, on the newest values of all others."""

    def __init__(self, run: Session, settings: Gotmare) -> None:
        shapes = Run(session(settings.network), settings).blocks.shapes[:-1]
        super().__init__(run, settings, [torch.zeros(COUNT, *shape) for shape in shapes])
        self.forward(EVERYTHING)

    def term(self, t: int, below: torch.Tensor, rows: torch.Tensor, z: torch.Tensor | None = None) -> torch.Tensor:
        """What block t has to do with the objective, summed over images."""
        output = self.blocks[t](below)
        if t == len(self.blocks) - 1:
            return self.loss(output, rows)
        return self.settings.beta / 2 * ((self.z[t][rows] if z is None else z) - output).square().sum()

    def sweep(self, rows: torch.Tensor) -> None:
        for t in reversed(range(len(self.z))):
            z = self.z[t][rows].clone().requires_grad_()
            objective = self.term(t, self.below(t, rows), rows, z) + self.term(t + 1, z, rows)
            self.move(t, rows, torch.autograd.grad(objective, z)[0])

    def weights(self, rows: torch.Tensor) -> None:
        for t in range(len(self.blocks)):
            self.step_weights(t, self.term(t, self.below(t, rows), rows), len(rows))


VARIANTS = {
    "online": {},
    "online, many": {"inner": 3, "n_z": 2, "n_theta": 2, "beta": 1.3},
    "online, fresh": {"z_optimiser": "adam_fresh", "zeta": 0.01, "loss": "cross_entropy"},
    "cycle": {"updates": "cycle"},
    "cycle, many": {"updates": "cycle", "n_z": 3, "n_theta": 2, "beta": 0.7, "loss": "cross_entropy"},
    "cycle, persistent": {"updates": "cycle", "z_optimiser": "adam_persistent", "zeta": 0.01},
    "one hidden layer": {"network": Mlp(hidden=(5,)), "inner": 2},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_updates_are_those_of_the_literal_algorithm(tmp_path, variant):
    settings = options(**VARIANTS[variant])
    literal = LiteralGotmare(session(settings.network), settings)
    literal.run_epochs()
    with Resume(tmp_path, "state", seconds=0) as resume:
        run = session(settings.network, resume=resume)
        assert gotmare.fit(run, settings) == {}
        kept = state_of(resume)
    for name, weight in run.network.state_dict().items():
        assert torch.allclose(weight, literal.run.network.state_dict()[name], rtol=0, atol=1e-5), name
    assert ("z" in kept) == (settings.updates == "cycle") and "u" not in kept
    if "z" in kept:
        assert torch.allclose(kept["z"], torch.cat(literal.z, dim=1), rtol=0, atol=1e-5)


@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
def test_one_sweep_from_a_forward_pass_is_backpropagation_with_a_factor_for_each_block(loss):
    """admm.md section 5.3, in double precision: (beta zeta)^(T-t), with the Z_{t-1} before the sweep."""
    beta, zeta = 1.3, 0.4
    with seeded(0, "init"):
        network = build(NETWORK, channels=1, size=(6, 6), classes=CLASSES, mean=[0.4], std=[0.25]).double()
    modules = cut(network, None, "tried")
    images = torch.rand(7, 1, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(7) % CLASSES
    own = [list(module.parameters()) for module in modules]
    objective = mean_loss(loss, nn.Sequential(*modules)(images), labels)
    expected = [torch.autograd.grad(objective, weights, retain_graph=True) for weights in own]

    blocks = LinearBlocks(modules, images[:1], *split(modules))
    outputs = blocks.outputs(images, None)
    start = outputs[:, : blocks.columns[-1].start]
    z = start.clone()
    sweep_(blocks, outputs, z, labels, Descent([zeta] * len(modules)), loss=loss, beta=beta)
    for t, (module, expected_of_block) in enumerate(zip(modules[:-1], expected[:-1], strict=True), 1):
        below = images if t == 1 else blocks.parts(start)[t - 2]
        squares = beta / 2 * (blocks.parts(z)[t - 1] - module(below)).square().sum() / 7
        for found, gradient in zip(torch.autograd.grad(squares, own[t - 1]), expected_of_block, strict=True):
            assert torch.allclose(found, (beta * zeta) ** (len(modules) - t) * gradient, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize(("storage", "after"), [("float32", 0), ("float32", 2), ("bfloat16", 3), ("disk", 1)])
@pytest.mark.parametrize(
    "changes",
    [{}, {"zeta": "auto"}, {"updates": "cycle"}, {"network": CONVOLUTIONAL, "cuts": ("stem", "stage2")}],
)
def test_run_goes_on_where_it_was_killed(tmp_path, storage, after, changes):
    settings = options(epochs=4, storage=storage, **changes)
    whole = session(settings.network)
    gotmare.fit(whole, settings)
    with Resume(tmp_path, "killed", seconds=0) as resume:
        killed = session(settings.network, resume=resume)
        stop_in(killed, 2, after)
        with pytest.raises(KeyboardInterrupt):
            gotmare.fit(killed, settings)
        again = session(settings.network, resume=resume)
        gotmare.fit(again, settings)
    assert equal(again.network.state_dict(), whole.network.state_dict())
    assert again.history() == whole.history()


def test_it_learns_and_tells_gaps_of_the_blocks_that_have_variables():
    run, adam = session(), {"from": "adam", "learning_rate": 0.01}
    gotmare.fit(run, options(epochs=40, inner=2, loss="cross_entropy", optimiser=adam))
    assert curve(run, "accuracy")[-1] > 0.9 > curve(run, "accuracy")[0]
    names = {row["metric"] for row in run.history().to_pylist()}
    assert names == {"loss", "accuracy", "residual", *(f"residual_{t}" for t in range(1, 5))}
    assert 0 < curve(run, "residual")[-1] < 1


def test_safe_steps_are_the_inverse_of_the_largest_curvature():
    run = Run(session(), options(zeta="auto", beta=2.0))
    weights = [next(stage.parameters()) for stage in run.session.network.stages().values()]
    *inner, last = (torch.linalg.svdvals(weight).max().item() ** 2 for weight in weights[1:])
    assert run.zetas() == pytest.approx([1 / (2 + 2 * square) for square in inner] + [1 / (2 + last)], rel=1e-5)


def test_a_network_in_one_block_is_refused():
    with pytest.raises(UserError, match=r"^methods\.tried\.cuts: leave the network in one block; name a stage"):
        gotmare.fit(session(), options(cuts=()))


def test_moments_cannot_last_where_z_does_not():
    with pytest.raises(ValidationError, match="take another z_optimiser"):
        options(z_optimiser="adam_persistent")


def test_slice_reads_back():
    settings = options(cuts=("layer2",), updates="cycle")
    assert parse_slice("method", json.dumps(settings.slice())) == settings
