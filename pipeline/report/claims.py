"""Verdicts on a paper's claims, from the spread over seeds.

A claim says `left − right RELATION margin`. For each seed the difference is taken between runs that started from the
same weights and saw the same batches. A claim about the mean (`over: mean`) compares the 95 % confidence interval of
the mean difference (Student's t) with the margin: it `holds` if all of the interval agrees with the claim, `fails` if
none of it does, and is `not decided` otherwise and with fewer than two seeds. A claim about every run (`over: every`),
such as a bound, holds if every seed agrees and fails if one does not; its interval is the range over seeds. `not run`
means that the study lacks one of the two sides.

A time that never comes is infinite. One that comes is then sooner by ∞, which decides a claim about the mean if it is
so in every seed; if in some alone there is no interval, and where neither side ever comes no difference.
"""

import json
import math
import operator
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
import pyarrow as pa
import yaml
from pydantic import Field, TypeAdapter, ValidationError

from pipeline import layout
from pipeline.artifacts import CLAIMS, write_table
from pipeline.errors import UserError
from pipeline.files import replacing
from pipeline.report.results import Results, mean_and_interval
from pipeline.settings.base import Section
from pipeline.settings.messages import one_line
from pipeline.study import Study

RELATIONS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}


class Side(Section):
    """A measured quantity: a metric of a method, on all of the data or a `subset`, of an explainer's maps or none.

    `evaluation` is needed only where several of a study's evaluations measure the metric.
    """

    method: str
    metric: str
    subset: str | None = None
    explainer: str | None = None
    evaluation: str | None = None


class Published(Section):
    """A row of published.csv."""

    table: str
    method: str
    metric: str
    model: str | None = None
    """Needed where a table has the number for several models."""


class Claim(Section):
    id: str
    statement: str
    source: str
    left: Side
    relation: Literal[">", ">=", "<", "<="]
    right: Side | float
    margin: float
    over: Literal["mean", "every"] = "mean"
    datasets: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Only on these datasets; null means on all on which the quantity is measured."""
    published: tuple[Published, ...]


def run(*, study: Study, table: str, summary: str, curves: str) -> None:
    """Judge every claim of the study on each of its datasets on which the claim's quantity is measured.

    Writes the verdicts, and what `dvc metrics` and `dvc plots` compare between commits: `summary` and `curves`.
    """
    results = Results(study)
    numbers = read_published(Path(layout.study_file(study.name, "published.csv")))
    rows = [
        judge(claim, results.metrics, dataset)
        | {"study": study.name, "dataset": dataset, "published": published_text(claim, numbers)}
        for claim in read_claims(Path(layout.study_file(study.name, "claims.yaml")))
        for dataset in datasets_of(claim, results.metrics) or claim.datasets or study.datasets
    ]
    write_table(table, pa.Table.from_pylist(rows, schema=CLAIMS), CLAIMS)
    means = results.overall.groupby(["dataset", "method", "metric", "of"])["value"].mean()
    content = {
        "claims": {f"{row['claim']}/{row['dataset']}": row["verdict"] for row in rows},
        "means": {"/".join(filter(None, key)): value if math.isfinite(value) else None for key, value in means.items()},
    }
    with replacing(summary) as part:
        part.write_text(json.dumps(content, indent=1))
    course = results.histories.pivot_table(index=["dataset", "method", "epoch"], columns="metric", values="value")
    with replacing(curves) as part:
        part.write_text(course.reset_index().to_json(orient="records", indent=1))
    for row in rows:
        print(f"{row['verdict']:12} {row['dataset']}: {row['statement']}", flush=True)


def read_claims(path: Path) -> list[Claim]:
    """Claims of a YAML file; raises `UserError` naming the file and the key."""
    try:
        return TypeAdapter(list[Claim]).validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; every study has its claims there") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not readable as YAML ({' '.join(str(error).split())})") from None
    except ValidationError as error:
        raise UserError(one_line(error, list[Claim], str(path))) from None


def read_published(path: Path, *more: str) -> pd.DataFrame:
    """Rows of published.csv, or of a file like it with `more` columns, as text; raises `UserError` naming the file."""
    columns = ["table", "dataset", "model", "method", "metric", "value", "unit", *more]
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False)[columns]
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; every study has its published numbers there") from None
    except (ValueError, KeyError) as error:
        raise UserError(f"{path}: not a table with the columns {', '.join(columns)} ({error})") from None


def datasets_of(claim: Claim, metrics: pd.DataFrame) -> list[str]:
    """Of the claim's datasets those on which some method has the metric of its left side, in the order of `metrics`."""
    measured = metrics[metrics["metric"] == claim.left.metric]["dataset"].unique()
    return [dataset for dataset in measured if claim.datasets is None or dataset in claim.datasets]


