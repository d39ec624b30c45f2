"""Fixtures: copies of the project in which Snakemake really runs."""

import shutil
from pathlib import Path

import pytest
from filelock import FileLock
from project import Run, copy_project, run_in


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A fresh copy."""
    return copy_project(tmp_path)


@pytest.fixture
def run(project: Path) -> Run:
    return run_in(project)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A copy in which the smoke scale ran to its report, one for all workers of pytest; tests must not change it."""
    own = tmp_path_factory.getbasetemp()
    project = (own if worker_id == "master" else own.parent) / "finished"
    with FileLock(project.with_suffix(".lock")):
        if not project.is_dir():
            project.mkdir()
            copy_project(project)
            run_in(project)("snakemake", "--cores", "2", "--configfile", "scales/smoke.yaml")
    return project


@pytest.fixture
def done(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished project with Snakemake's own notes, to be edited."""
    return Path(shutil.copytree(finished, tmp_path / "done", symlinks=True))
