"""What figures share: panels in lines, rows of an evaluation, matrices out of subsets, heat maps and curves."""

import json
from collections.abc import Iterable, Sequence
from math import ceil
from typing import Any

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.gridspec import GridSpec
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from pipeline.report.results import Results
from pipeline.study import Study

#: A part of a figure and the panels side by side in it.
Line = tuple[SubFigure, list[Axes]]

#: Inches that the page shows in about their true size.
WIDTH = 9.6

#: Inches that a line of panels takes.
PANEL = 2.6

#: Entries of a legend side by side, and inches that a line of them takes.
ENTRIES, ENTRY = 4, 0.2

#: How much of an image is left where a map over it says nothing.
FADED = 0.3


def in_words(text: str) -> Figure:
    """A figure that says why there is nothing to draw."""
    figure = plt.figure(figsize=(5, 1))
    figure.text(0.5, 0.5, text, ha="center")
    return figure


def in_lines(counts: Sequence[int], columns: int, size: tuple[float, float]) -> tuple[Figure, list[list[Axes]]]:
    """A figure with a group of so many panels for each of `counts`, at most `columns` of them in a line.

    A group starts a line of its own. A panel with its labels takes `size`, width and height in inches.
    """
    columns = min(columns, max(counts))
    lines = [-(-count // columns) for count in counts]
    size = (size[0] * columns, size[1] * sum(lines))
    figure, grid = plt.subplots(sum(lines), columns, figsize=size, squeeze=False)
    groups = [list(part.flat) for part in np.split(grid, np.cumsum(lines)[:-1])]
    for group, count in zip(groups, counts, strict=True):
        for axes in group[count:]:
            axes.remove()
        del group[count:]
    return figure, groups


def bar_below(group: list[Axes], image: AxesImage, label: str = "") -> None:
    """The colour bar of a whole group of `in_lines`, below it: beside it, it would push the columns apart."""
    group[0].figure.colorbar(image, ax=group, label=label, location="bottom", shrink=0.5, aspect=40)


def in_parts(panels: Sequence[int]) -> tuple[GridSpec, list[Line]]:
    """The grid of a new figure with a line of so many panels for each of `panels`, and these lines.

    To a line's part of the figure goes what belongs to all of it: its title, and its legend by `with_legends`.
    """
    grid = plt.figure().add_gridspec(len(panels), 1)
    parts = [grid.figure.add_subfigure(place) for place in grid]
    return grid, [
        (part, list(part.subplots(1, count, squeeze=False)[0])) for part, count in zip(parts, panels, strict=True)
    ]


def with_legends(grid: GridSpec, lines: Sequence[Line]) -> Figure:
    """The figure of `in_parts`, with what is drawn in a line named below it, and as high as that takes."""
    heights = []
    for part, row in lines:
        found = entries(row)
        if found:
            part.legend(found.values(), found.keys(), loc="outside lower center", ncols=ENTRIES, fontsize="small")
        heights.append(PANEL + ENTRY * ceil(len(found) / ENTRIES))
    grid.set_height_ratios(heights)
    grid.figure.set_size_inches(WIDTH, sum(heights))
    return grid.figure


def entries(panels: Iterable[Axes]) -> dict[str, Artist]:
    """Each label that is drawn in any of the panels, once, with its mark."""
    return {label: mark for axes in panels for mark, label in zip(*axes.get_legend_handles_labels(), strict=True)}


def measured(results: Results, evaluation: str, metric: str) -> pd.DataFrame:
    """Rows of one metric from the study's evaluations with that `from:`, in the columns of `Results.metrics`.

    Column `name` is the dataset, and the evaluation behind it where several of them measure the metric.
    """
    blocks = results.study.slice["evaluations"]
    kinds = results.metrics["evaluation"].map({name: block["from"] for name, block in blocks.items()})
    rows = results.metrics[(results.metrics["metric"] == metric) & (kinds == evaluation)]
    several = rows["evaluation"].nunique() > 1
    return rows.assign(name=rows["dataset"] + (", " + rows["evaluation"] if several else ""))


def matrix(rows: pd.DataFrame, pattern: str) -> np.ndarray:
    """Values at the row and column that the two groups of `pattern` find in a subset; NaN where no subset leads to.

    `rows` have the columns `subset` and `value`; those whose subset is not all of the pattern are left out.
    """
    places = rows["subset"].str.extract(f"^{pattern}$").dropna().astype(int)
    found = np.full(places.max().to_numpy() + 1, np.nan)
    found[places[0], places[1]] = rows.loc[places.index, "value"]
    return found


def class_order(values: np.ndarray) -> np.ndarray:
    """Columns of `values` C×K in the order of the class with the largest entry, the larger first within a class.

    Columns in which several classes have the largest entry, or none is positive, come last.
    """
    # Most figures do without torch, which takes as long to load as they take to draw.
    import torch

    from pipeline.metrics.gates import arg_max_class

    classes = arg_max_class(torch.from_numpy(values)).numpy()
    return np.lexsort((-values.max(axis=0), np.where(classes < 0, len(values), classes)))


def filter_order(results: Results, dataset: str, method: str, seed: int, filters: int) -> np.ndarray:
    """Filters of a method in gate order, or without gates in that of the first method that gates as many filters."""
    for name in (method, *results.study.methods_on(dataset)):
        gates = results.tensors(dataset, name, seed).get("gates")
        if gates is not None and gates.shape[1] == filters:
            return class_order(gates)
    return np.arange(filters)


def class_names(results: Results, dataset: str) -> list[str]:
    """Names of a dataset's classes, which a network of the study must have been trained on."""
    return next(header["class_names"] for header in results.headers if header["dataset"] == dataset)


def heat_map(
    axes: Axes,
    values: np.ndarray,
    *,
    cmap: str = "viridis",
    low: float = 0,
    high: float = 1,
    aspect: str = "auto",
    **labels: Any,
) -> AxesImage:
    """Draw a matrix over `low`..`high` with integers at both axes; NaN stays empty. `labels` go to `axes.set`."""
    image = axes.imshow(values, aspect=aspect, interpolation="nearest", cmap=cmap, vmin=low, vmax=high)
    axes.set(**labels)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    return image


def over_image(image: np.ndarray, values: np.ndarray, limit: float) -> np.ndarray:
    """A map h×w over an image H×W×C uint8, as H×W×3 in 0..1; the map is brought to its size, corners not aligned.

    `limit` and beyond is the strongest red, minus `limit` the strongest blue.
    """
    values = cv2.resize(values, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    pale = 1 - FADED * (1 - image.mean(axis=2, keepdims=True) / 255)
    return pale * plt.get_cmap("RdBu_r")((values / (limit or 1.0) + 1) / 2)[..., :3]


def curve(axes: Axes, values: pd.Series, label: str, *, color: str, **style: str) -> None:
    """The mean over seeds as a line, their range as a band; the first level of the index of `values` is x."""
    found = values.groupby(level=0).agg(["mean", "min", "max"])
    axes.plot(found.index, found["mean"], color=color, label=label, **style)
    axes.fill_between(found.index, found["min"], found["max"], color=color, alpha=0.2, linewidth=0)


def families(blocks: dict[str, dict], setting: str) -> list[list[tuple[Any, str]]]:
    """Groups of the instances in `blocks` that differ in one setting alone: (value, name), the smallest value first.

    On which datasets instances are asked for does not count. One without the setting is a group of its own.
    """
    found: dict[str, list[tuple[Any, str]]] = {}
    for name, block in blocks.items():
        value = block.get(setting)
        rest = {key: other for key, other in block.items() if key not in (setting, "datasets")}
        found.setdefault(name if value is None else json.dumps(rest), []).append((value, name))
    return [sorted(group, key=lambda member: member[0] or 0) for group in found.values()]


def colour_of(study: Study, method: str) -> str:
    """A method's colour, the same in all figures of a study."""
    return f"C{study.methods.index(method)}"


def line_of(study: Study, method: str) -> dict[str, str]:
    """How a method's lines look: its colour, and dashes where the colours have all been used before."""
    used = study.methods.index(method) // len(plt.rcParams["axes.prop_cycle"])
    return {"color": colour_of(study, method), "linestyle": ("-", "--", ":", "-.")[used % 4]}
