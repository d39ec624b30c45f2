"""What the paper printed beside what was measured: a table a quantity, a column a source, a row a method.

`studies/<study>/comparison.yaml` says which quantities, and which method instances stand for the paper's methods. The
sources are numbers of the paper (published.csv), numbers that others report of it (second_hand.csv, always marked as
such), the run at hand, and results recorded in git (`pipeline/recorded.py`).
"""

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple

import pandas as pd
import yaml
from pydantic import Field, ValidationError

from pipeline import layout
from pipeline.errors import UserError, unknown
from pipeline.metrics.catalogue import METRICS as CATALOGUE
from pipeline.metrics.catalogue import about
from pipeline.report.circumstances import circumstances, made_with
from pipeline.report.claims import Side, by_seed, read_published
from pipeline.report.numbers import interval
from pipeline.report.results import Results, mean_and_interval
from pipeline.settings.base import Section
from pipeline.settings.messages import one_line
from pipeline.study import Study

#: Columns of recorded metrics, those that tell rows apart first.
RECORDED = ["dataset", "method", "seed", "evaluation", "explainer", "metric", "subset", "value", "n"]


class Quantity(Section):
    """A quantity to lay side by side: what we measure, as in a claim's `Side`, and what the paper's numbers call it."""

    title: str
    metric: str
    subset: str | None = None
    explainer: str | None = None
    evaluation: str | None = None
    published: str | None = None
    """Its `metric` in published.csv and second_hand.csv; null where no number is known to us."""
    models: tuple[str, ...] = ()
    """Only numbers of these `model`s in these files; empty means of all."""
    datasets: tuple[str, ...] = ()
    """Measured on these datasets alone; empty means on all on which it is measured."""
    methods: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """What the paper's method names stand for here, alone of all rows; empty means as elsewhere."""

    def numbers(self, numbers: pd.DataFrame) -> pd.DataFrame:
        """Those of `numbers` in print that belong here."""
        of_models = numbers["model"].isin(self.models) if self.models else True
        return numbers[(numbers["metric"] == self.published) & of_models]

    def of(self, method: str) -> Side:
        """The quantity of one method."""
        return Side(method=method, **self.model_dump(include={"metric", "subset", "explainer", "evaluation"}))


class Table(Section):
    """A table of the paper that has to be read with care."""

    note: str
    methods: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """What its method names stand for, where that is something else than in the other tables."""


class Comparison(Section):
    """The content of comparison.yaml."""

    methods: dict[str, tuple[str, ...]] = Field(min_length=1)
    """The paper's method names, each with the method instances that stand for it; these are the rows."""
    tables: dict[str, Table] = Field(default_factory=dict)
    """Tables of the paper, by their name in published.csv, that have to be read with care."""
    quantities: list[Quantity] = Field(min_length=1)

    def meaning(self, table: str, quantity: Quantity) -> dict[str, tuple[str, ...]]:
        """What method names stand for in a table of the paper."""
        return quantity.methods or self.methods | (self.tables[table].methods if table in self.tables else {})

    def instances(self, quantity: Quantity) -> list[str]:
        """Every method instance that stands for one of the paper's, in the order of the file."""
        everywhere = [self.methods, *(table.methods for table in self.tables.values())]
        named = [quantity.methods] if quantity.methods else everywhere
        return list(dict.fromkeys(name for methods in named for names in methods.values() for name in names))


class Run(NamedTuple):
    """Measured results: rows as `Results.metrics` has them, and how their networks were made, as `made_with`."""

    kind: Literal["this run", "recorded"]
    scale: str
    metrics: pd.DataFrame
    made: dict


class Source(NamedTuple):
    """One source of a quantity's values: `cells` has the text of each method instance that has a value."""

    kind: Literal["paper", "second-hand", "this run", "recorded"]
    label: str
    dataset: str = ""
    detail: str = ""
    note: str = ""
    cells: Mapping[str, str] = MappingProxyType({})

    def cell(self, method: str) -> str:
        """What the page shows of a method."""
        return self.cells.get(method, "not available" if self.kind == "paper" else "–")


