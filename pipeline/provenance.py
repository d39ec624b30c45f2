"""What is on record about past jobs: Snakemake's own notes, the code they ran, what they cost. Imports nothing heavy.

Snakemake keeps one JSON file an output in .snakemake/metadata; beside it, in .snakemake/code, jobs leave what their
fingerprint is made of, so that a changed fingerprint can be explained by the functions that changed.
"""

import base64
import csv
import json
from pathlib import Path

from pipeline.errors import UserError
from pipeline.files import file_digest, replacing
from pipeline.fingerprint import Code

SNAKEMAKE = Path(".snakemake")


def remember(code: Code) -> None:
    """Note the parts of a job's code under its fingerprint; does nothing where Snakemake never ran."""
    path = SNAKEMAKE / "code" / f"{code.digest}.json"
    if SNAKEMAKE.is_dir() and not path.exists():
        with replacing(path) as part:
            part.write_text(json.dumps(code.parts()))


def parts(digest: str) -> dict[str, dict[str, str]] | None:
    """The parts of the code with that fingerprint, None if no job noted them."""
    path = SNAKEMAKE / "code" / f"{digest}.json"
    return json.loads(path.read_text()) if path.is_file() else None


def notes_file(output: str) -> Path:
    """Where Snakemake keeps its notes on an output."""
    return SNAKEMAKE / "metadata" / base64.b64encode(output.encode()).decode()


def command(output: str) -> str | None:
    """The command that made `output`, None if Snakemake has no notes on it."""
    path = notes_file(output)
    return json.loads(path.read_text())["shellcmd"] if path.is_file() else None


def pack(root: str) -> dict:
    """Everything on record about the outputs below `root`: their digests, Snakemake's notes, and the code they name."""
    outputs = {}
    for path in sorted(Path(root).rglob("*")):
        notes = notes_file(str(path))
        if path.is_file() and notes.is_file():
            outputs[str(path)] = {"sha256": file_digest(path), "notes": json.loads(notes.read_text())}
    commands = " ".join(record["notes"]["shellcmd"] for record in outputs.values())
    kept = [path for path in sorted((SNAKEMAKE / "code").glob("*.json")) if path.stem in commands]
    code = {path.stem: json.loads(path.read_text()) for path in kept}
    return {"outputs": outputs, "code": code}


def unpack(packed: dict) -> None:
    """Put the notes back; raises `UserError`, and changes nothing, if an output is not the recorded one."""
    for output, record in packed["outputs"].items():
        if not Path(output).is_file():
            raise UserError(f"{output}: is missing; bring the recorded artifacts with `dvc pull`")
        if file_digest(output) != record["sha256"]:
            raise UserError(f"{output}: is not what the commit records; bring that back with `dvc checkout --force`")
    for output, record in packed["outputs"].items():
        with replacing(notes_file(output)) as part:
            part.write_text(json.dumps(record["notes"]))
    for digest, content in packed["code"].items():
        with replacing(SNAKEMAKE / "code" / f"{digest}.json") as part:
            part.write_text(json.dumps(content))


def costs(root: str) -> dict[str, dict[str, float]]:
    """Recorded cost of every job of a scale, dearest first: job -> seconds, CPU seconds and peak memory in MiB."""
    folder = Path(root) / "benchmarks"
    found = {}
    for path in folder.rglob("*.tsv"):
        with path.open() as file:
            row = list(csv.DictReader(file, delimiter="\t"))[-1]
        values = {key: float(row[column]) if row[column] not in ("-", "NA") else 0.0 for key, column in COLUMNS.items()}
        found[str(path.relative_to(folder).with_suffix(""))] = values
    return dict(sorted(found.items(), key=lambda item: -item[1]["seconds"]))


def job_of(output: str, root: str) -> str:
    """Name in `costs` of the job that makes `output`."""
    path = Path(output).relative_to(root)
    return str(path.parent if path.parts[0] == "datasets" else path.with_suffix(""))


COLUMNS = {"seconds": "s", "cpu": "cpu_time", "memory": "max_rss"}
