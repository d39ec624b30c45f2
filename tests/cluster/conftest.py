"""Fixtures: a real Slurm, and projects in which Snakemake submits to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from project import copy_project, run_in
from slurm import Slurm, missing

SMOKE = ("--configfile", "scales/smoke.yaml")


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """Two nodes, up for as long as the tests; these are skipped where Slurm cannot be started."""
    pytest.importorskip("snakemake_executor_plugin_slurm", reason="pip install -c constraints.txt -e '.[cluster]'")
    if lacking := missing():
        pytest.skip(lacking)
    cluster = Slurm(tmp_path_factory.mktemp("slurm"))
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project with the data of its smoke scale; its training of CSG takes long enough to be disturbed."""
    copy_project(tmp_path)
    (tmp_path / "long.yaml").write_text("methods: {csg: {epochs: 300}}\nrun: {save_seconds: 1}")
    run_in(tmp_path)("snakemake", "--cores", "1", "artifacts/smoke/datasets/digits/train.parquet", *SMOKE)
    return tmp_path
