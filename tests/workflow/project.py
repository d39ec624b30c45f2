"""A copy of the project as its users have it, in which git, DVC and Snakemake really run."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("Snakefile", "params.yaml", "dvc.yaml", "pipeline", "rules", "scales", "profiles", "studies", "envs", "docs")

#: What users are told of failures.
PAGE = ROOT / "docs" / "failures.md"

#: Seconds after which a run counts as hanging.
TIMEOUT = 900

Run = Callable[..., subprocess.CompletedProcess]


def copy_project(folder: Path) -> Path:
    """Copy what the workflow needs into `folder`."""
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / part)
    return folder


def run_in(project: Path) -> Run:
    """Runs `snakemake …` or `python -m pipeline …` in the copy, under the interpreter of the tests."""
    environment = os.environ | {"PYTHONPATH": str(project), "PYTHONWARNINGS": "ignore"}

    def run(*words: str, code: int | None = 0) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", *words]
        done = subprocess.run(
            command, cwd=project, env=environment, capture_output=True, text=True, timeout=TIMEOUT
        )
        assert code is None or done.returncode == code, done.stdout + done.stderr
        return done

    return run


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
