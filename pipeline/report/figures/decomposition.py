"""Bases of NMF and of PCA, and the first test image taken apart into coefficient × basis, of seed 0: red is negative,
blue positive, and within a panel one scale serves all tiles. Parts add up to the reconstruction, for PCA with the mean
image (after Figure 2.1 of Khorram 2020).
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline import layout
from pipeline.images import read_images
from pipeline.metrics.decomposition import coefficients, reconstruct
from pipeline.report.panels import WIDTH, in_words
from pipeline.report.results import Results

SEED = 0


def draw(results: Results) -> Figure:
    study = results.study
    drawn = [
        (dataset, method)
        for dataset in study.datasets
        for method in study.methods_on(dataset)
        if study.slice["methods"][method]["from"] == "decomposition"
    ]
    if not drawn:
        return in_words("no method of this study decomposes images")
    figure, grid = plt.subplots(
        len(drawn), 4, figsize=(WIDTH, 3.3 * len(drawn)), squeeze=False, width_ratios=[1, 1, 2.6, 2.6]
    )
    for row, (dataset, method) in zip(grid, drawn, strict=True):
        image = read_images(layout.dataset(study.root, dataset, "test"), 1)[0].transpose(2, 0, 1) / 255
        pixels = torch.from_numpy(image).float().reshape(1, -1)
        bases, mean = (_tensor(results, dataset, method, name) for name in ("bases", "mean"))
        found = coefficients(pixels, bases, mean)
        again = reconstruct(found, bases, mean)
        for axes, title, values in zip(row[:2], (f"{dataset}: image", "reconstruction"), (pixels, again), strict=True):
            axes.imshow(_pictures(values, image.shape)[0], cmap="gray", vmin=0, vmax=1)
            axes.set_title(title)
        _tiles(row[2], _pictures(bases, image.shape), f"{method}: bases")
        _tiles(row[3], _pictures(found.T * bases, image.shape), f"{method}: coefficient × basis")
        for axes in row:
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
    return figure


def _tensor(results: Results, dataset: str, method: str, name: str) -> torch.Tensor | None:
    found = results.tensors(dataset, method, SEED)
    return torch.from_numpy(found[name]) if name in found else None


def _pictures(rows: torch.Tensor, shape: tuple[int, int, int]) -> np.ndarray:
    """Rows of C·H·W pixels as pictures N×H×W, colours averaged."""
    return rows.numpy().reshape(-1, *shape).mean(axis=1)


def _tiles(axes: Axes, values: np.ndarray, title: str) -> None:
    """Pictures N×H×W as tiles in lines of about √N, red below zero and blue above it."""
    count, height, width = values.shape
    columns = int(np.ceil(np.sqrt(count)))
    lines = -(-count // columns)
    sheet = np.full((lines * (height + 1), columns * (width + 1)), np.nan)
    for place, picture in enumerate(values):
        top, left = (height + 1) * (place // columns), (width + 1) * (place % columns)
        sheet[top : top + height, left : left + width] = picture
    most = np.abs(values).max() or 1.0
    axes.imshow(sheet[:-1, :-1], cmap="RdBu", vmin=-most, vmax=most, interpolation="nearest")
    axes.set_title(title)
