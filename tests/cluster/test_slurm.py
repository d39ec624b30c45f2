"""The cluster profile on a real Slurm: a study to its report, trainings stopped and started again, a node that dies."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from project import copy_project, run_in
from slurm import Slurm

from pipeline.checkpoints import load_checkpoint

pytestmark = pytest.mark.cluster

LONG = ("--configfile", "scales/smoke.yaml", "long.yaml")
STD, CSG = (f"artifacts/smoke/models/digits/{method}/0.safetensors" for method in ("std", "csg"))

# Beside the profile: there is no accounting here, and jobs are short.
OPTIONS = ("--profile", "profiles/slurm", "--slurm-status-command", "squeue",
           "--slurm-init-seconds-before-status-checks", "5", "--latency-wait", "5")  # fmt: skip

#: The batch of all jobs of a report, by the plugin's name for it.
REPORT = "report_claims_figure_page"

#: Seconds within which what is waited for happens even on a busy machine.
TIMEOUT = 900

Submit = Callable[..., subprocess.Popen]


@pytest.fixture
def submit(slurm: Slurm, tmp_path: Path) -> Iterator[Submit]:
    """Starts Snakemake with the cluster profile in a project; its output goes into driver.log there."""
    drivers: list[subprocess.Popen] = []

    def start(*words: str) -> subprocess.Popen:
        environment = slurm.environment | {"PYTHONPATH": str(tmp_path), "PYTHONWARNINGS": "ignore"}
        with (tmp_path / "driver.log").open("a") as log:
            command = [sys.executable, "-m", "snakemake", *OPTIONS, *words]
            drivers.append(subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log))
        return drivers[-1]

    yield start
    for driver in drivers:
        driver.kill()
        driver.wait()
    slurm.ask("scancel", "--user", "root")
    slurm.wait_for(lambda: not slurm.ask("squeue", "-h"), "no job is left", TIMEOUT)


def finish(driver: subprocess.Popen, project: Path) -> str:
    """Wait for a driver that has to succeed; returns all that drivers in this project said."""
    code = driver.wait(TIMEOUT)
    said = (project / "driver.log").read_text()
    assert code == 0, said[-5000:]
    return said


def running(slurm: Slurm, project: Path, method: str) -> str:
    """Wait until the training of a method has saved a state; returns the number of its Slurm job."""
    state = project / f"artifacts/smoke/state/digits/{method}/0"
    slurm.wait_for(lambda: bool(list(state.glob("*.pt"))), f"the training of {method} has saved", TIMEOUT)
    lines = slurm.ask("squeue", "-h", "-t", "running", "-o", "%i %k").splitlines()
    (job,) = (line.split()[0] for line in lines if line.endswith(f"rule_train_wildcards_digits_{method}_0"))
    return job


def assert_undisturbed(project: Path, folder: Path, method: str) -> None:
    """The training ended as one that nobody disturbed, on this machine and without Slurm, does."""
    again = [f"{folder}/again.safetensors", f"{folder}/again.parquet"]
    words = ("train", "digits", method, "0", "--model", again[0], "--history", again[1], *LONG)
    run_in(project)("pipeline", *words, "--save-seconds", "3600")
    expected, found = (load_checkpoint(path)[0] for path in (again[0], project / STD.replace("std", method)))
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        assert tensor.numpy().tobytes() == found[name].numpy().tobytes(), name
    history = project / f"artifacts/smoke/models/digits/{method}/0.history.parquet"
    assert history.read_bytes() == Path(again[1]).read_bytes()


def test_a_study_from_submission_to_report(slurm, submit, tmp_path):
    copy_project(tmp_path)
    study = "studies={csg: {seeds: 1, evaluations: [accuracy], figures: [metrics]}}"
    said = finish(submit("csg", "--configfile", "scales/smoke.yaml", "--config", study, "run={gpu: 1}"), tmp_path)
    assert (tmp_path / "artifacts/smoke/report/csg.html").stat().st_size > 0
    # Ten jobs in five submissions, of which the dataset and the report want no GPU.
    assert said.count("has been submitted with SLURM jobid") == 5
    chosen = set(re.findall(r"Auto-selected partition '(\w+)' for job (\w+)", said))
    assert chosen == {("cpu", "prepare"), ("gpu", "train"), ("gpu", "measure_evaluate_explain"), ("cpu", REPORT)}
    assert "11 of 11 steps (100%) done" in said
    again = finish(submit("-n", "csg", "--configfile", "scales/smoke.yaml", "--config", study), tmp_path)
    assert "Nothing to be done" in again


@pytest.mark.parametrize("command", ["scontrol requeue", "scancel --signal=TERM"])
def test_a_stopped_training_goes_on_to_the_same_bytes(slurm, submit, project, tmp_path_factory, command):
    driver = submit(CSG, *LONG)
    job = running(slurm, project, "csg")
    slurm.ask(*command.split(), job)
    finish(driver, project)
    assert "going on in epoch" in (project / "artifacts/smoke/logs/models/digits/csg/0.log").read_text()
    assert_undisturbed(project, tmp_path_factory.mktemp("undisturbed"), "csg")


def test_a_training_over_its_memory_is_tried_again_with_more(slurm, submit, project):
    finish(submit(STD, *LONG, "--set-resources", "train:mem_mb=attempt * 400"), project)
    killed, *_ = sorted(project.glob(".snakemake/slurm_logs/rule_train/digits_std_0/*.log"))
    assert "exceeded memory limit" in killed.read_text()
    assert (project / STD).is_file()


def test_a_dead_node_costs_no_finished_work(slurm, submit, project, tmp_path_factory):
    finish(submit(STD, *LONG), project)
    finished = {path: path.stat().st_mtime_ns for path in (project / "artifacts").rglob("*.parquet")}
    slurm.ask("scontrol", "update", "nodename=n1", "state=drain", "reason=test")
    driver = submit(STD, CSG, *LONG)
    running(slurm, project, "csg")
    slurm.ask("scontrol", "update", "nodename=n1", "state=resume")
    slurm.kill_node("n2")
    try:
        finish(driver, project)
    finally:
        slurm.start_node("n2")
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
