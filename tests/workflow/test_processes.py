"""A training on two processes as users start it: by torchrun behind the verb, ended by SIGTERM, refused in one line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from project import copy_project, run_in

from pipeline.checkpoints import load_checkpoint

SMOKE = ("--configfile", "scales/smoke.yaml")
PLACE = ("--model", "two.safetensors", "--history", "two.parquet", "--precision", "fp32")
TIMEOUT = 120
TWO_GPUS = pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    project = copy_project(tmp_path_factory.mktemp("processes"))
    (project / "endless.yaml").write_text("training: {epochs: 100000}\nrun: {processes: 2, threads: 2, device: cpu}")
    run_in(project)("pipeline", "prepare", "digits", *SMOKE)
    return project


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=TWO_GPUS)])
def test_one_writes_what_both_trained(prepared, device):
    run = run_in(prepared)
    run("pipeline", "train", "digits", "std", "0", *SMOKE, "--precision", "fp32", "--device", device)
    machine = ("--device", device, "--processes", "2", "--threads", "3")
    done = run("pipeline", "train", "digits", "std", "0", *SMOKE, *PLACE, *machine)
    assert done.stderr.count("epoch 1/") == done.stdout.count("two.safetensors: digits, std, seed 0") == 1
    one, _ = load_checkpoint(prepared / "artifacts/smoke/models/digits/std/0.safetensors")
    two, header = load_checkpoint(prepared / "two.safetensors")
    assert (header["processes"], header["threads"]) == (2, 1)
    for name, tensor in one.items():
        assert torch.allclose(two[name], tensor, rtol=1e-3, atol=1e-4), name


def test_sigterm_to_torchrun_saves_the_state(prepared):
    command = [sys.executable, "-m", "pipeline", "train", "digits", "csg", "0", *SMOKE, "endless.yaml"]
    environment = os.environ | {"PYTHONPATH": str(prepared)}
    training = subprocess.Popen(command, cwd=prepared, env=environment, stderr=subprocess.PIPE, text=True)
    while "epoch 1/" not in training.stderr.readline():
        assert training.poll() is None
    training.terminate()
    training.communicate(timeout=TIMEOUT)
    assert training.returncode != 0
    (state,) = prepared.glob("artifacts/smoke/state/digits/csg/0/[!.]*.pt")
    assert torch.load(state, weights_only=True)["epoch"] >= 1


def test_what_cannot_be_divided_is_refused_in_one_line(prepared):
    odd = run_in(prepared)("pipeline", "train", "digits", "csg", "0", *SMOKE, "--processes", "3", code=2)
    assert odd.stderr.startswith("clearbox: methods.csg.batch_size: 64 images cannot be divided") and odd.stdout == ""
    assert odd.stderr.count("\n") == 1


def test_the_rule_asks_for_the_processes_and_a_core_for_each(prepared):
    target = "artifacts/smoke/models/digits/std/1.safetensors"
    planned = ("-n", "-p", "--cores", "8", *SMOKE, "--config", "run={processes: 2}", "--", target)
    shown = run_in(prepared)("snakemake", *planned)
    assert "--threads 2 --processes 2 " in shown.stdout + shown.stderr
