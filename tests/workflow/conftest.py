"""Fixtures: copies of the project in which Snakemake really runs."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from project import Run, Verb, copy_project, jobs_of, run_in

from pipeline import verbs
from pipeline.__main__ import main

#: Seconds after which a driver counts as not getting to its first training.
STARTING = 300


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A fresh copy."""
    return copy_project(tmp_path)


@pytest.fixture
def run(project: Path) -> Run:
    return run_in(project)


@pytest.fixture
def verb(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Verb:
    """Runs `python -m pipeline …` in the copy, within this process, which has loaded what a new one must load first."""
    monkeypatch.chdir(project)

    def run(*words: str, code: int = 0) -> str:
        capsys.readouterr()
        verbs._load.cache_clear()  # settings, which a new process reads anew
        assert main(list(words)) == code
        said = capsys.readouterr()
        assert code == 0 or said.err.splitlines()[-1].startswith("clearbox: ")
        return said.out + said.err

    return run


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A copy in which the smoke scale ran to its report, one for all workers of pytest; tests must not change it.

    What Snakemake said is in driver.log.
    """
    own = tmp_path_factory.getbasetemp()
    project = (own if worker_id == "master" else own.parent) / "finished"
    with FileLock(project.with_suffix(".lock")):
        if not project.is_dir():
            project.mkdir()
            copy_project(project)
            done = run_in(project)("snakemake", "--cores", "2", "--verbose", "--configfile", "scales/smoke.yaml")
            (project / "driver.log").write_text(done.stdout + done.stderr)
    return project


@pytest.fixture
def done(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished project with Snakemake's own notes, to be edited."""
    return Path(shutil.copytree(finished, tmp_path / "done", symlinks=True))


@pytest.fixture
def driving(project: Path) -> Iterator[Callable[..., subprocess.Popen]]:
    """Starts `snakemake --cores 1 …` at smoke scale and returns once it is in the middle of a training.

    Overlays are YAML files in the copy; what is still at work at the end of the test is killed.
    """
    drivers = []

    def start(*words: str, overlay: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "snakemake", "--cores", "1", *words]
        with (project / "driver.log").open("w") as log:
            driver = subprocess.Popen(
                [*command, "--configfile", "scales/smoke.yaml", overlay],
                cwd=project, env=os.environ | {"PYTHONPATH": str(project)}, stdout=log, stderr=log, process_group=0,
            )  # fmt: skip
        drivers.append(driver)
        deadline = time.monotonic() + STARTING
        while not (jobs_of(driver) and list(project.glob("artifacts/smoke/state/**/*.pt"))):
            assert driver.poll() is None and time.monotonic() < deadline, (project / "driver.log").read_text()
            time.sleep(0.1)
        return driver

    yield start
    for driver in drivers:
        if driver.poll() is None:
            os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()
