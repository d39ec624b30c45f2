"""Fixtures: copies of the project in which Snakemake really runs."""

import shutil
from pathlib import Path

import pytest
from project import Run, copy_project, run_in


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


@pytest.fixture
def done(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished project with Snakemake's own notes, to be edited."""
    return Path(shutil.copytree(finished, tmp_path / "done", symlinks=True))
