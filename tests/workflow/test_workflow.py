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
from project import ROOT, jobs_in, plans, python, run_in

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
    python(project, "-c", code)


def test_jobs_ask_for_more_memory_and_time_at_every_attempt():
    assert [growing(4000)(None, attempt) for attempt in (1, 2, 3)] == [4000, 8000, 12000]
    for rules in (ROOT / "rules").glob("*.smk"):
        text = rules.read_text()
        jobs = len(re.findall(r"^    shell:", text, re.MULTILINE))
        for resource in ("mem_mb", "runtime"):
            assert len(re.findall(rf"{resource}=growing\(", text)) == jobs > 0, (rules, resource)


def test_every_target_plans_its_phase(project):
    pages = {"claims", "figure", "page"}
    expected = {
        "datasets": {"prepare"},
        "models": {"prepare", *ANNOTATING, "train"},
        "explanations": {"prepare", *ANNOTATING, "train", "explain"},
        "evaluations": {"prepare", *ANNOTATING, "train", "explain", "evaluate"},
        "report": {"prepare", *ANNOTATING, "train", "explain", "evaluate", *pages},
        "csg": {"prepare", "train", "explain", "evaluate", *pages},
        "reff": {"prepare", *ANNOTATING, "train", "explain", "evaluate", *pages},
        "all": {"prepare", *ANNOTATING, "train", "explain", "evaluate", *pages},
    }
    found = map(jobs_in, plans(project, *((target, *SMOKE) for target in expected)))
    assert {target: set(jobs) - {target, "total"} for target, jobs in zip(expected, found, strict=True)} == expected


def test_what_no_study_lists_is_made_for_those_that_need_it(project):
    (project / "tuned.yaml").write_text("methods: {tuned: {from: csg, base: std}}\nstudies: {csg: {methods: [tuned]}}")
    (project / "other.yaml").write_text(
        "evaluations: {elsewhere: {from: accuracy, measured_on: digits_plain}}\n"
        "studies: {csg: {datasets: [digits], evaluations: [elsewhere]}}"
    )
    based, measured = plans(project, ("csg", *SMOKE, "tuned.yaml"), ("-p", "evaluations", *SMOKE, "other.yaml"))
    # Two seeds of the method, and of the one it starts from.
    assert jobs_in(based)["train"] == 4
    command = next(line for line in measured.splitlines() if "evaluate elsewhere" in line)
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
    table = "artifacts/smoke/datasets/digits/test.parquet"
    command = [sys.executable, "-m", "snakemake", "--cores", "1", table, *SMOKE]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (project / table).is_file()


def test_stages_run_by_hand_without_snakemake(project):
    stages = (
        "prepare digits",
        "train digits std 0",
        "train digits csg 0",
        "explain digits csg input_gradient 0",
        "evaluate accuracy digits csg 0",
        "evaluate sparsity digits csg 0",
    )
    code = (
        "import sys\n"
        "sys.modules['snakemake'] = None  # an import of it fails\n"
        "from pipeline.__main__ import main\n"
        f"sys.exit(any(main([*stage.split(), *{SMOKE}]) for stage in {stages}))"
    )
    python(project, "-c", code)
    assert (project / "artifacts/smoke/evaluations/accuracy/digits/csg/0.parquet").is_file()
