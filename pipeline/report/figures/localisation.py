"""How well maps find the object, mean over seeds with their range. Left, the share of images on which map and object
overlap by n percent or more; right, the mean overlap (IoU) on all images and on those of each class. ActivMap and
GradMap are activations and gradients of single filters. A class has no bar if none of its images was measured or no
filter focuses on it.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.report.panels import WIDTH, class_names, colour_of, curve, entries, in_words, measured
from pipeline.report.results import Results
from pipeline.study import Study

#: Part of the space of a class that its bars take.
BARS = 0.8
#: Names of classes that find room below the bars.
NAMES = 24


def draw(results: Results) -> Figure:
    rows = pd.concat([measured(results, "localisation", metric) for metric in ("iou", "ap")])
    rows = rows.assign(value=100 * rows["value"])
    parts = list(rows.groupby(["dataset", "name", "explainer"], sort=False))
    if not parts:
        return in_words("no evaluation of this study compares maps with objects")
    figure, grid = plt.subplots(len(parts), 2, figsize=(WIDTH, 2.1 * len(parts)), width_ratios=[1, 2.2], squeeze=False)
    last = {dataset: right for (_, right), ((dataset, *_), _) in zip(grid, parts, strict=True)}
    for (left, right), ((dataset, name, explainer), part) in zip(grid, parts, strict=True):
        _curves(left, results.study, part[part["metric"] == "ap"])
        left.set(title=f"{name}: {explainer}", xlabel="n", ylabel="APn, %", ylim=(0, 102))
        _bars(right, results.study, part[part["metric"] == "iou"], class_names(results, dataset))
        right.set(title=f"{name}: {explainer}", ylabel="IoU, %")
        right.tick_params(labelbottom=right is last[dataset])
    known = entries(grid[:, 0])
    figure.legend(known.values(), known.keys(), loc="outside upper center", ncols=6)
    return figure


def _curves(axes: Axes, study: Study, rows: pd.DataFrame) -> None:
    """APn over n."""
    rows = rows.assign(n=rows["subset"].str.extract(r"^n=(\d+)$")[0].astype(float)).dropna(subset="n")
    for method, part in rows.groupby("method", sort=False):
        curve(axes, part.set_index("n")["value"], method, color=colour_of(study, method))


def _bars(axes: Axes, study: Study, rows: pd.DataFrame, names: list[str]) -> None:
    """Mean IoU, over all first and then by class, a bar a method."""
    methods = list(rows["method"].unique())
    places = rows["subset"].str.extract(r"^class=(\d+)$")[0].astype(float) + 1
    rows = rows.assign(place=places.mask(rows["subset"].isna(), 0)).dropna(subset="place")
    width = BARS / len(methods)
    for number, method in enumerate(methods):
        found = rows[rows["method"] == method].groupby("place")["value"].agg(["mean", "min", "max"])
        ends = [found["mean"] - found["min"], found["max"] - found["mean"]]
        where = found.index - BARS / 2 + (number + 0.5) * width
        axes.bar(where, found["mean"], width, color=colour_of(study, method), yerr=ends, error_kw={"lw": 0.8})
    labels = ["all", *names]
    every = -(-len(labels) // NAMES)
    axes.set_xlim(-0.6, len(labels) - 0.4)
    axes.set_xticks(np.arange(len(labels))[::every], labels[::every], rotation=35, ha="right", rotation_mode="anchor")
