"""What is measured over one setting in which datasets, annotators or methods of the study differ and in no other: mean
over seeds, with their range. Over the share of human masks, 100 % is training with all of them and no annotator. What
was measured at one value alone is left out."""

import re
from collections.abc import Iterator
from numbers import Real
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.metrics.catalogue import about
from pipeline.report.panels import curve, families, in_parts, in_words, line_of, with_legends
from pipeline.report.results import Results
from pipeline.study import Study

METRICS = ("accuracy", "energy_inside", "iou_half_maximum")


class Sweep(NamedTuple):
    """Places on the horizontal axis of a line of panels."""

    title: str
    setting: str
    logarithmic: bool
    places: dict[tuple[str, str], float]
    """(dataset, method) -> value of the setting."""
    lines: dict[str, list[str]]
    """First method of each curve -> all methods on it."""


def draw(results: Results) -> Figure:
    rows = results.overall[results.overall["metric"].isin(METRICS)]
    rows = rows.assign(value=100 * rows["value"])
    found = [(sweep, _panels(sweep, rows)) for sweep in all_sweeps(results.study)]
    found = [(sweep, panels) for sweep, panels in found if panels]
    if not found:
        return in_words("no instances of this study differ in one setting alone")
    grid, lines = in_parts([len(panels) for _, panels in found])
    for (part, row), (sweep, panels) in zip(lines, found, strict=True):
        for axes, ((metric, of), curves) in zip(row, panels.items(), strict=True):
            for first, values in curves.items():
                curve(axes, values, first, marker=".", **line_of(results.study, first))
            if sweep.logarithmic:
                _ticks(axes, sorted(set(sweep.places.values())))
            label = f"{about(metric).symbol}, %"
            axes.set(title=of.replace("_", " "), xlabel=sweep.setting.replace("_", " "), ylabel=label)
        part.suptitle(sweep.title, x=0, ha="left", fontsize="medium")
    return with_legends(grid, lines)


def all_sweeps(study: Study) -> Iterator[Sweep]:
    """Settings of datasets first, then the share of human masks, then the weights of penalties."""
    yield from _over_datasets(study)
    blocks = study.slice["methods"]
    shares = {name: block["share"] for name, block in study.slice["annotators"].items()}
    known = {name: 100 * shares.get(block.get("annotator"), 1) for name, block in blocks.items()}
    masks = {name: block | {"annotator": known[name]} for name, block in blocks.items() if "annotator" in block}
    yield from _over_methods(study, masks, "annotator", "share of human masks, %")
    yield from _over_methods(study, blocks, "weight", "weight of the penalty")


def _over_datasets(study: Study) -> Iterator[Sweep]:
    blocks = study.slice["datasets"]
    numbers = {
        key for block in blocks.values() for key, value in block.items()
        if isinstance(value, Real) and not isinstance(value, bool)
    }  # fmt: skip
    for key in sorted(numbers):
        for family in families(blocks, key):
            if len(family) > 1:
                places = {(name, method): value for value, name in family for method in study.methods_on(name)}
                methods = {method: [method] for _, method in places}
                # Instances of a grid carry the value in their names.
                title = re.sub(rf"_{key}[^_]*", "", family[0][1])
                yield Sweep(title.replace("_", " "), key, False, places, methods)


def _over_methods(study: Study, blocks: dict[str, dict], key: str, label: str) -> Iterator[Sweep]:
    """A sweep a dataset."""
    found = [family for family in families(blocks, key) if len(family) > 1]
    for dataset in study.datasets:
        trained = set(study.methods_on(dataset))
        on = [[(value, method) for value, method in family if method in trained] for family in found]
        on = [family for family in on if len(family) > 1]
        if on:
            places = {(dataset, method): value for family in on for value, method in family}
            lines = {family[-1][1]: [method for _, method in family] for family in on}
            yield Sweep(dataset.replace("_", " "), label, True, places, lines)


def _panels(sweep: Sweep, rows: pd.DataFrame) -> dict[tuple[str, str], dict[str, pd.Series]]:
    """For each metric, and what it is of, the curves: first method -> values by place, of two places at least."""
    places = [sweep.places.get(run) for run in zip(rows["dataset"], rows["method"], strict=True)]
    rows = rows.assign(place=places).dropna(subset="place")
    panels = {}
    for column, part in sorted(rows.groupby(["metric", "of"]), key=lambda group: METRICS.index(group[0][0])):
        chosen = {first: part[part["method"].isin(methods)] for first, methods in sweep.lines.items()}
        curves = {first: of.set_index("place")["value"] for first, of in chosen.items() if of["place"].nunique() > 1}
        if curves:
            panels[column] = curves
    return panels


def _ticks(axes: Axes, places: list[float]) -> None:
    """A logarithmic axis with a tick at each of the places, if these are positive."""
    if places[0] > 0:
        axes.set_xscale("log")
        axes.set_xticks(places, [f"{place:g}" for place in places], fontsize="small")
        axes.minorticks_off()
