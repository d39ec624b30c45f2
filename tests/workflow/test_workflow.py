"""The workflow as its users run it, at smoke scale."""

import html
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from project import ROOT, jobs_in, run_in

from pipeline import driver
from pipeline.report.claims import read_claims
from pipeline.workflow import growing

SMOKE = ("--configfile", "scales/smoke.yaml")
ANNOTATING = {"train_annotator", "annotate"}
HEAVY = ("torch", "torchvision", "sklearn", "matplotlib", "pyarrow", "cv2")


def test_parsing_imports_nothing_heavy(project):
    code = (
        "import importlib.util, sys\n"
        "from snakemake.cli import main\n"
        # The plugin for Slurm, where it is installed, is loaded with Snakemake and brings pandas along.
        "plugin = 'snakemake_executor_plugin_slurm'\n"
        "if importlib.util.find_spec(plugin):\n    importlib.import_module(plugin)\n"
        "before = set(sys.modules)\n"
        "try:\n    main(['-n', '--quiet'])\nexcept SystemExit as stop:\n    assert not stop.code, stop.code\n"
        f"heavy = [name for name in {HEAVY} if name in sys.modules and name not in before]\n"
        "assert 'pipeline.workflow' in sys.modules\n"
        "sys.exit(' '.join(heavy) or 0)"
    )
    environment = os.environ | {"PYTHONPATH": str(project)}
    done = subprocess.run([sys.executable, "-c", code], cwd=project, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-300:]


def test_jobs_ask_for_more_memory_and_time_at_every_attempt():
    assert [growing(4000)(None, attempt) for attempt in (1, 2, 3)] == [4000, 8000, 12000]
    for rules in (ROOT / "rules").glob("*.smk"):
        text = rules.read_text()
        jobs = len(re.findall(r"^    shell:", text, re.MULTILINE))
        for resource in ("mem_mb", "runtime"):
            assert len(re.findall(rf"{resource}=growing\(", text)) == jobs > 0, (rules, resource)


@pytest.mark.parametrize(
    ("target", "rules"),
    [
        ("datasets", {"prepare"}),
        ("models", {"prepare", *ANNOTATING, "train"}),
        ("explanations", {"prepare", *ANNOTATING, "train", "explain"}),
        ("evaluations", {"prepare", *ANNOTATING, "train", "explain", "evaluate"}),
        ("report", {"prepare", *ANNOTATING, "train", "explain", "evaluate", "claims", "figure", "page"}),
        ("csg", {"prepare", "train", "explain", "evaluate", "claims", "figure", "page"}),
        ("reff", {"prepare", *ANNOTATING, "train", "explain", "evaluate", "claims", "figure", "page"}),
        ("all", {"prepare", *ANNOTATING, "train", "explain", "evaluate", "claims", "figure", "page"}),
    ],
)
def test_every_target_plans_its_phase(run, target, rules):
    jobs = jobs_in(run("snakemake", "-n", target, *SMOKE).stdout)
    assert set(jobs) - {target, "total"} == rules


def test_a_base_is_trained_first(run, project):
    (project / "tuned.yaml").write_text("methods: {tuned: {from: csg, base: std}}\nstudies: {csg: {methods: [tuned]}}")
    jobs = jobs_in(run("snakemake", "-n", "csg", *SMOKE, "tuned.yaml").stdout)
    # Two seeds of the method, and of the one it starts from, which the study itself does not name.
    assert jobs["train"] == 4


def test_a_dataset_that_is_only_measured_on_is_prepared(run, project):
    (project / "other.yaml").write_text(
        "evaluations: {elsewhere: {from: accuracy, measured_on: digits_plain}}\n"
        "studies: {csg: {datasets: [digits], evaluations: [elsewhere]}}"
    )
    planned = run("snakemake", "-n", "-p", "evaluations", *SMOKE, "other.yaml").stdout
    command = next(line for line in planned.splitlines() if "evaluate elsewhere" in line)
    assert "--data artifacts/smoke/datasets/digits_plain/test.parquet" in command


