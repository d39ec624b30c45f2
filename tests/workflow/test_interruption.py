"""After an interrupted driver the next plain run goes on, and a driver that is at work is not disturbed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SMOKE = ("--configfile", "scales/smoke.yaml", "endless.yaml")
TIMEOUT = 120


@pytest.fixture
def busy(project: Path):
    """A project with a driver in the middle of a training that would take for ever."""
    (project / "endless.yaml").write_text("training: {epochs: 100000}\nrun: {save_seconds: 0}")
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "models", *SMOKE]
    environment = os.environ | {"PYTHONPATH": str(project)}
    driver = subprocess.Popen(
        command, cwd=project, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=0
    )
    deadline = time.monotonic() + TIMEOUT
    while not list(project.glob("artifacts/smoke/state/**/*.pt")):
        assert driver.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    yield project, driver
    if driver.poll() is None:
        os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()


def test_a_killed_driver_leaves_no_wall(busy, run):
    project, driver = busy
    assert list((project / ".snakemake/locks").iterdir())
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    # Six epochs from the start is what the next run does with other settings: nothing is locked, nothing incomplete.
    run("snakemake", "--cores", "1", "models", "--configfile", "scales/smoke.yaml")
    assert len(list(project.glob("artifacts/smoke/models/digits/*/*.safetensors"))) == 4


def test_a_driver_at_work_is_not_disturbed(busy, run):
    project, driver = busy
    before = sorted((project / ".snakemake/locks").iterdir())
    refused = run("snakemake", "--cores", "1", "models", *SMOKE, code=1)
    assert "cannot be locked" in refused.stdout + refused.stderr
    assert sorted((project / ".snakemake/locks").iterdir()) == before and driver.poll() is None
