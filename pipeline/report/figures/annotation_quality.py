"""How well annotators draw masks, by the share of the training images whose human masks they learned from: mean over
seeds with one standard deviation of overlap (IoU), Dice coefficient, precision and recall, on the training images that
were left and on the test images. With all masks known nothing is drawn."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.metrics.catalogue import about
from pipeline.report.panels import WIDTH, families, in_words
from pipeline.report.results import Results

PANELS = ("mask_iou", "mask_dice", "mask_precision", "mask_recall")
#: Subset of the table, and what the reader sees.
SUBSETS = {"train-rest": "other training images", "test": "test images"}


def draw(results: Results) -> Figure:
    if results.mask_quality.empty:
        return in_words("no annotator of this study draws masks")
    blocks = results.study.slice["annotators"]
    kinds = {name: family[0][1] for family in families(blocks, "share") for _, name in family}
    rows = results.mask_quality.assign(
        share=100 * results.mask_quality["method"].map({name: block["share"] for name, block in blocks.items()}),
        kind=results.mask_quality["method"].map(kinds),
        value=100 * results.mask_quality["value"],
    )
    datasets = list(rows["dataset"].unique())
    figure, grid = plt.subplots(len(datasets), len(PANELS), figsize=(WIDTH, 2.4 * len(datasets)), squeeze=False)
    for line, dataset in zip(grid, datasets, strict=True):
        for axes, metric in zip(line, PANELS, strict=True):
            _curves(axes, rows[(rows["dataset"] == dataset) & (rows["metric"] == metric)])
            axes.set(title=about(metric).symbol.removesuffix("_mask"), xlabel="share, %")
        line[0].set_ylabel(f"{dataset.replace('_', ' ')}, %")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


def _curves(axes: Axes, rows: pd.DataFrame) -> None:
    """Over the share, a line a subset, and a colour a kind where there are several."""
    several = rows["kind"].nunique() > 1
    for number, (kind, of_kind) in enumerate(rows.groupby("kind", sort=False)):
        for dashes, (subset, label) in zip(("-", "--"), SUBSETS.items(), strict=True):
            values = of_kind[of_kind["subset"] == subset].groupby("share")["value"]
            found = values.agg(["mean", "std"]).fillna(0)
            style = {"color": f"C{number}", "linestyle": dashes, "marker": ".", "label": label}
            axes.plot(found.index, found["mean"], **style | ({"label": f"{kind}, {label}"} if several else {}))
            low, high = found["mean"] - found["std"], found["mean"] + found["std"]
            axes.fill_between(found.index, low, high, color=f"C{number}", alpha=0.2, linewidth=0)
    shares = sorted(rows["share"].unique())
    axes.set_xscale("log")
    axes.set_xticks(shares, [f"{share:g}" for share in shares])
    axes.minorticks_off()