def tables(study: Study, results: Results) -> list[dict]:
    """Of each quantity of comparison.yaml what the page shows as text: title, symbol, unit, better, methods, sources.

    Raises `UserError` naming the file that is wrong.
    """
    comparison = read_comparison(Path(layout.study_file(study.name, "comparison.yaml")))
    numbers = read_numbers(study.name, comparison)
    runs = [Run("this run", Path(study.root).name, results.metrics, made_with(results))]
    runs.extend(read_recorded(study.name, scale) for scale in study.recorded_scales())
    return [
        table(quantity, methods, [
            *printed(quantity, comparison, numbers),
            *(source for run in runs for source in measured(quantity, methods, run)),
        ])
        for quantity, methods in ((quantity, comparison.instances(quantity)) for quantity in comparison.quantities)
    ]  # fmt: skip


def table(quantity: Quantity, methods: list[str], sources: list[Source]) -> dict:
    """What the page shows of a quantity; of the methods those of which some source has a value, else all."""
    methods = [name for name in methods if any(name in source.cells for source in sources)] or methods
    entry = about(quantity.metric)
    return {
        "title": quantity.title,
        "symbol": entry.symbol,
        "unit": entry.unit,
        "better": entry.better,
        "methods": methods,
        "sources": [source._asdict() | {"cells": [source.cell(name) for name in methods]} for source in sources],
    }


def read_comparison(path: Path) -> Comparison:
    """The content of a comparison.yaml; raises `UserError` naming the file and the key."""
    try:
        comparison = Comparison.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; write there what to lay beside the paper's numbers") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not readable as YAML ({' '.join(str(error).split())})") from None
    except ValidationError as error:
        raise UserError(one_line(error, Comparison, str(path))) from None
    for quantity in comparison.quantities:
        if quantity.metric not in CATALOGUE:
            raise unknown(str(path), "metric", quantity.metric, CATALOGUE)
    return comparison


# Numbers in print.


def read_numbers(study: str, comparison: Comparison) -> pd.DataFrame:
    """Rows of published.csv and, if it is there, second_hand.csv, as text, with `note`, `source` and `file`.

    `source` is empty for the paper itself. Raises `UserError` if these and comparison.yaml do not fit together.
    """
    published, second_hand, file = (
        layout.study_file(study, name) for name in ("published.csv", "second_hand.csv", "comparison.yaml")
    )
    numbers = read_published(Path(published)).assign(note="", source="", file=published)
    if Path(second_hand).is_file():
        others = read_second_hand(Path(second_hand)).assign(file=second_hand)
        numbers = pd.concat([numbers, others], ignore_index=True)
    for quantity in comparison.quantities:
        if quantity.published and quantity.published not in set(numbers["metric"]):
            raise unknown(file, "published metric", quantity.published, numbers["metric"].unique())
        for model in quantity.models:
            if model not in set(numbers["model"]):
                raise unknown(file, "model of the paper", model, filter(None, numbers["model"].unique()))
        found = quantity.numbers(numbers)
        for table, method in zip(found["table"], found["method"], strict=True):
            meaning = comparison.meaning(table, quantity)
            if method not in meaning:
                raise unknown(f"{file}: methods", "method of the paper", method, meaning)
    for table in comparison.tables:
        if table not in set(numbers["table"]):
            raise unknown(f"{file}: tables", "table of the paper", table, filter(None, numbers["table"].unique()))
    return numbers


def read_second_hand(path: Path) -> pd.DataFrame:
    """Rows of second_hand.csv as text; raises `UserError` naming the file."""
    numbers = read_published(path, "note", "source")
    if (numbers["source"] == "").any():
        raise UserError(f"{path}: a row has no source; say who reports the number")
    return numbers


