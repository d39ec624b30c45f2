"""Test images, outlined where the dataset knows the object, and over them the attribution maps of each method and
explainer, of seed 0. Each map has its own scale: red speaks for the class and blue against it, the paler the less."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline import layout
from pipeline.artifacts import DATASET, EXPLANATIONS, read_schema, read_table
from pipeline.images import read_images, read_masks
from pipeline.report.panels import over_image
from pipeline.report.results import Results

SEED = 0
IMAGES = 8


def draw(results: Results) -> Figure:
    study = results.study
    height = sum(1 + len(study.explained_on(dataset)) for dataset in study.datasets)
    figure, grid = plt.subplots(height, IMAGES, figsize=(1.1 * IMAGES + 1.4, 1.1 * height), squeeze=False)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    rows = iter(grid)
    for dataset in study.datasets:
        path = layout.dataset(study.root, dataset, "test")
        images = read_images(path, IMAGES)
        _images(next(rows), images, path, dataset)
        for method, explainer in study.explained_on(dataset):
            path = layout.explanation(study.root, dataset, method, explainer, SEED)
            _maps(next(rows), images, path, f"{method}\n{explainer}")
    return figure


def _images(row: np.ndarray, images: np.ndarray, path: str, label: str) -> None:
    masks = read_masks(path, IMAGES) if "mask" in read_schema(path, DATASET).names else []
    for axes, image in zip(row, images, strict=False):
        axes.imshow(image, cmap="gray", vmin=0, vmax=255)
    for axes, mask in zip(row, masks, strict=False):
        axes.contour(mask, levels=[0.5], colors=["#ffd200"], linewidths=0.8)
    _name(row[0], label)


def _maps(row: np.ndarray, images: np.ndarray, path: str, label: str) -> None:
    table = read_table(path, EXPLANATIONS)
    for axes, image, item in zip(row, images, table.slice(0, IMAGES).to_pylist(), strict=False):
        values = np.reshape(item["map"], (item["height"], item["width"])).astype(np.float32)
        axes.imshow(over_image(image, values, np.abs(values).max()))
    _name(row[0], label)


def _name(axes: Axes, label: str) -> None:
    axes.set_ylabel(label.replace("_", " "), rotation=0, ha="right", va="center", fontsize=8)
