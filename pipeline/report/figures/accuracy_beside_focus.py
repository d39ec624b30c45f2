"""Accuracy beside the part of a map's positive values that lies inside the object: each seed as a dot, the mean over
seeds larger. Methods that differ in the weight of their penalty alone are joined in its order, and their weights stand
beside them. The dotted line is where a map is that knows nothing of the object. Maps may be right and the accuracy is
not: a penalty can be met by maps alone."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.report.panels import WIDTH, entries, families, in_words, line_of
from pipeline.report.results import Results

RUN = ["dataset", "method", "seed"]


def draw(results: Results) -> Figure:
    rows = results.overall[results.overall["metric"].isin(["energy_inside", "accuracy", "mask_area"])]
    rows = rows.assign(value=100 * rows["value"])
    maps = rows[rows["metric"] == "energy_inside"]
    found = maps.merge(rows[rows["metric"] == "accuracy"], on=RUN, suffixes=("", "_right"))
    parts = list(found.groupby(["dataset", "of"], sort=False))
    if not parts:
        return in_words("no evaluation of this study compares maps with objects")
    columns = min(2, len(parts))
    lines = -(-len(parts) // columns)
    figure, grid = plt.subplots(lines, columns, figsize=(WIDTH / 2 * columns, 3.6 * lines), squeeze=False)
    for axes in grid.flat[len(parts) :]:
        axes.remove()
    blind = rows[rows["metric"] == "mask_area"].groupby("dataset")["value"].mean()
    for axes, ((dataset, of), part) in zip(grid.flat, parts, strict=False):
        axes.axvline(blind[dataset], color="grey", linestyle=":")
        _marks(axes, results, part)
        title = f"{dataset}: {of}".replace("_", " ")
        axes.set(title=title, xlabel="inside the object, %", ylabel="accuracy, %")
    known = entries(figure.axes)
    figure.legend(known.values(), known.keys(), loc="outside upper center", ncols=4)
    return figure


def _marks(axes: Axes, results: Results, rows: pd.DataFrame) -> None:
    """Of one dataset and explainer: a colour for all methods that differ in their weight alone."""
    present = set(rows["method"])
    for family in families(results.study.slice["methods"], "weight"):
        methods = [(weight, method) for weight, method in family if method in present]
        if not methods:
            continue
        style = line_of(results.study, methods[0][1])
        chosen = rows[rows["method"].isin([method for _, method in methods])]
        axes.plot(chosen["value"], chosen["value_right"], ".", color=style["color"], alpha=0.5)
        means = chosen.groupby("method")[["value", "value_right"]].mean()
        means = means.loc[[method for _, method in methods]]
        axes.plot(means["value"], means["value_right"], marker="o", label=methods[0][1], **style)
        if len(methods) > 1:
            for weight, method in methods:
                axes.annotate(f"{weight:g}", means.loc[method], xytext=(4, 4), textcoords="offset points", fontsize=7)
