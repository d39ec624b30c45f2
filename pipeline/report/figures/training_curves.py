"""Loss and training accuracy by epoch, and the density of gates where networks have them: mean over seeds and range.

Of networks with gates, epochs on the gated path are dots apart from the line of ordinary epochs: there the network sees
the label through the gates, and its training accuracy says nothing about the task.
"""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas import DataFrame

from pipeline.report.panels import curve, in_parts, in_words, line_of, with_legends
from pipeline.report.results import Results

METRICS = ("loss", "accuracy", "density")


def draw(results: Results) -> Figure:
    datasets = results.study.datasets
    metrics = [metric for metric in METRICS if metric in set(results.histories["metric"])]
    if not metrics:
        return in_words("no training of this study has a loss, an accuracy or gates")
    grid, lines = in_parts([len(metrics)] * len(datasets))
    for (_, row), dataset in zip(lines, datasets, strict=True):
        of_dataset = results.histories[results.histories["dataset"] == dataset]
        for axes, metric in zip(row, metrics, strict=True):
            for method in results.study.methods_on(dataset):
                style = line_of(results.study, method)
                _curve(axes, of_dataset[of_dataset["method"] == method], metric, method, style)
            if metric == "density":
                _interval(axes, results, dataset)
            axes.set(title=f"{dataset}: {metric}", xlabel="epoch")
    return with_legends(grid, lines)


def _curve(axes: Axes, history: DataFrame, metric: str, method: str, style: dict) -> None:
    wide = history.pivot_table(index=["epoch", "seed"], columns="metric", values="value")
    if metric not in wide:
        return
    wide["gated"] = wide["csg_path"] > 0 if "csg_path" in wide and metric != "density" else False
    for gated, part in wide.groupby("gated"):
        if gated:
            means = part[metric].groupby("epoch").mean()
            axes.plot(means.index, means, ".", color=style["color"], markersize=4, label=f"{method}, gated epochs")
        else:
            curve(axes, part[metric], method, **style)


def _interval(axes: Axes, results: Results, dataset: str) -> None:
    """Shade the interval in which the density should end."""
    overall = results.overall[results.overall["dataset"] == dataset].groupby("metric")["value"].mean()
    if "l1_density_lower" in overall and "l1_density_upper" in overall:
        low, high = overall["l1_density_lower"], overall["l1_density_upper"]
        axes.axhspan(low - 0.005, high + 0.005, color="#888888", alpha=0.35, linewidth=0, label="theoretical interval")
