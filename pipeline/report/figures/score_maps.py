"""Test images and over them where the scores of a factorisation are, of seed 0: the dimensions whose maps are the most
concentrated in space, on the mean over all test images. A dimension has one colour scale for all of these, whose end is
in brackets: the redder the larger, and white is 0.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline import layout
from pipeline.images import read_images
from pipeline.report.panels import in_words, matrix, measured, over_image
from pipeline.report.results import Results

SEED = 0
#: Columns that say whose scores they are.
NETWORK = ["dataset", "method", "evaluation"]
#: Part of a pattern: place within a map.
CELL = r"row=(\d+),column=(\d+)"


def draw(results: Results) -> Figure:
    cells = _by_dimension(measured(results, "score_maps", "score"))
    if cells.empty:
        return in_words("no evaluation of this study looks where scores are")
    limits = _by_dimension(measured(results, "score_maps", "score_limit")).set_index([*NETWORK, "dimension"])["value"]
    images = int(cells["image"].max()) + 1
    groups = {
        dataset: list(part.groupby([*NETWORK, "dimension"], sort=False))
        for dataset, part in cells.groupby("dataset", sort=False)
    }
    height = sum(1 + len(maps) for maps in groups.values())
    figure, grid = plt.subplots(height, images, figsize=(1.1 * images + 1.4, 1.1 * height), squeeze=False)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    lines = iter(grid)
    for dataset, maps in groups.items():
        pictures = read_images(layout.dataset(results.study.root, dataset, "test"), images)
        _pictures(next(lines), pictures, dataset)
        for key, part in maps:
            _, method, _, dimension = key
            label = f"{method}\ndimension {dimension} ({limits[key]:.3g})"
            _maps(next(lines), pictures, part, limits[key], label)
    return figure


def _by_dimension(rows: pd.DataFrame) -> pd.DataFrame:
    """`rows` of the seed with the columns `dimension` and, where the subset says it, `image`."""
    rows = rows[rows["seed"] == SEED]
    numbers = rows["subset"].str.extract(r"^dimension=(?P<dimension>\d+)(?:,image=(?P<image>\d+))?").astype(float)
    return pd.concat([rows, numbers.astype("Int64")], axis=1)


def _pictures(line: np.ndarray, pictures: np.ndarray, label: str) -> None:
    for axes, picture in zip(line, pictures, strict=False):
        axes.imshow(picture, cmap="gray", vmin=0, vmax=255)
    _name(line[0], label)


def _maps(line: np.ndarray, pictures: np.ndarray, rows: pd.DataFrame, limit: float, label: str) -> None:
    for axes, picture, (_, of_image) in zip(line, pictures, rows.groupby("image"), strict=False):
        values = matrix(of_image, rf"dimension=\d+,image=\d+,{CELL}").astype(np.float32)
        axes.imshow(over_image(picture, values, limit))
    _name(line[0], label)


def _name(axes: Axes, label: str) -> None:
    axes.set_ylabel(label.replace("_", " "), rotation=0, ha="right", va="center", fontsize=8)
