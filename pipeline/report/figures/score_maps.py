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
#: Part of a pattern: place within a map.
CELL = r"row=(\d+),column=(\d+)"


def draw(results: Results) -> Figure:
    cells = _by_dimension(measured(results, "score_maps", "score"))
    limits = _by_dimension(measured(results, "score_maps", "score_limit"))
    if cells.empty:
        return in_words("no evaluation of this study looks where scores are")
    images = int(cells["image"].max()) + 1
    networks = list(cells.groupby(["dataset", "method", "evaluation"], sort=False))
    datasets = list(dict.fromkeys(dataset for (dataset, *_), _ in networks))
    height = len(datasets) + sum(part["dimension"].nunique() for _, part in networks)
    figure, grid = plt.subplots(height, images, figsize=(1.1 * images + 1.4, 1.1 * height), squeeze=False)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    lines = iter(grid)
    for dataset in datasets:
        pictures = read_images(layout.dataset(results.study.root, dataset, "test"), images)
        line = next(lines)
        for axes, picture in zip(line, pictures, strict=False):
            axes.imshow(picture, cmap="gray", vmin=0, vmax=255)
        _name(line[0], dataset)
        for key, part in networks:
            if key[0] == dataset:
                of_network = limits[limits[["dataset", "method", "evaluation"]].eq(key).all(axis=1)]
                for dimension, values in part.groupby("dimension", sort=False):
                    limit = of_network.set_index("dimension").loc[dimension, "value"]
                    line = next(lines)
                    _maps(line, pictures, values, limit)
                    _name(line[0], f"{key[1]}\ndimension {dimension} ({limit:.3g})")
    return figure


def _by_dimension(rows: pd.DataFrame) -> pd.DataFrame:
    """`rows` of the seed with the columns `dimension` and, where the subset says it, `image`."""
    rows = rows[rows["seed"] == SEED]
    numbers = rows["subset"].str.extract(r"^dimension=(?P<dimension>\d+)(?:,image=(?P<image>\d+))?").astype(float)
    return pd.concat([rows, numbers.astype("Int64")], axis=1)


def _maps(line: np.ndarray, pictures: np.ndarray, rows: pd.DataFrame, limit: float) -> None:
    for axes, picture, (_, of_image) in zip(line, pictures, rows.groupby("image"), strict=False):
        values = matrix(of_image, rf"dimension=\d+,image=\d+,{CELL}").astype(np.float32)
        axes.imshow(over_image(picture, values, limit))


def _name(axes: Axes, label: str) -> None:
    axes.set_ylabel(label.replace("_", " "), rotation=0, ha="right", va="center", fontsize=8)
