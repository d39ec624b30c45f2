"""The project as its users have it: a copy of the tracked files in which Snakemake really runs."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("Snakefile", "params.yaml", "dvc.yaml", "pipeline", "rules", "scales", "profiles", "studies", "envs", "docs")

Run = Callable[..., subprocess.CompletedProcess]


def copy_project(folder: Path) -> Path:
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / part)
    return folder


def run_in(project: Path) -> Run:
    """Runs `snakemake …` or `python -m pipeline …` in the copy, under the interpreter of the tests."""
    environment = os.environ | {"PYTHONPATH": str(project), "PYTHONWARNINGS": "ignore"}

    def run(*words: str, code: int | None = 0) -> subprocess.CompletedProcess:
        module = {"snakemake": ["snakemake"], "pipeline": ["pipeline"]}[words[0]]
        done = subprocess.run(
            [sys.executable, "-m", *module, *words[1:]], cwd=project, env=environment, capture_output=True, text=True
        )
        assert code is None or done.returncode == code, done.stdout + done.stderr
        return done

    return run


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A fresh copy."""
    return copy_project(tmp_path)


@pytest.fixture
def run(project: Path) -> Run:
    return run_in(project)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which the smoke scale ran to its report; tests must not change it."""
    project = copy_project(tmp_path_factory.mktemp("finished"))
    run_in(project)("snakemake", "--cores", "2", "--configfile", "scales/smoke.yaml")
    return project
