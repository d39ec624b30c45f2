"""Every metric of a study by method: the mean over seeds with its 95 % interval, each seed as a dot."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from pipeline.metrics.catalogue import about
from pipeline.report.results import Results, mean_and_interval


def draw(results: Results) -> Figure:
    parts = results.overall.groupby(["dataset", "metric", "of"], sort=False)
    panels = [(*key, part) for key, part in parts if about(key[1]).better != "neither"]
    columns = min(4, len(panels))
    lines = -(-len(panels) // columns)
    figure, grid = plt.subplots(lines, columns, figsize=(2.6 * columns, 2.4 * lines), squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.remove()
    for axes, (dataset, metric, of, chosen) in zip(grid.flat, panels, strict=False):
        methods = [method for method in results.study.methods if method in set(chosen["method"])]
        for place, method in enumerate(methods):
            values = chosen[chosen["method"] == method]["value"] * (100 if about(metric).unit == "%" else 1)
            mean, low, high = mean_and_interval(values)
            colour = f"C{results.study.methods.index(method)}"
            axes.plot([place] * len(values), values, ".", color=colour, alpha=0.5)
            axes.errorbar(place, mean, yerr=[[mean - low], [high - mean]], fmt="_", color=colour, capsize=4)
        axes.set_xticks(range(len(methods)), methods)
        title = f"{dataset}: {about(metric).symbol}" + (f", {of.replace('_', ' ')}" if of else "")
        axes.set(title=title, ylabel=about(metric).unit)
        axes.margins(x=0.3)
    return figure
