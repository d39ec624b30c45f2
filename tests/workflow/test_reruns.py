"""What runs again after a change: exactly what the change can affect."""

from pathlib import Path

import pytest
import torch
from project import edit, jobs_in, plans, run_in

from pipeline.checkpoints import load_checkpoint

SMOKE = ("--configfile", "scales/smoke.yaml")
PHASES = ("prepare", "train", "explain", "evaluate")


def planned(project: Path, *options: str) -> dict[str, int]:
    """Jobs that would run, by rule."""
    (plan,) = plans(project, (*SMOKE, *options))
    return jobs_in(plan)


def phases(jobs: dict[str, int]) -> dict[str, int]:
    """Without the jobs of the report, which follow whatever came before them."""
    return {rule: count for rule, count in jobs.items() if rule in PHASES}


def test_a_second_run_does_nothing(done):
    ran = run_in(done)("snakemake", "--cores", "2", *SMOKE)
    assert "Nothing to be done" in ran.stdout + ran.stderr


def test_a_changed_setting_reruns_what_follows_from_it(finished):
    expected = {
        "methods={csg: {lambda2: 0.5}}": {"train": 2, "explain": 2, "evaluate": 8},
        "datasets={digits: {noise: 0.4}}": {"prepare": 1, "train": 4, "explain": 4, "evaluate": 14},
        "evaluations={mutual_information: {neighbours: 4}}": {"evaluate": 4},
        "explainers={input_gradient: {target: prediction}}": {"explain": 4, "evaluate": 4},
        "studies={csg: {seeds: 3}}": {"train": 2, "explain": 2, "evaluate": 7},
        "run={precision: bf16}": {"train": 10, "explain": 6, "evaluate": 23},
    }
    found = map(jobs_in, plans(finished, *((*SMOKE, "--config", setting) for setting in expected)))
    assert {setting: phases(jobs) for setting, jobs in zip(expected, found, strict=True)} == expected


def test_settings_that_change_no_result_rerun_nothing(finished):
    run = "run={threads: 2, save_seconds: 5, device: cpu, processes: 2}"
    assert planned(finished, "--config", run, "methods={unused: {from: std, epochs: 1}}") == {}


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        # A method, an evaluation, an explainer, a metric below an evaluation, training below everything trained.
        ("pipeline/methods/csg.py", "gates.abs().mean()", "gates.mean()", {"train": 2, "explain": 2, "evaluate": 8}),
        ("pipeline/evaluations/accuracy.py", "hits.mean()", "hits.median()", {"evaluate": 6}),
        ("pipeline/metrics/sparsity.py", "2 * ranks - n - 1", "2 * ranks - n", {"evaluate": 4}),
        ("pipeline/explainers/input_gradient.py", "torch.nan", "torch.inf", {"explain": 4, "evaluate": 4}),
        ("pipeline/training/schedule.py", "nesterov=nesterov", "nesterov=False",
         {"train": 10, "explain": 6, "evaluate": 23}),
        ("pipeline/datasets/digits.py", "NOISE_SEED = 1", "NOISE_SEED = 2",
         {"prepare": 2, "train": 6, "explain": 4, "evaluate": 16}),
    ],
)  # fmt: skip
def test_edited_code_reruns_what_runs_it(done, file, old, new, expected):
    edit(done, file, old, new)
    assert phases(planned(done)) == expected


def test_edits_without_effect_and_modification_times_rerun_nothing(done):
    for file, old, new in (
        ("pipeline/methods/csg.py", "    network = session.network\n", "    # Why.\n\n    network = session.network\n"),
        ("pipeline/methods/csg.py", '(appendix A)."""', '(appendix A), said anew."""'),
        ("pipeline/methods/csg.py", "rows = gates[labels]\n", "rows = (gates[labels])\n"),
        ("pipeline/registry.py", '        "csg": "pipeline.methods.csg:fit",\n',
         '        "csg": "pipeline.methods.csg:fit",\n        "more": "pipeline.methods.std:fit",\n'),
        ("pipeline/settings/run.py", "threads: PositiveInt = 1", "threads: PositiveInt = 2"),
        ("studies/csg/README.md", "# CSG", "# The CSG"),
    ):  # fmt: skip
        edit(done, file, old, new)
    for path in (done / "artifacts").rglob("*"):
        path.touch()
    assert planned(done) == {}


def test_an_edited_claim_judges_again_and_trains_nothing(done):
    edit(done, "studies/csg/claims.yaml", "margin: -0.04", "margin: -0.05")
    jobs = planned(done)
    assert jobs["claims"] == 1 and jobs["page"] == 1 and not phases(jobs) and "figure" not in jobs


@pytest.mark.slow
def test_the_number_of_cores_changes_no_result(finished, project):
    # A study with every kind of job.
    run_in(project)("snakemake", "--cores", "4", "reff", *SMOKE)
    tables = [path.relative_to(project) for path in project.glob("artifacts/smoke/**/*.parquet")]
    # Datasets, histories of networks and of the annotator, its masks and their quality, maps, numbers, verdicts.
    assert len(tables) == 2 + 2 + 1 + 2 + 2 + 5 + 1
    for table in tables:
        assert (project / table).read_bytes() == (finished / table).read_bytes(), table
    for path in project.glob("artifacts/smoke/models/**/*.safetensors"):
        ours, theirs = (load_checkpoint(place)[0] for place in (path, finished / path.relative_to(project)))
        assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
