"""Results worth keeping in git: a study's finished artifacts at one scale, as text that a diff shows well.

`studies/<study>/recorded/<scale>/` holds `metrics.csv`, the rows that speak of all of the data and those that the
study's claims and comparison name; `history.csv`, the course of every training; and `about.json`, how the networks were
made. Recorded by hand, since not every run is worth it; the report shows what is recorded beside the run at hand.
Everything comes out of the artifacts and Snakemake's notes on them, so that recording them again changes no byte.
"""

import json
import os
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline import layout, provenance
from pipeline.errors import UserError
from pipeline.report.circumstances import made_with
from pipeline.report.claims import Side, read_claims
from pipeline.report.comparison import RECORDED, read_comparison
from pipeline.report.results import Results
from pipeline.study import Study
from pipeline.why import differences

#: Digits of measured values: more than any of them is known to.
FORMAT = {"index": False, "float_format": "%.6g", "lineterminator": "\n"}


def run(study: Study, configfiles: list[str]) -> None:
    """Write the recorded results of the study at its scale, in place of older ones.

    Raises `UserError` for a study without methods, for a missing artifact, and for networks of other settings.
    """
    if not study.methods:
        raise UserError(f"params.yaml: studies.{study.name}: has no methods, so there are no results to record")
    command = " ".join(["snakemake --cores 2", study.name, *(["--configfile", *configfiles] if configfiles else [])])
    results = Results(study)
    check_finished(study, results, command)
    scale = Path(study.root).name
    about = {"study": study.name, "scale": scale, **finished(study), **made_with(results), "notices": results.notices}
    texts = {
        "metrics.csv": chosen(results.metrics, named_subsets(study.name)).to_csv(**FORMAT),
        "history.csv": results.histories[["dataset", "method", "seed", "epoch", "metric", "value"]].to_csv(**FORMAT),
        "about.json": json.dumps(portable(about), indent=1, ensure_ascii=False) + "\n",
    }
    folder = Path(layout.recorded(study.name, scale, ""))
    replace_folder(folder, texts)
    print(f"{folder}: {len(about['trainings'])} networks recorded; now: git add {folder}", flush=True)


def check_finished(study: Study, results: Results, command: str) -> None:
    """Raise `UserError` with the `command` to run if an artifact is missing or was made by other settings."""
    tables = [layout.dataset(study.root, name, "test") for name in study.datasets]
    needed = [*tables, *study.models(), *study.histories(), *study.evaluations()]
    missing = [path for path in needed if not Path(path).is_file()]
    if missing:
        more = f" (and {len(missing) - 1} more are missing)" if len(missing) > 1 else ""
        raise UserError(f"{missing[0]}: no such file{more}; make it with `{command}`")
    for path, header in zip(study.models(), results.headers, strict=True):
        wanted = {key: value for key, value in study.slice["methods"][header["method"]].items() if key != "datasets"}
        changed = differences(header["settings"], wanted)
        if changed:
            key, old, new = changed[0]
            raise UserError(f"{path}: was trained with another {key} ({old}, now {new}); run `{command}` first")


def named_subsets(study: str) -> set[tuple[str, str]]:
    """(metric, subset) of every part of the data that the study's claims or comparison are about."""
    named: list[Any] = []
    for claim in read_claims(Path(layout.study_file(study, "claims.yaml"))):
        named += [side for side in (claim.left, claim.right) if isinstance(side, Side)]
    comparison = Path(layout.study_file(study, "comparison.yaml"))
    if comparison.is_file():
        named += read_comparison(comparison).quantities
    return {(one.metric, one.subset) for one in named if one.subset}


def chosen(metrics: pd.DataFrame, subsets: set[tuple[str, str]]) -> pd.DataFrame:
    """Rows of `metrics` of all images, be they of another dataset ("images=<name>"), or with one of `subsets`, in an
    order that does not depend on the settings.
    """
    pairs = zip(metrics["metric"], metrics["subset"], strict=True)
    kept = [
        pd.isna(subset) or re.fullmatch(r"images=\S+", subset) is not None or (metric, subset) in subsets
        for metric, subset in pairs
    ]
    return metrics[kept][RECORDED].sort_values(RECORDED[:-2], kind="stable")


def finished(study: Study) -> dict[str, str]:
    """Day in UTC on which the last network was `finished`, by Snakemake's notes; empty where one has no notes."""
    notes = [provenance.notes_file(path) for path in study.models()]
    if not all(path.is_file() for path in notes):
        return {}
    last = max(json.loads(path.read_text())["endtime"] for path in notes)
    return {"finished": datetime.fromtimestamp(last, UTC).date().isoformat()}


def portable(value: Any) -> Any:
    """Plain values with each absolute path cut down to its last name: folders of a machine are nobody else's matter."""
    match value:
        case dict():
            return {key: portable(item) for key, item in value.items()}
        case list() | tuple():
            return [portable(item) for item in value]
        case str() if Path(value).is_absolute():
            return Path(value).name
        case _:
            return value


def replace_folder(folder: Path, texts: dict[str, str]) -> None:
    """Write `texts` by file name beside `folder`, then put them in its place."""
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        part.mkdir(parents=True)
        for name, text in texts.items():
            (part / name).write_text(text, encoding="utf-8")
        if folder.is_dir():
            shutil.rmtree(folder)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
