"""Two processes that train one network do what one does, up to rounding."""

import json
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from masked import options, session
from processes import TIMEOUT, wait_for
from together import derivatives, layers, members, result, together, train
from torch import nn

from pipeline import registry
from pipeline.errors import UserError
from pipeline.settings import parse_slice
from pipeline.training.group import ALONE, Group
from pipeline.training.launch import spread

FIXED = {"exclusive": 2}
BLOCKS = {
    "std": {"from": "std"},
    "adam": {"from": "std", "loss": "squared_error", "optimiser": {"from": "adam", "learning_rate": 0.01}},
    "csg": {"from": "csg", "density_bound": 0.3, "period": 2, "csg_min": 1, "lambda2": 0.1},
    "csg_paths": {"from": "csg", "density_bound": 0.3, "period": 2, "csg_min": 1, "csg_path": {"trainable": ["head"]}},
    "csg_joint": {"from": "csg", "fixed_gates": FIXED, "joint_weights": [0.3, 0.7]},
    "reff": {"from": "reff"},
    "reff_running": {"from": "reff", "cam_bn_eval": True, "norm": "l2"},
    "map_error": {"from": "map_error", "masks": "shuffled"},
    "gain": {"from": "gain", "weight": 0.3},
    "rrr": {"from": "rrr"},
    "abn": {"from": "abn"},
    "backgrounds": {"from": "backgrounds"},
}
"""Instances of every method that several processes can train."""


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> Path:
    """What two processes left, each, of all methods."""
    folder = tmp_path_factory.mktemp("two")
    assert together(train, folder, BLOCKS) == [0, 0]
    return folder


@pytest.fixture(scope="module")
def one(tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp("one")
    train(ALONE, folder, BLOCKS)
    return result(folder)


@pytest.mark.parametrize("name", BLOCKS)
def test_weights_and_history_are_those_of_one_process(one, two, name):
    found, expected = result(two)[name], one[name]
    for tensor, value in expected["weights"].items():
        assert torch.allclose(found["weights"][tensor], value, rtol=1e-3, atol=1e-5), tensor
    assert [row[:2] for row in found["history"]] == [row[:2] for row in expected["history"]]
    assert [row[2] for row in found["history"]] == pytest.approx([row[2] for row in expected["history"]], rel=1e-4)


def test_processes_end_alike_and_divide_the_batch(two):
    """Bit for bit: what one of them writes is what all have. Without the sum over processes history would be half."""
    first, second = result(two), result(two, 1)
    for name in BLOCKS:
        assert first[name]["history"] == second[name]["history"]
        for tensor, value in first[name]["weights"].items():
            assert torch.equal(value, second[name]["weights"][tensor])
    batches = {}
    for rank in (0, 1):
        settings = options("backgrounds", masks="given")
        run = session(settings, group=Group())
        run.group = SimpleNamespace(share=Group(rank, 2).share, leads=True)
        for epoch in run.epochs(settings):
            batches[rank, epoch] = [[part.clone() for part in parts] for parts in run.masked_batches("given")]
    whole = session(options("backgrounds"))
    for epoch in whole.epochs(options("backgrounds")):
        for step, parts in enumerate(whole.masked_batches("given")):
            halves = zip(batches[0, epoch][step], batches[1, epoch][step], strict=True)
            assert all(torch.equal(torch.cat(pair), part) for pair, part in zip(halves, parts, strict=True))


def test_layers_have_the_statistics_draws_and_neighbours_of_the_whole_batch(tmp_path):
    """Against torch's own batch normalisation and dropout of one process, with gradients of gradients."""
    maps = 3 + 2 * torch.randn(8, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    assert together(layers, tmp_path, maps) == [0, 0]
    first, second = result(tmp_path), result(tmp_path, 1)
    norm, whole = nn.BatchNorm2d(3), maps.clone().requires_grad_()
    expected = derivatives(norm, whole)
    torch.manual_seed(5)
    expected |= {"dropped": nn.Dropout(0.3)(whole), "previous": whole.roll(1, 0)}
    for name in ("outputs", "slopes", "dropped", "previous"):
        assert torch.allclose(torch.cat([first[name], second[name]]), expected[name], atol=1e-6), name
    expected |= {"running_mean": norm.running_mean, "running_var": norm.running_var}
    for name in ("weight", "bias", "running_mean", "running_var"):
        assert torch.equal(first[name], second[name])
        assert torch.allclose(first[name], expected[name], atol=1e-6), name
    assert first["any"].tolist() == second["any"].tolist() == [True, False, True]


LONG, ENDLESS = ({"csg": BLOCKS["csg"] | {"epochs": epochs}} for epochs in (4, 100_000))


def test_killed_processes_go_on_and_end_in_the_same_bytes(tmp_path):
    """Killed inside an epoch on the gates, behind the third of eight steps."""
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    undisturbed.mkdir()
    killed.mkdir()
    assert together(train, undisturbed, LONG) == [0, 0]
    assert together(train, killed, LONG, 0, 4) == [-signal.SIGKILL] * 2
    assert (state(killed)["epoch"], state(killed)["step"]) == (1, 1)
    assert together(train, killed, LONG) == [0, 0]
    expected, found = result(undisturbed)["csg"], result(killed)["csg"]
    assert found["history"] == expected["history"]
    assert all(torch.equal(found["weights"][name], value) for name, value in expected["weights"].items())


def state(folder: Path) -> dict:
    (path,) = (folder / "state").glob("[!.]*.pt")
    return torch.load(path, weights_only=True)


@pytest.mark.parametrize("told", [0, 1])
def test_sigterm_to_one_process_makes_all_leave_in_one_step(tmp_path, told):
    processes = members(train, tmp_path, ENDLESS, 0.1)
    wait_for(lambda: list((tmp_path / "state").glob("[!.]*.pt")))
    processes[told].terminate()
    for process in processes:
        process.join(TIMEOUT)
    assert [process.exitcode for process in processes] == [128 + signal.SIGTERM] * 2
    assert state(tmp_path)["epoch"] < 100_000 and not (tmp_path / "0.pt").exists()


# Who can be trained so.


@pytest.mark.parametrize("kind", sorted(registry.TABLES["method"]))
def test_methods_that_do_not_step_along_a_mean_over_the_batch_are_refused(kind):
    block = {"from": kind} | ({"algorithm": "nmf"} if kind == "decomposition" else {})
    settings = parse_slice("method", json.dumps(block))
    if kind in {block["from"] for block in BLOCKS.values()}:
        assert settings.shares_batches
    else:
        # Where it is not refused it replaces this process.
        assert not settings.shares_batches
        with pytest.raises(UserError, match=rf"run\.processes: 2 cannot train methods\.mine: from {kind} .* set run"):
            spread(settings, "mine", processes=2, threads=1)
        spread(settings, "mine", processes=1, threads=1)


def test_a_batch_that_cannot_be_divided_is_refused():
    with pytest.raises(UserError, match=r"methods\.mine\.batch_size: 16 images cannot be divided evenly among 3 proc"):
        spread(options("std"), "mine", processes=3, threads=3)


def test_a_process_of_torchrun_starts_no_others(monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "tests")
    monkeypatch.setenv("WORLD_SIZE", "4")
    spread(options("std"), "mine", processes=1, threads=1)
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(UserError, match=r"among 3 processes"):
        spread(options("std"), "mine", processes=1, threads=1)