def judge(claim: Claim, metrics: pd.DataFrame, dataset: str) -> dict:
    """Verdict on one claim for one dataset, as a row of `CLAIMS`; `metrics` has the columns of `METRICS`."""
    left = by_seed(claim.left, metrics, dataset)
    number = not isinstance(claim.right, Side)
    right = pd.Series(claim.right, left.index) if number else by_seed(claim.right, metrics, dataset)
    sides = pd.concat([left, right], axis=1, keys=["left", "right"]).dropna()
    # NaN where neither side ever comes.
    differences = sides["left"] - sides["right"]
    value, low, high = mean_and_interval(differences)
    if claim.over == "every":
        low, high = differences.min(skipna=False), differences.max(skipna=False)
    return {
        "claim": claim.id,
        "statement": claim.statement,
        "source": claim.source,
        "left": _number(sides["left"].mean()),
        "right": _number(sides["right"].mean()),
        "value": _number(value),
        "low": _number(low),
        "high": _number(high),
        "over": claim.over,
        "relation": claim.relation,
        "margin": claim.margin,
        "seeds": len(differences),
        "verdict": verdict(claim.relation, claim.margin, low, high, claim.over) if len(differences) else "not run",
    }


def verdict(relation: str, margin: float, low: float, high: float, over: str = "mean") -> str:
    """Compare the interval low..high of a difference with the margin; NaN ends decide nothing."""
    if math.isnan(low) or math.isnan(high):
        return "not decided"
    agree = [RELATIONS[relation](end, margin) for end in (low, high)]
    if all(agree):
        return "holds"
    return "fails" if over == "every" or not any(agree) else "not decided"


def by_seed(side: Side, metrics: pd.DataFrame, dataset: str) -> pd.Series:
    """The measured quantity, indexed by seed."""
    chosen = (metrics["dataset"] == dataset) & (metrics["method"] == side.method) & (metrics["metric"] == side.metric)
    for column in ("subset", "explainer"):
        wanted = getattr(side, column)
        chosen &= metrics[column].isna() if wanted is None else metrics[column] == wanted
    if side.evaluation:
        chosen &= metrics["evaluation"] == side.evaluation
    values = metrics[chosen].set_index("seed")["value"]
    if not values.index.is_unique:
        raise UserError(
            f"claims.yaml or comparison.yaml: several evaluations measure {side.metric} of {side.method} on {dataset}, "
            f"namely {', '.join(metrics[chosen]['evaluation'].unique())}; say which with `evaluation`"
        )
    return values


def published_text(claim: Claim, numbers: pd.DataFrame) -> str | None:
    """What the paper printed for the claim, with its table and setting; None where nothing is available."""
    parts = []
    for reference in claim.published:
        wanted = pd.Series(reference.model_dump(exclude_none=True))
        chosen = numbers[wanted.index].eq(wanted).all(axis=1)
        if chosen.sum() != 1:
            raise UserError(f"studies: claim '{claim.id}': {chosen.sum()} rows of published.csv match {reference!r}")
        row = numbers[chosen].iloc[0]
        place = ", ".join(filter(None, row[["table", "dataset", "model"]]))
        parts.append(" ".join(filter(None, [*row[["method", "value", "unit"]], f"({place})"])))
    return "; ".join(parts) or None


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
