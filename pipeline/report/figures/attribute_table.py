"""Accuracy of linear probes of each attribute in percent, mean over seeds; in the first column that of always giving
the more frequent answer of the training images. Colours are points above (red) or below it (blue). Attributes of which
the training images show one value only have no probe and stay empty.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from pipeline import layout
from pipeline.artifacts import DATASET, read_notes
from pipeline.report.panels import WIDTH, in_words
from pipeline.report.results import Results

#: Inches of a line, and of all that is above and below the lines.
LINE, AROUND = 0.19, 1.6
#: How far colours go, over the largest gain: numbers stay legible on all of them.
HEADROOM = 1.5
#: Colour of numbers, whose ground stays pale on a dark page.
ON_CELLS = "black"
MEAN = "mean of those with a probe"
MAJORITY = "majority"


def draw(results: Results) -> Figure:
    blocks = results.study.slice["evaluations"]
    probing = [name for name, block in blocks.items() if block["from"] == "linear_probe"]
    rows = results.metrics[results.metrics["evaluation"].isin(probing)]
    tables = {dataset: table(results, dataset, part) for dataset, part in rows.groupby("dataset", sort=False)}
    if not tables:
        return in_words("no evaluation of this study probes attributes")
    heights = [len(values) * LINE + AROUND for values in tables.values()]
    figure, grid = plt.subplots(len(tables), 1, figsize=(WIDTH, sum(heights)), height_ratios=heights, squeeze=False)
    for axes, (dataset, values) in zip(grid.flat, tables.items(), strict=True):
        image = _draw_table(axes, values)
        axes.set_title(dataset, loc="left")
        figure.colorbar(image, ax=axes, label="points above the majority", shrink=min(1, 3 / (len(values) * LINE)))
    return figure


def table(results: Results, dataset: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Percentages of a dataset's `rows`: a line an attribute, their mean first; a column a network and what is read."""
    names = read_notes(layout.dataset(results.study.root, dataset, "test"), DATASET)["names"]["attributes"]
    subsets = {f"attribute={i}": name for i, name in enumerate(names)}
    lines = rows.assign(
        line=rows["subset"].map(subsets).where(rows["subset"].notna(), MEAN),
        column=rows["method"] + ", " + rows["evaluation"],
    )
    found = {}
    for metric in ("majority_accuracy", "probe_accuracy"):
        of_metric = lines[lines["metric"] == metric]
        found[metric] = 100 * of_metric.pivot_table(index="line", columns="column", values="value", sort=False)
    # Whose probe it is does not matter to the majority.
    majority = found["majority_accuracy"].mean(axis=1).rename(MAJORITY)
    return pd.concat([majority, found["probe_accuracy"]], axis=1).reindex([MEAN, *names])


def _draw_table(axes: Axes, values: pd.DataFrame) -> AxesImage:
    gains = values.sub(values[MAJORITY], axis=0).to_numpy()
    limit = HEADROOM * max(1, np.nanmax(np.abs(gains)))
    image = axes.imshow(gains, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    for (line, column), value in np.ndenumerate(values.to_numpy()):
        if np.isfinite(value):
            axes.text(column, line, f"{value:.1f}", ha="center", va="center", fontsize=7, color=ON_CELLS)
    labels = [name.replace("_", " ") for name in values.columns]
    axes.set_xticks(range(len(labels)), labels, rotation=40, ha="left", rotation_mode="anchor", fontsize=7)
    axes.set_yticks(range(len(values)), [name.replace("_", " ") for name in values.index], fontsize=7)
    axes.axhline(0.5, color=plt.rcParams["text.color"], linewidth=0.8)
    axes.tick_params(length=0, top=False, labeltop=True, labelbottom=False)
    axes.spines[:].set_visible(False)
    return image
