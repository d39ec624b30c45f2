"""Which classes test images are taken for, of seed 0, when all filters are open, when those of some classes are closed,
and when only those are open: images of a class are a row, and shares of a row add up to one. Titles give means over
seeds: how many filters were closed and the recall of their classes, and the share of all images that were taken for one
of these classes when only their filters were open.
"""

import re

import pandas as pd
from matplotlib.figure import Figure

from pipeline.report.panels import heat_map, in_lines, in_words, matrix, measured
from pipeline.report.results import Results

SEED = 0
#: Part of a pattern: the true class, then the predicted one.
CELL = r"class=(\d+),predicted=(\d+)"


def draw(results: Results) -> Figure:
    rows = measured(results, "filter_masking", "confusion")
    groups = [
        (f"{name}, {method}", _panels(results, part))
        for (name, method), part in rows[rows["seed"] == SEED].groupby(["name", "method"], sort=False)
    ]
    if not groups:
        return in_words("no evaluation of this study closes filters")
    figure, panels = in_lines([len(found) for _, found in groups], columns=5, size=(2.0, 2.2))
    for axes_group, (label, found) in zip(panels, groups, strict=True):
        for axes, (title, part, pattern) in zip(axes_group, found, strict=True):
            image = heat_map(axes, matrix(part, pattern), aspect="equal", xlabel="predicted class")
            axes.set_title(title, fontsize="small")
        axes_group[0].set_ylabel(f"{label}\ntrue class")
        figure.colorbar(image, ax=axes_group, label="share of the row")
    return figure


def _panels(results: Results, rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame, str]]:
    """Title, rows and pattern of each panel; `rows` are the confusions of one network."""
    sets = rows["subset"].str.extract(rf"^closed=(.+),{CELL}$")[0].dropna().unique()
    keys = ["dataset", "method", "evaluation"]
    of_method = results.metrics[results.metrics[keys].eq(rows[keys].iloc[0]).all(axis=1)]
    found = [("all filters open", rows, CELL)]
    for name in sets:
        of_set = of_method[of_method["subset"] == f"closed={name}"]
        means = of_set.groupby("metric")["value"].mean()
        filters = of_set[of_set["metric"] == "closed_filters"]["n"].iloc[0]
        count, recall, predicted = means[["closed_filters", "masked_recall", "open_share"]]
        closed = f"closed: {name}\n{count:.0f} of {filters} filters, recall {100 * recall:.0f} %"
        alone = f"open: {name} alone\npredicted {100 * predicted:.0f} %"
        found += [
            (closed, rows, rf"closed={re.escape(name)},{CELL}"),
            (alone, rows, rf"open={re.escape(name)},{CELL}"),
        ]
    return found
