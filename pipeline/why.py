"""What Snakemake would run now, because of what, and for how long.

Asks Snakemake itself for the jobs (a dry run that prints their commands), so the two cannot disagree. The command that
made an output is on record; what differs between it and the new one is the reason: settings, and by way of the code's
fingerprint the functions. A job that differs in nothing follows from another one before it.
"""

import argparse
import io
import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from pipeline import layout, provenance, settings
from pipeline.errors import UserError
from pipeline.fingerprint import parts_of

#: How a dry run shows the command of a job.
COMMAND = "Shell command: python -m pipeline "
Reader = Callable[[list[str]], argparse.Namespace]

#: Where in params.yaml the settings of a verb's job stand.
PLACES = {"prepare": "datasets.{dataset}", "train_annotator": "annotators.{annotator}",
          "annotate": "annotators.{annotator}", "train": "methods.{method}", "explain": "explainers.{explainer}",
          "evaluate": "evaluations.{evaluation}"}  # fmt: skip

#: Verbs along the way of the data.
ORDER = ("prepare", "train_annotator", "annotate", "train", "explain", "evaluate", "claims", "figure", "report")


@dataclass
class Job:
    args: argparse.Namespace
    output: str
    reasons: tuple[str, ...] = field(default=())

    @property
    def verb(self) -> str:
        return self.args.verb.__name__

    @property
    def names(self) -> str:
        """What the job is about, without its seed."""
        known = ("study", "figure", "page", "evaluation", "dataset", "annotator", "method", "explainer")
        return " ".join(getattr(self.args, name) for name in known if hasattr(self.args, name))


def run(target: str | None, configfiles: list[str], read_command: Reader) -> None:
    """Print the jobs in groups of one reason; `read_command` parses the words of a command of this package."""
    root = settings.load("params.yaml", *configfiles).run.root
    jobs = [read_job(command, root, read_command) for command in planned(target, configfiles)]
    if not jobs:
        print("Nothing would run: everything is there, made by these settings and this code.")
        return
    costs = provenance.costs(root)
    for job in jobs:
        job.reasons = tuple(reasons(job, read_command))
    jobs.sort(key=lambda job: (not job.reasons, ORDER.index(job.verb), job.names, job.reasons))
    for (_, _, because), group in groupby(jobs, key=lambda job: (job.verb, job.names, job.reasons)):
        print(headline(list(group), root, costs))
        for reason in because or ("follows from what runs before it",):
            print(f"    {reason}")
    times = [expected(job, root, costs) for job in jobs]
    total = sum(seconds for seconds in times if seconds is not None)
    unknown = sum(seconds is None for seconds in times)
    print(f"{len(jobs)} jobs, about {total:.0f} s in sum" + (f"; {unknown} of them without a record" * bool(unknown)))


def headline(jobs: list[Job], root: str, costs: dict[str, dict[str, float]]) -> str:
    """Jobs that differ in their seed alone: what they are, and how long each took last time."""
    text = f"{jobs[0].verb} {jobs[0].names}"
    seeds = sorted(int(job.args.seed) for job in jobs if hasattr(job.args, "seed"))
    if seeds:
        text += f", seed{'s' * (len(seeds) > 1)} {' '.join(map(str, seeds))}"
    known = [seconds for job in jobs if (seconds := expected(job, root, costs)) is not None]
    if known:
        text += f", about {sum(known) / len(known):.0f} s{' each' * (len(jobs) > 1)}"
    return text


def planned(target: str | None, configfiles: list[str]) -> list[str]:
    """Commands of the jobs that `snakemake -n` plans."""
    words = [sys.executable, "-m", "snakemake", "--dry-run", "--printshellcmds", *filter(None, [target])]
    done = subprocess.run(
        words + (["--configfile", *configfiles] if configfiles else []), capture_output=True, text=True
    )
    # Snakemake writes its errors last, some to standard output and some to standard error.
    lines = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
    if done.returncode:
        raise UserError(f"snakemake -n failed: {lines[-1].removeprefix('clearbox: ')}")
    return [line.partition(": ")[2] for line in dict.fromkeys(lines) if line.startswith(COMMAND)]


def read_job(command: str, root: str, read_command: Reader) -> Job:
    words = shlex.split(command.partition(" > ")[0])[3:]
    args = read_command(words)
    match args.verb.__name__:
        case "train" | "train_annotator":
            output = args.model
        case "claims":
            output = layout.claims(root, args.study)
        case "figure":
            output = layout.figure(root, args.study, args.figure)
        case "report":
            output = layout.page(root, args.page)
        case _:
            output = args.output[0] if isinstance(args.output, list) else args.output
    return Job(args, output)


def reasons(job: Job, read_command: Reader) -> list[str]:
    """What is different from when the job's output was made, in words; empty if the job only follows from others."""
    if not Path(job.output).exists():
        return [f"{job.output} is not there"]
    command = provenance.command(job.output)
    if command is None:
        return [f"there is no record of how {job.output} was made"]
    try:
        with redirect_stderr(io.StringIO()):
            old = read_job(command, "", read_command).args
    except SystemExit:
        return ["it was made by another version of the command line"]
    place = PLACES.get(job.verb, "").format(**vars(job.args))
    found = [
        f"{'.'.join(filter(None, [place, key]))}: {before} -> {after}"
        for key, before, after in differences(json.loads(old.settings), json.loads(job.args.settings))
    ]
    for name in ("precision", "raw_dir"):
        if getattr(old, name, None) != getattr(job.args, name, None):
            found.append(f"run.{name}: {getattr(old, name)} -> {getattr(job.args, name)}")
    return found + (code_changes(old.code) if old.code != job.args.code else [])


def differences(old: Any, new: Any, place: str = "") -> list[tuple[str, Any, Any]]:
    """(key, old, new) for every leaf in which two nests of blocks differ."""
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        old, new = dict(enumerate(old)), dict(enumerate(new))
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return [] if old == new else [(place, json.dumps(old), json.dumps(new))]
    found = []
    for key in dict.fromkeys([*old, *new]):
        found += differences(old.get(key, "absent"), new.get(key, "absent"), f"{place}.{key}".lstrip("."))
    return found


def code_changes(digest: str) -> list[str]:
    """Functions and files that are no longer what they were when code with that fingerprint ran."""
    then = provenance.parts(digest)
    if then is None:
        return ["the code changed"]
    found = []
    for path, pieces in then.items():
        now = parts_of(path)
        names = [name for name in dict.fromkeys([*pieces, *now]) if pieces.get(name) != now.get(name)]
        if not now:
            found.append(f"{path} is gone")
        elif names:
            found.append(f"{path}: " + ", ".join(f"{name}()" if name else "its top level" for name in names))
    return found or ["the code changed"]


def expected(job: Job, root: str, costs: dict[str, dict[str, float]]) -> float | None:
    """Seconds that the job took last time, else the mean of its phase, else None."""
    name = provenance.job_of(job.output, root)
    if name in costs:
        return costs[name]["seconds"]
    phase = [cost["seconds"] for other, cost in costs.items() if other.split("/")[0] == name.split("/")[0]]
    return sum(phase) / len(phase) if phase else None

