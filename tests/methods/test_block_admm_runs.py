"""Runs of Block-ADMM: the variables that they keep and what these take, going on after a kill, and records."""

import pytest
import torch
from literal_admm import options
from literal_blocks import CLASSES, CONVOLUTIONAL, curve, equal, session, state_of, stop_in

from pipeline.checkpoints import load_checkpoint, save_checkpoint
from pipeline.errors import UserError
from pipeline.methods import block_admm
from pipeline.methods.block_admm import Run
from pipeline.splitting import memory
from pipeline.training.resume import Resume

# Variables.


def test_z_starts_at_the_forward_pass_and_u_small(tmp_path):
    with Resume(tmp_path, "state", seconds=0) as resume:
        run = session(resume=resume)
        kept = {name: values.clone() for name, values in Run(run, options(dual_init=0.02)).kept.items()}
    values, expected = run.images.pixels / 255, []
    for stage in run.network.stages().values():
        values = stage(values)
        expected.append(values)
    assert torch.allclose(kept["z"], torch.cat(expected, dim=1), rtol=0, atol=1e-6)
    assert 0 <= kept["u"].min() < 0.001 and 0.019 < kept["u"].max() <= 0.02 and kept["u"].std() > 0.005


@pytest.mark.parametrize("updates", ["cycle", "mini_batch", "online"])
def test_storage_changes_at_most_the_rounding(tmp_path, updates):
    """A file holds what memory does, to the bit. bfloat16 has 8 bits: all weights together are off by less than 1 % of
    their size after three cycles, Z and U by less than 3 %."""
    found = {}
    for storage in ("float32", "bfloat16", "disk"):
        with Resume(tmp_path, storage, seconds=0) as resume:
            run = session(resume=resume)
            block_admm.fit(run, options(updates=updates, storage=storage))
            found[storage] = {name: values for name, values in state_of(resume).items() if name in ("z", "u")}
            assert {values.dtype for values in found[storage].values()} == {
                torch.bfloat16 if storage == "bfloat16" else torch.float32
            }
            found[storage]["weights"] = torch.cat([weight.detach().flatten() for weight in run.network.parameters()])
    assert equal(found["disk"], found["float32"])
    for name, exact in found["float32"].items():
        error = (found["bfloat16"][name] - exact).norm() / exact.norm()
        assert 0 < error < (0.01 if name == "weights" else 0.03), name


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "variables: 72 numbers for each of 50 images, 0.0 MB as float32 (z, u), of "),
        ({"storage": "disk", "duals": False}, "variables: 36 numbers for each of 50 images, 0.0 MB as disk (z), of "),
        ({"z_optimiser": "adam_persistent", "zeta": 0.01, "storage": "bfloat16"}, "variables: 144 numbers for each "),
    ],
)  # fmt: skip
def test_a_job_says_what_its_variables_take_and_begins_only_with_that_free(capsys, monkeypatch, changes, said):
    Run(session(), options(**changes))
    assert capsys.readouterr().out.startswith(said)
    monkeypatch.setattr(memory, "free_bytes", lambda storage, device: 3599)
    with pytest.raises(UserError, match=r"^methods\.tried: the variables of all images take 0\.0 GB as "):
        Run(session(), options(**changes))


def test_nothing_is_said_of_variables_where_none_are_kept(capsys):
    Run(session(), options(updates="online", duals=False))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("storage", "after"), [("float32", 0), ("float32", 2), ("bfloat16", 3), ("disk", 1)])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"n_theta": 2},
        {"updates": "mini_batch", "z_optimiser": "adam_persistent", "zeta": 0.01},
        {"updates": "online", "inner": 2, "zeta": "auto"},
        {"penalty": "adaptive", "zeta": "auto"},
        {"network": CONVOLUTIONAL, "cuts": ("stage2",)},
    ],
    ids=["cycle", "passes", "mini-batch", "online", "adaptive", "convolutional"],
)
def test_run_goes_on_where_it_was_killed(tmp_path, storage, after, changes):
    settings = options(epochs=4, storage=storage, **changes)
    with Resume(tmp_path, "whole", seconds=0) as resume:
        whole = session(settings.network, resume=resume)
        block_admm.fit(whole, settings)
        kept = state_of(resume)
    with Resume(tmp_path, "killed", seconds=0) as resume:
        killed = session(settings.network, resume=resume)
        stop_in(killed, 2, after)
        with pytest.raises(KeyboardInterrupt):
            block_admm.fit(killed, settings)
        again = session(settings.network, seed=0, resume=resume)
        block_admm.fit(again, settings)
        assert equal(state_of(resume), kept)
    assert equal(again.network.state_dict(), whole.network.state_dict())
    assert again.history() == whole.history()


def test_same_seed_gives_the_same_bytes_and_another_seed_others():
    runs = [session(seed=seed) for seed in (0, 0, 1)]
    for run in runs:
        torch.rand(17)
        block_admm.fit(run, options())
    first, again, other = (run.network.state_dict() for run in runs)
    assert equal(first, again) and not equal(first, other)
    assert runs[0].history() == runs[1].history() != runs[2].history()


def test_weights_are_a_checkpoint_of_their_own(tmp_path):
    """They are views of one vector while training; a checkpoint holds them once each."""
    run = session()
    block_admm.fit(run, options(epochs=1))
    save_checkpoint(tmp_path / "model.safetensors", run.network.state_dict(), {})
    tensors, _ = load_checkpoint(tmp_path / "model.safetensors")
    assert equal(tensors, dict(run.network.state_dict()))


# Records.


def test_history_tells_gaps_and_duals_of_every_block():
    run, settings = session(), options(epochs=2)
    block_admm.fit(run, settings)
    names = {row["metric"] for row in run.history().to_pylist()}
    blocks = range(1, 6)
    expected = {"loss", "accuracy", "residual", *(f"residual_{t}" for t in blocks), *(f"dual_{t}" for t in blocks)}
    assert names == expected
    with torch.no_grad():
        logits = run.network(run.images.floats(slice(None)))
    onehot = torch.eye(CLASSES)[run.images.labels]
    assert curve(run, "loss")[-1] == pytest.approx(((logits - onehot) ** 2).sum(1).mean().item() / 2, rel=1e-5)
    assert curve(run, "accuracy")[-1] == pytest.approx((logits.argmax(1) == run.images.labels).float().mean().item())


def test_recorded_gaps_are_those_of_what_is_kept(tmp_path):
    with Resume(tmp_path, "state", seconds=0) as resume:
        run = session(resume=resume)
        block_admm.fit(run, options())
        kept = state_of(resume)
    blocks = Run(session(), options()).blocks
    z, below, squares = blocks.parts(kept["z"]), run.images.pixels / 255, []
    for t, stage in enumerate(run.network.stages().values()):
        squares.append((z[t] - stage(below)).square().sum().item())
        below = z[t]
        size = z[t].square().sum().item()
        assert curve(run, f"residual_{t + 1}")[-1] == pytest.approx((squares[t] / size) ** 0.5, rel=1e-4)
        assert curve(run, f"dual_{t + 1}")[-1] == pytest.approx(
            blocks.parts(kept["u"])[t].abs().mean().item(), rel=1e-4
        )
    whole = kept["z"].square().sum().item()
    assert curve(run, "residual")[-1] == pytest.approx((sum(squares) / whole) ** 0.5, rel=1e-4)
