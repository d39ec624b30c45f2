"""What is measured over one setting in which datasets, annotators or methods of the study differ and in no other: mean
over seeds, with their range. Over the share of human masks, 100 % is training with all of them and no annotator."""

from collections.abc import Iterator
from numbers import Real
from typing import NamedTuple

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.metrics.catalogue import about
from pipeline.report.panels import WIDTH, curve, families, in_words, line_of
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
    measured = rows.drop_duplicates(["metric", "of"])[["metric", "of"]].itertuples(index=False, name=None)
    columns = sorted(measured, key=lambda column: METRICS.index(column[0]))
    sweeps = [sweep for sweep in all_sweeps(results.study) if columns]
    if not sweeps:
        return in_words("no instances of this study differ in one setting alone")
    size = (WIDTH, 2.6 * len(sweeps))
    figure, grid = plt.subplots(len(sweeps), len(columns), figsize=size, squeeze=False)
    for line, sweep in zip(grid, sweeps, strict=True):
        for axes, (metric, of) in zip(line, columns, strict=True):
            _curves(axes, results.study, sweep, rows[(rows["metric"] == metric) & (rows["of"] == of)])
            axes.set(xlabel=sweep.setting.replace("_", " "), ylabel=f"{about(metric).symbol}, %")
        line[0].set_title(sweep.title, loc="left")
        line[0].legend(fontsize="small")
    return figure


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
                yield Sweep(family[0][1].replace("_", " "), key, False, places, methods)


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


def _curves(axes: Axes, study: Study, sweep: Sweep, rows: pd.DataFrame) -> None:
    places = [sweep.places.get(run) for run in zip(rows["dataset"], rows["method"], strict=True)]
    rows = rows.assign(place=places).dropna(subset="place")
    for first, methods in sweep.lines.items():
        chosen = rows[rows["method"].isin(methods)]
        if len(chosen):
            style = line_of(study, first)
            curve(axes, chosen.set_index("place")["value"], first, style.pop("color"), marker=".", **style)
    if sweep.logarithmic and min(sweep.places.values()) > 0:
        axes.set_xscale("log")
        ticks = sorted(set(sweep.places.values()))
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
