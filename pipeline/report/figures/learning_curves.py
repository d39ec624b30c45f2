"""Accuracy on test images after every epoch, mean over seeds with one standard deviation, for methods that train the
same network; over seconds of training where these were recorded; and how far methods with constraints are from meeting
them (relative residual). Means over seconds are taken epoch by epoch. Nothing was chosen by these images.
"""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.report.circumstances import network_in_words
from pipeline.report.panels import in_parts, in_words, line_of, with_legends
from pipeline.report.results import Results

#: Metric of the history on the vertical axis, on the horizontal one, and what the axes are called.
PANELS = (
    ("test_accuracy", "epoch", "accuracy, %", "epoch"),
    ("test_accuracy", "seconds", "accuracy, %", "seconds of training"),
    ("residual", "epoch", "relative residual", "epoch"),
)


def draw(results: Results) -> Figure:
    wide = results.histories.pivot_table(
        index=["dataset", "method", "seed", "epoch"], columns="metric", values="value"
    ).reset_index()
    if "test_accuracy" not in wide:
        return in_words("no method of this study watched the test images")
    wide = wide.assign(test_accuracy=100 * wide["test_accuracy"], epoch=wide["epoch"] + 1)
    panels = [panel for panel in PANELS if panel[0] in wide and panel[1] in wide]
    groups = _groups(results)
    grid, lines = in_parts([len(panels)] * len(groups))
    for (part, row), ((dataset, network), methods) in zip(lines, groups.items(), strict=True):
        for axes, (metric, over, label, name) in zip(row, panels, strict=True):
            for method in methods:
                chosen = wide[(wide["dataset"] == dataset) & (wide["method"] == method)]
                style = line_of(results.study, method)
                _curve(axes, chosen.dropna(subset=[metric, over]), metric, over, method, style)
            axes.set(xlabel=name, ylabel=label)
        part.suptitle(f"{dataset}: {network}", x=0, ha="left", fontsize="medium")
    return with_legends(grid, lines)


def _groups(results: Results) -> dict[tuple[str, str], list[str]]:
    """Methods by dataset and network."""
    found: dict[tuple[str, str], list[str]] = {}
    for dataset in results.study.datasets:
        for method in results.study.networks_on(dataset):
            network = network_in_words(results.study.slice["methods"][method]["network"])
            found.setdefault((dataset, network), []).append(method)
    return found


def _curve(axes: Axes, rows: pd.DataFrame, metric: str, over: str, method: str, style: dict) -> None:
    if rows.empty:
        return
    found = rows.groupby("epoch").agg(x=(over, "mean"), mean=(metric, "mean"), deviation=(metric, "std")).fillna(0)
    axes.plot(found["x"], found["mean"], label=method, **style)
    low, high = found["mean"] - found["deviation"], found["mean"] + found["deviation"]
    axes.fill_between(found["x"], low, high, color=style["color"], alpha=0.2, linewidth=0)
