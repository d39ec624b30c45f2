"""Test images beside the attribution maps of each method and explainer, of seed 0; each map on its own scale."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline import layout
from pipeline.artifacts import EXPLANATIONS, read_table
from pipeline.images import read_images
from pipeline.report.results import Results

SEED = 0
IMAGES = 8


def draw(results: Results) -> Figure:
    study = results.study
    lines = [(method, explainer) for method in study.methods for explainer in study.slice["explainers"]]
    height = len(study.datasets) * (1 + len(lines))
    figure, grid = plt.subplots(height, IMAGES, figsize=(1.1 * IMAGES, 1.15 * height), squeeze=False)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    rows = iter(grid)
    for dataset in study.datasets:
        path = layout.dataset(study.root, dataset, "test")
        images = read_images(path, IMAGES)
        row = next(rows)
        for axes, image in zip(row, images, strict=False):
            axes.imshow(image, cmap="gray", vmin=0, vmax=255)
        _name(row[0], dataset)
        for method, explainer in lines:
            path = layout.explanation(study.root, dataset, method, explainer, SEED)
            _maps(next(rows), path, f"{method}\n{explainer}")
    return figure


def _maps(row: np.ndarray, path: str, label: str) -> None:
    table = read_table(path, EXPLANATIONS)
    for axes, item in zip(row, table.slice(0, IMAGES).to_pylist(), strict=False):
        values = np.reshape(item["map"], (item["height"], item["width"]))
        limit = np.abs(values).max() or 1.0
        axes.imshow(values, cmap="RdBu_r", vmin=-limit, vmax=limit)
    _name(row[0], label)


def _name(axes: Axes, label: str) -> None:
    axes.set_ylabel(label.replace("_", " "), rotation=0, ha="right", va="center", fontsize=8)
