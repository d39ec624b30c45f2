"""Every metric of a study by method: the mean over seeds with its 95 % interval, each seed as a dot."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from pipeline.metrics.catalogue import about
from pipeline.report.panels import WIDTH, colour_of
from pipeline.report.results import Results, mean_and_interval

#: Letters of a method's name that leave room for two panels side by side instead of three.
LONG = 20


def draw(results: Results) -> Figure:
    parts = results.overall.groupby(["dataset", "metric", "of"], sort=False)
    panels = [(*key, part) for key, part in parts if about(key[1]).better != "neither"]
    most = 2 if max(map(len, results.overall["method"])) > LONG else 3
    columns = min(most, len(panels))
    lines = [panels[start : start + columns] for start in range(0, len(panels), columns)]
    heights = [0.8 + 0.2 * max(part["method"].nunique() for *_, part in line) for line in lines]
    size = (WIDTH / most * columns, sum(heights))
    figure, grid = plt.subplots(len(lines), columns, figsize=size, height_ratios=heights, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.remove()
    for axes, (dataset, metric, of, chosen) in zip(grid.flat, panels, strict=False):
        methods = [method for method in results.study.methods if method in set(chosen["method"])]
        for place, method in enumerate(methods):
            values = chosen[chosen["method"] == method]["value"] * (100 if about(metric).unit == "%" else 1)
            mean, low, high = mean_and_interval(values)
            colour = colour_of(results.study, method)
            axes.plot(values, [place] * len(values), ".", color=colour, alpha=0.5)
            axes.errorbar(mean, place, xerr=[[mean - low], [high - mean]], fmt="|", color=colour, capsize=4)
        axes.set_yticks(range(len(methods)), methods)
        axes.invert_yaxis()
        title = f"{dataset}: {about(metric).symbol}" + (f", {of.replace('_', ' ')}" if of else "")
        axes.set(title=title, xlabel=about(metric).unit)
        axes.margins(y=0.3 / len(methods))
    return figure