def printed(quantity: Quantity, comparison: Comparison, numbers: pd.DataFrame) -> list[Source]:
    """One for each table, dataset and model of each source; one of the paper without a value if it has none."""
    found = quantity.numbers(numbers)
    sources = []
    for (source, table, dataset, model), part in found.groupby(["source", "table", "dataset", "model"], sort=False):
        cells: dict[str, str] = {}
        for number in part.itertuples():
            for method in comparison.meaning(table, quantity)[number.method]:
                if method in cells:
                    raise UserError(
                        f"{number.file}: {table or source} has several numbers for {quantity.published} of {method}; "
                        "keep one, or tell their sources apart"
                    )
                cells[method] = in_unit(number.value, number.unit, quantity.metric, number.file)
        kind = "second-hand" if source else "paper"
        care = comparison.tables[table].note if table in comparison.tables else ""
        detail = "; ".join(filter(None, (source, ", ".join(filter(None, (table, dataset, model))))))
        note = "; ".join(filter(None, (*part["note"].unique(), care)))
        sources.append(Source(kind, kind, dataset, detail, note, cells))
    return sources if any(one.kind == "paper" for one in sources) else [Source("paper", "paper"), *sources]


def in_unit(value: str, unit: str, metric: str, file: str) -> str:
    """A printed number in the unit in which people are shown `metric`, with the digits that were printed.

    Raises `UserError` naming `file` for text that is no number and for a unit that is neither the metric's nor, for
    percentages, "percent" or "share".
    """
    wanted = about(metric).unit
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise UserError(f"{file}: '{value}' is not a number; write its digits alone, and the unit beside it") from None
    if unit != wanted and not (wanted == "%" and unit in ("share", "percent")):
        raise UserError(f"{file}: {value} is given in '{unit}', but {metric} in '{wanted}'; convert it there")
    if wanted != "%":
        return value
    return f"{number.scaleb(2):f} %" if unit == "share" else f"{value} %"


# What was measured.


def read_recorded(study: str, scale: str) -> Run:
    """Results recorded in git; raises `UserError` naming the file that is missing or damaged."""
    table, made = (Path(layout.recorded(study, scale, name)) for name in ("metrics.csv", "about.json"))
    remedy = f"record the scale again with `python -m pipeline record {study}`"
    text = dict.fromkeys(("dataset", "method", "evaluation", "explainer", "metric", "subset"), str)
    try:
        metrics = pd.read_csv(table, dtype=text, keep_default_na=False, na_values=[""])[RECORDED]
        return Run("recorded", scale, metrics, json.loads(made.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise UserError(f"{error.filename}: no such file; {remedy}") from None
    except (ValueError, KeyError) as error:
        raise UserError(f"{table.parent}: not recorded results ({error}); {remedy}") from None


def measured(quantity: Quantity, methods: list[str], run: Run) -> list[Source]:
    """One for each of its datasets on which a method has the quantity: the mean over seeds and its interval.

    The run at hand has one without a value if there is none. What was recorded of held-out training images served to
    choose settings and is no number of the test images beside which it would stand.
    """
    label = run.kind + (f": {run.scale}" if run.kind == "recorded" else "")
    sources = []
    for dataset in run.metrics["dataset"].unique():
        if quantity.datasets and dataset not in quantity.datasets:
            continue
        if run.kind == "recorded" and run.made["settings"]["datasets"][dataset].get("hold_out"):
            continue
        values = {method: by_seed(quantity.of(method), run.metrics, dataset).dropna() for method in methods}
        values = {method: of_method for method, of_method in values.items() if len(of_method)}
        if values:
            cells = {name: interval(*mean_and_interval(found), quantity.metric) for name, found in values.items()}
            made = circumstances(run.made, dataset, list(values))
            sources.append(Source(run.kind, label, dataset, made, cells=cells))
    return sources or ([Source(run.kind, label, detail="not measured")] if run.kind == "this run" else [])
