"""A copy of the project as its users have it, in which git, DVC and Snakemake really run."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("Snakefile", "params.yaml", "dvc.yaml", "pipeline", "rules", "scales", "profiles", "studies", "envs", "docs")

#: What users are told of failures.
PAGE = ROOT / "docs" / "failures.md"

#: Seconds after which a run counts as hanging.
TIMEOUT = 900

Run = Callable[..., subprocess.CompletedProcess]

#: Words of the command line, and the exit code that is expected; all that was said.
Verb = Callable[..., str]


def copy_project(folder: Path) -> Path:
    """Copy what the workflow needs into `folder`."""
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / part)
    return folder


def python(project: Path, *words: str, code: int | None = 0) -> subprocess.CompletedProcess:
    """Runs `python …` in the copy, with its own package, under the interpreter of the tests."""
    environment = os.environ | {"PYTHONPATH": str(project), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, *words], cwd=project, env=environment, capture_output=True, text=True, timeout=TIMEOUT
    )
    assert code is None or done.returncode == code, done.stdout + done.stderr
    return done


def run_in(project: Path) -> Run:
    """Runs `snakemake …` or `python -m pipeline …` in the copy."""
    return partial(python, project, "-m")


#: Dry runs one after another in one process, with a line of its own before each.
PLANNING = """
import json, sys
from snakemake.cli import main

for words in json.loads(sys.argv[1]):
    print("PLAN", flush=True)
    try:
        main(["-n", *words])
    except SystemExit as stop:
        if stop.code:
            raise
"""


def plans(project: Path, *runs: tuple[str, ...]) -> list[str]:
    """What `snakemake -n …` prints for each of these words; what plans have in common is loaded and read once."""
    done = python(project, "-c", PLANNING, json.dumps(runs))
    _, *found = done.stdout.split("PLAN\n")
    assert len(found) == len(runs)
    return found


def jobs_in(text: str) -> dict[str, int]:
    """Jobs by rule from the table that `snakemake -n` prints."""
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", text, re.MULTILINE)}


def jobs_of(driver: subprocess.Popen) -> list[psutil.Process]:
    """The trainings at work under a driver."""
    found = []
    for process in psutil.Process(driver.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if process.cmdline()[1:4] == ["-m", "pipeline", "train"]:
                found.append(process)
    return found


def the_line(said: str) -> str:
    """What was said when input was refused: one line, besides what Snakemake says before it reads the Snakefile, and
    where the run computes.
    """
    preamble = ("Using workflow specific profile", "Config file params.yaml is extended", "no GPU here")
    lines = [line for line in said.splitlines() if not line.startswith(preamble)]
    assert len(lines) == 1 and lines[0].startswith("clearbox: "), lines
    return lines[0]


def told(said: str, line: str) -> None:
    """Require that a line of docs/failures.md was really printed; `…` stands for what differs from run to run."""
    assert line in PAGE.read_text(), f"docs/failures.md does not have: {line}"
    assert re.search(".+".join(map(re.escape, line.split("…"))), said), said


def edit(project: Path, file: str, old: str, new: str) -> None:
    """Replace what stands in a file of the project exactly once."""
    path = project / file
    text = path.read_text()
    assert text.count(old) == 1, f"{file}: {old!r} stands there {text.count(old)} times"
    path.write_text(text.replace(old, new))
