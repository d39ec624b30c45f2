"""A training that is killed at any moment and started again ends in the same bytes as an undisturbed one."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from subprocess import PIPE
from typing import NamedTuple

import pytest
import torch
from project import copy_project, run_in

from pipeline.artifacts import HISTORY, read_table
from pipeline.checkpoints import load_checkpoint

SMOKE = ("--configfile", "scales/smoke.yaml")
TIMEOUT = 180

#: Twelve epochs of four steps. The annotator sees 57 of 64 masks, six of them held out, and keeps the best network.
LONG = """
training: {epochs: 12}
annotators: {annotator: {from: pix2pix, share: 0.9, steps: 48, check_every: 4, patience: 0, size: 16, levels: 2,
                         base_channels: 4, discriminator_channels: [4], batch_size: 4}}
"""


class Training(NamedTuple):
    """One training: its verb with dataset and name, and where its artifacts lie."""

    words: tuple[str, ...]
    folder: str
    state: str


CSG = Training(("train", "digits", "csg", "0"), "models/digits/csg", "state/digits/csg/0")
ANNOTATOR = Training(
    ("train_annotator", "textured_digits", "annotator", "0"),
    "annotators/textured_digits/annotator",
    "state/annotators/textured_digits/annotator/0",
)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """A project whose smoke training, on both paths of CSG, ran in one go."""
    project = copy_project(tmp_path_factory.mktemp("undisturbed"))
    (project / "long.yaml").write_text(LONG)
    (project / "endless.yaml").write_text("training: {epochs: 100000}")
    run_in(project)("pipeline", "prepare", "digits", *SMOKE)
    run_in(project)("pipeline", *CSG.words, *SMOKE, "long.yaml")
    return project


def start(project: Path, *options: str, overlay: str = "long.yaml", training: Training = CSG) -> subprocess.Popen:
    places = ("--model", "again.safetensors", "--history", "again.parquet")
    command = [sys.executable, "-m", "pipeline", *training.words, *places, *SMOKE, overlay, *options]
    environment = os.environ | {"PYTHONPATH": str(project)}
    return subprocess.Popen(command, cwd=project, env=environment, stdout=PIPE, stderr=PIPE, text=True)


def states(project: Path, training: Training = CSG) -> list[Path]:
    return list((project / "artifacts/smoke" / training.state).glob("*.pt"))


def kill_in(project: Path, epoch: int, step: int, training: Training = CSG) -> str:
    """Kill a training, which saves after every step, once its state has reached that epoch and step.

    Returns the line by which the next run says where it goes on: a busy machine may be some steps further.
    """
    running = start(project, "--save-seconds", "0", training=training)
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline and running.poll() is None:
        found = [torch.load(path, weights_only=True) for path in states(project, training)]
        if found and (found[0]["epoch"], found[0]["step"]) >= (epoch, step):
            break
    running.kill()
    running.communicate()
    assert running.returncode == -signal.SIGKILL, "the training ended before it could be killed"
    (state,) = states(project, training)
    reached = torch.load(state, weights_only=True)
    return f"going on in epoch {reached['epoch'] + 1} after {reached['step']} steps"


def assert_same(project: Path, training: Training = CSG) -> None:
    folder = project / "artifacts/smoke" / training.folder
    expected, _ = load_checkpoint(folder / "0.safetensors")
    found, _ = load_checkpoint(project / "again.safetensors")
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        assert torch.equal(tensor, found[name]), name
    assert (folder / "0.history.parquet").read_bytes() == (project / "again.parquet").read_bytes()


def test_killed_inside_epochs_of_both_paths(undisturbed):
    kill_in(undisturbed, 2, 1)
    going_on = kill_in(undisturbed, 4, 3)
    done = start(undisturbed)
    output, _ = done.communicate(timeout=TIMEOUT)
    assert done.returncode == 0 and going_on in output
    assert_same(undisturbed)
    assert states(undisturbed) == []


@pytest.mark.slow
def test_a_killed_annotator(undisturbed):
    run_in(undisturbed)("pipeline", "prepare", "textured_digits", *SMOKE)
    run_in(undisturbed)("pipeline", *ANNOTATOR.words, *SMOKE, "long.yaml")
    kill_in(undisturbed, 1, 1, ANNOTATOR)
    going_on = kill_in(undisturbed, 4, 3, ANNOTATOR)
    done = start(undisturbed, training=ANNOTATOR)
    output, _ = done.communicate(timeout=TIMEOUT)
    assert done.returncode == 0 and going_on in output
    assert_same(undisturbed, ANNOTATOR)
    history = read_table(undisturbed / "again.parquet", HISTORY)
    assert "held_out_l1" in history["metric"].to_pylist(), "the best network so far belongs to the state, too"
    assert states(undisturbed, ANNOTATOR) == []


def test_sigterm_saves_at_once_and_the_next_run_goes_on(undisturbed):
    training = start(undisturbed, "--save-seconds", "3600", overlay="endless.yaml")
    # The first line of progress says that the training is under way.
    while "epoch" not in training.stderr.readline():
        assert training.poll() is None
    training.terminate()
    training.communicate(timeout=TIMEOUT)
    assert training.returncode == 128 + signal.SIGTERM
    (state,) = states(undisturbed)
    reached = torch.load(state, weights_only=True)
    done = start(undisturbed, "--save-seconds", "0", overlay="endless.yaml")
    while "epoch" not in (line := done.stderr.readline()):
        assert done.poll() is None
    done.kill()
    done.communicate()
    assert f"epoch {reached['epoch'] + 1}/" in line
    state.unlink()


def test_a_state_of_other_settings_is_not_picked_up(undisturbed):
    kill_in(undisturbed, 1, 1)
    (undisturbed / "other.yaml").write_text("training: {optimiser: {learning_rate: 0.05}}")
    done = start(undisturbed, overlay="other.yaml")
    output, _ = done.communicate(timeout=TIMEOUT)
    assert done.returncode == 0 and "going on" not in output
    assert states(undisturbed) == [], "success leaves no state, of whatever settings"


def test_a_damaged_state_means_starting_anew(undisturbed):
    kill_in(undisturbed, 1, 1)
    (state,) = states(undisturbed)
    state.write_bytes(state.read_bytes()[:100])
    done = start(undisturbed)
    output, _ = done.communicate(timeout=TIMEOUT)
    assert done.returncode == 0 and "cannot be read" in output
    assert_same(undisturbed)
