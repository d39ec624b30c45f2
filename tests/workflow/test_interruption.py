"""After an interrupted driver the next plain run goes on, and a driver that is at work is not disturbed."""

import os
import signal
from pathlib import Path

import pytest
from project import told

SMOKE = ("--configfile", "scales/smoke.yaml", "endless.yaml")


@pytest.fixture
def busy(project: Path, driving):
    """A project with a driver in the middle of a training that would take for ever."""
    (project / "endless.yaml").write_text("training: {epochs: 100000}\nrun: {save_seconds: 0}")
    return project, driving("models", overlay="endless.yaml")


@pytest.mark.slow
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
    told(refused.stdout + refused.stderr, "Error: Directory cannot be locked.")
    assert sorted((project / ".snakemake/locks").iterdir()) == before and driver.poll() is None