def test_finished_run_ends_in_a_report(finished):
    page = (finished / "artifacts/smoke/report/index.html").read_text()
    claims = pd.read_parquet(finished / "artifacts/smoke/report/csg.claims.parquet")
    tables = (finished / "artifacts/smoke/evaluations").glob("*/digits/*/*.parquet")
    measured = pd.concat(map(pd.read_parquet, tables))["metric"]
    wanted = {claim.id: claim.left.metric for claim in read_claims(finished / "studies/csg/claims.yaml")}
    judged = claims[claims["claim"].map(wanted).isin(measured)]
    assert len(judged) > 5 and set(claims.drop(judged.index)["verdict"]) <= {"not run"}
    assert set(judged["verdict"]) <= {"holds", "fails", "not decided"} and (judged["seeds"] == 2).all()
    text = html.unescape(page).replace("\N{NO-BREAK SPACE}", " ")
    assert all(claim in text for claim in claims["statement"])
    # Four figures of csg, one of admm, two of deepfacto, two of reff, and the gallery's contact sheets.
    assert page.count("<svg") == 10 and "pipeline/report/figures/gates_and_weights.py" in page
    assert "models/digits/csg/1" in page, "cost of each job"
    assert "limited to the first 256 train images" in page, "notices"


def test_the_driver_looks_for_jobs_when_one_ended(finished):
    """And not all the time, as Snakemake does by itself while jobs wait."""
    said = (finished / "driver.log").read_text()
    rounds, jobs = said.count("Ready jobs: "), said.count("Finished jobid: ")
    assert jobs > 50 and jobs / 2 < rounds <= jobs + 1


def test_a_limit_of_the_user_on_starts_of_jobs_stays():
    for limiter in (SimpleNamespace(max_jobs=10, timespan=60), None):
        scheduler = SimpleNamespace(job_rate_limiter=limiter)
        driver.rest(scheduler)
        assert scheduler.job_rate_limiter is limiter


def test_page_loads_nothing(finished):
    page = (finished / "artifacts/smoke/report/index.html").read_text()
    page = re.sub(r"xmlns(:\w+)?=\"[^\"]*\"|<metadata>.*?</metadata>", "", page, flags=re.DOTALL)
    references = re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?([^\"')\s>]+)", page)
    assert references and all(item.startswith(("#", "data:")) for item in references), set(references)
    assert "<script" not in page and "@import" not in page and "<link" not in page
    identifiers = re.findall(r"\bid=\"([^\"]+)\"", page)
    assert len(identifiers) == len(set(identifiers))


def test_snakemake_report_has_categories(finished, tmp_path):
    run_in(finished)("snakemake", "--report", str(tmp_path / "report.zip"), *SMOKE)
    with zipfile.ZipFile(tmp_path / "report.zip") as archive:
        names = {Path(name).name for name in archive.namelist()}
        overview = archive.read("report/report.html").decode()
    assert {"index.html", "metrics.svg", "training_curves.svg", "gates_and_weights.svg", "explanations.svg"} <= names
    assert "training_curves" in overview and "Figures" in overview and "self-contained page" in overview


def test_lint_finds_nothing(run):
    assert "in a good condition" in run("snakemake", "--lint").stderr


def test_works_from_an_environment_that_is_not_activated(project):
    environment = {"PATH": "/usr/bin:/bin", "HOME": os.environ.get("HOME", "/"), "PYTHONPATH": str(project)}
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "datasets", *SMOKE]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (project / "artifacts/smoke/datasets/digits/test.parquet").is_file()


def test_stages_run_by_hand_without_snakemake(project, tmp_path_factory):
    fence = tmp_path_factory.mktemp("fence")
    (fence / "snakemake.py").write_text("raise ImportError('snakemake is not installed')")
    environment = os.environ | {"PYTHONPATH": f"{fence}:{project}"}
    stages = (
        "prepare digits",
        "train digits std 0",
        "train digits csg 0",
        "explain digits csg input_gradient 0",
        "evaluate accuracy digits csg 0",
        "evaluate sparsity digits csg 0",
    )
    for stage in stages:
        command = [sys.executable, "-m", "pipeline", *stage.split(), *SMOKE]
        done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert (project / "artifacts/smoke/evaluations/accuracy/digits/csg/0.parquet").is_file()
