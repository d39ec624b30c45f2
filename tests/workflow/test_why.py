"""`python -m pipeline why` names what would run and the change behind it, and agrees with `snakemake -n`."""

import re
from pathlib import Path

from project import edit, jobs_in, run_in

SMOKE = ("--configfile", "scales/smoke.yaml")


def why(project: Path, *words: str) -> str:
    """What it says, after checking that Snakemake plans as many jobs."""
    said = run_in(project)("pipeline", "why", *words).stdout
    rules = jobs_in(run_in(project)("snakemake", "-n", *words).stdout)
    planned = sum(count for rule, count in rules.items() if rule not in ("total", "all", "models"))
    counted = re.search(r"^(\d+) jobs", said, re.MULTILINE)
    assert (int(counted[1]) if counted else 0) == planned
    return said


def test_nothing(done):
    assert why(done, *SMOKE).startswith("Nothing would run")


def test_a_setting_is_named_with_its_old_and_new_value(done):
    (done / "more.yaml").write_text("methods: {csg: {lambda2: 0.5, network: {blocks: 2}}}")
    said = why(done, "models", *SMOKE, "more.yaml")
    assert re.match(r"train digits csg, seeds 0 1, about \d+ s each\n", said)
    assert "    methods.csg.lambda2: 0.01 -> 0.5\n" in said and "    methods.csg.network.blocks: 1 -> 2\n" in said
    assert "digits std" not in said


def test_what_follows_says_so(done):
    (done / "more.yaml").write_text("datasets: {digits: {noise: 0.4}}")
    said = why(done, *SMOKE, "more.yaml")
    assert said.startswith("prepare digits, about ") and "    datasets.digits.noise: 0.5 -> 0.4\n" in said
    assert re.search(r"train digits std, seeds 0 1, about \d+ s each\n    follows from what runs before it\n", said)


def test_a_function_is_named(done):
    edit(done, "pipeline/methods/csg.py", "gates.abs().mean()", "gates.mean()")
    said = why(done, "models", *SMOKE)
    assert "    pipeline/methods/csg.py: l1_density()\n" in said and "digits std" not in said


def test_a_changed_style_sheet_is_named(done):
    edit(done, "pipeline/report/page.css", "padding: 0.6rem 1rem", "padding: 0.7rem 1rem")
    said = why(done, *SMOKE)
    assert said.startswith("report index, about") and "page.css: its top level" in said


def test_a_missing_output_is_named(done):
    path = "artifacts/smoke/models/digits/csg/1.safetensors"
    (done / path).unlink()
    said = why(done, "models", *SMOKE)
    assert said.startswith("train digits csg, seed 1, about") and f"    {path} is not there\n" in said


def test_a_wrong_target_is_one_line(done):
    refused = run_in(done)("pipeline", "why", "modles", *SMOKE, code=2)
    assert len(refused.stderr.splitlines()) == 1 and "modles" in refused.stderr


def test_costs_are_read_back(finished):
    said = run_in(finished)("pipeline", "cost", *SMOKE).stdout
    assert re.search(r"^models +10 ", said, re.MULTILINE) and "artifacts/smoke, all" in said
    # One dataset, four models, four tables of maps, fourteen of numbers, four figures, the verdicts.
    assert re.search(r"^study csg +28 ", said, re.MULTILINE)
    nothing = run_in(finished)("pipeline", "cost", "--configfile", "scales/paper.yaml", code=2)
    assert "artifacts/paper/benchmarks: no records" in nothing.stderr
