"""Cosines of the mean features of a class with the gates of each class, of seed 0: of images that were got right (true
positives) and of those that were got wrong (false negatives), by their true class. A row without images is empty.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pipeline.report.results import Results

SEED = 0
GROUPS = {"tp": "true positives", "fn": "false negatives"}


def draw(results: Results) -> Figure:
    chosen = results.metrics[(results.metrics["metric"] == "gate_similarity") & (results.metrics["seed"] == SEED)]
    rows = list(chosen.groupby(["dataset", "method"], sort=False))
    if not rows:
        figure = plt.figure(figsize=(5, 1))
        figure.text(0.5, 0.5, "no evaluation of this study compares features with gates", ha="center")
        return figure
    figure, grid = plt.subplots(len(rows), len(GROUPS), figsize=(7.2, 3.1 * len(rows)), squeeze=False)
    for axes_row, ((dataset, method), part) in zip(grid, rows, strict=True):
        for axes, (group, title) in zip(axes_row, GROUPS.items(), strict=True):
            image = axes.imshow(_matrix(part, group), cmap="viridis", vmin=0, vmax=1)
            axes.set(title=f"{dataset}, {method}: {title}", xlabel="gates of class", ylabel="images of class")
            figure.colorbar(image, ax=axes)
    return figure


def _matrix(rows: pd.DataFrame, group: str) -> np.ndarray:
    """C×C cosines of one group, images of class y in row y."""
    places = rows["subset"].str.extract(rf"^{group},class=(\d+),gate=(\d+)$").dropna().astype(int)
    matrix = np.full(places.max().to_numpy() + 1, np.nan)
    matrix[places[0], places[1]] = rows.loc[places.index, "value"]
    return matrix
