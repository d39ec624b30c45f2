"""Heat maps, of seed 0, of the gates G, the classifier weights W beside them, G∘W, and W of each method without gates.

Filters stand in gate order, that of the class with the largest gate, the same in all panels of a row (after Fig. 4 of
Liang et al. 2020).
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline.report.results import Results

SEED = 0


def draw(results: Results) -> Figure:
    rows = [
        (dataset, method)
        for dataset in results.study.datasets
        for method in results.study.methods
        if "gates" in results.tensors(dataset, method, SEED)
    ]
    if not rows:
        figure = plt.figure(figsize=(5, 1))
        figure.text(0.5, 0.5, "no method of this study has gates", ha="center")
        return figure
    panels = [_panels(results, dataset, method) for dataset, method in rows]
    columns = max(map(len, panels))
    figure, grid = plt.subplots(len(rows), columns, figsize=(3.4 * columns, 2.1 * len(rows)), squeeze=False)
    for axes_row, row in zip(grid, panels, strict=True):
        for axes, (title, matrix) in zip(axes_row, row, strict=False):
            limit = np.abs(matrix).max() or 1.0
            gates = title.startswith("G,")
            image = axes.imshow(
                matrix,
                aspect="auto",
                interpolation="nearest",
                cmap="viridis" if gates else "RdBu_r",
                vmin=0 if gates else -limit,
                vmax=1 if gates else limit,
            )
            axes.set(title=title, xlabel="filter, in gate order", ylabel="class")
            axes.yaxis.set_major_locator(MaxNLocator(integer=True))
            figure.colorbar(image, ax=axes)
    return figure


def _panels(results: Results, dataset: str, method: str) -> list[tuple[str, np.ndarray]]:
    tensors = results.tensors(dataset, method, SEED)
    gates, weights = tensors["gates"], tensors["network.head.weight"]
    order = np.lexsort((-gates.max(axis=0), gates.argmax(axis=0)))
    found = [
        (f"G, {dataset}, {method}", gates[:, order]),
        (f"W, {method}", weights[:, order]),
        (f"G∘W, {method}", (gates * weights)[:, order]),
    ]
    for other in results.study.methods:
        tensors = results.tensors(dataset, other, SEED)
        if "gates" not in tensors and tensors["network.head.weight"].shape == weights.shape:
            found.append((f"W, {other}", tensors["network.head.weight"][:, order]))
    return found
