"""A job that starts long after it was planned keeps to the plan: to its settings, and it refuses other code.

Jobs are started by the command that executors for clusters submit, without a cluster.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from project import edit, run_in

from pipeline.checkpoints import read_header
from pipeline.handed_on import VARIABLE

SMOKE = ("--configfile", "scales/smoke.yaml")
MODEL = "artifacts/smoke/models/digits/csg/0.safetensors"
LOG = "artifacts/smoke/logs/models/digits/csg/0.log"


@pytest.fixture
def pending(done: Path) -> Path:
    """A project with its plan, as its driver handed it on, and one training that was submitted but has not begun."""
    (done / MODEL).unlink()
    return done


def start(project: Path) -> subprocess.CompletedProcess:
    """The submitted job begins."""
    (plan,) = project.glob(".snakemake/plans/*.json")
    environment = os.environ | {"PYTHONPATH": str(project), VARIABLE: str(plan)}
    target = ("--target-jobs", "train:dataset=digits,method=csg,seed=0", "--allowed-rules", "train")
    words = ("--mode", "remote", *target, "--cores", "1", "--force", "--nolock", "--no-hooks", "--ignore-incomplete")
    command = [sys.executable, "-m", "snakemake", *words, *SMOKE]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=300)


def test_code_that_was_edited_in_the_meantime_is_refused_and_nothing_is_lost(pending):
    finished = {path: path.read_bytes() for path in pending.glob("artifacts/smoke/models/**/*.safetensors")}
    edit(pending, "pipeline/methods/csg.py", "gates.abs().mean()", "gates.mean()")
    refused = start(pending)
    assert refused.returncode == 1 and not (pending / MODEL).exists()
    line = (pending / LOG).read_text().splitlines()[-1]
    assert line.startswith("clearbox: the code changed after this job was planned")
    assert line.endswith("run snakemake again")
    assert finished and all(path.read_bytes() == content for path, content in finished.items())
    run_in(pending)("snakemake", "--cores", "1", MODEL, *SMOKE)
    assert (pending / MODEL).is_file()


def test_settings_that_were_edited_in_the_meantime_do_not_count(pending):
    edit(pending, "params.yaml", "lambda2: 1.0e-2", "lambda2: 0.5")
    begun = start(pending)
    assert begun.returncode == 0, begun.stdout + begun.stderr
    assert read_header(pending / MODEL)["settings"]["lambda2"] == 0.01


def test_a_plan_that_is_gone_is_one_line(pending):
    (plan,) = pending.glob(".snakemake/plans/*.json")
    plan.write_text("{")
    refused = start(pending)
    assert refused.returncode == 2 and "clearbox: " in refused.stderr
    assert "the plan of this job cannot be read; run snakemake again" in refused.stderr


def test_an_edit_between_the_start_of_a_job_and_its_imports_is_refused(done):
    """The module is edited at the very moment in which it is imported, which is as late as an edit can be."""
    output = "artifacts/smoke/evaluations/accuracy/digits/csg/0.parquet"
    source = done / "pipeline/evaluations/accuracy.py"
    source.write_text(source.read_text() + '\nwith open(__file__, "a") as late:\n    late.write("LATE = 1\\n")\n')
    refused = run_in(done)("snakemake", "--cores", "1", output, *SMOKE, code=1)
    assert "the code changed after this job was planned" in refused.stdout + refused.stderr
