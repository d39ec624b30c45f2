"""The table in docs/cluster.md: how many jobs all studies have at the size of their papers, and what fills 100 nodes.

    python benchmarks/paper_scale.py

Jobs are counted by dry runs into an empty folder. A round is as many trainings as there are nodes, one a node; those
that stand on another's network or masks are counted in the same way, though they begin after it.
"""

import math
import re
import subprocess
import sys
import tempfile

from pipeline.markdown import table

NODES = 100

#: Study and scale. DeepFacto on LFWA cannot be counted where the weights it starts from are missing (scales/lfwa.yaml).
PLANS = (
    ("csg", "paper"),
    ("csg", "voc"),
    ("csg", "imagenet"),
    ("admm", "admm"),
    ("admm", "admm_deep"),
    ("admm", "admm_fashion"),
    ("deepfacto", "deepfacto"),
    ("reff", "reff_paper"),
)
RULES = ("prepare", "train_annotator", "annotate", "train", "explain", "evaluate")
REPORT = ("claims", "figure", "page")


def main() -> None:
    rows = [row(study, scale) for study, scale in PLANS]
    heads = ["study", "scale", *RULES, "report", "jobs", f"rounds on {NODES} nodes"]
    print(*table(heads, rows), sep="\n")


def row(study: str, scale: str) -> list[str]:
    jobs = planned(study, scale)
    trainings = jobs.get("train", 0) + jobs.get("train_annotator", 0)
    report = sum(jobs.get(rule, 0) for rule in REPORT)
    numbers = [*(jobs.get(rule, 0) for rule in RULES), report]
    return [study, scale, *map(str, [*numbers, sum(numbers), math.ceil(trainings / NODES)])]


def planned(study: str, scale: str) -> dict[str, int]:
    """Jobs by rule of a study of which nothing is there yet."""
    with tempfile.TemporaryDirectory() as folder:
        words = (study, "-n", "--quiet", "rules", "--configfile", f"scales/{scale}.yaml")
        command = [sys.executable, "-m", "snakemake", *words, "--config", f"run={{artifacts_dir: {folder}}}"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", done.stdout + done.stderr, re.MULTILINE)}


if __name__ == "__main__":
    main()
