"""Absolute cosines of the last convolution's filters with each other, of seed 0 (after Fig. 7 of Liang et al. 2020).

Filters stand in gate order, that of the class with the largest gate, where the method has gates: filters of one class
that are alike show as blocks along the diagonal. Methods without gates have the order of the first method with them.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure

from pipeline import layout
from pipeline.checkpoints import load_checkpoint
from pipeline.metrics.filters import filter_correlation
from pipeline.metrics.gates import arg_max_class
from pipeline.models.trained import network_of
from pipeline.report.results import Results

SEED = 0


def draw(results: Results) -> Figure:
    study = results.study
    figure, grid = plt.subplots(
        len(study.datasets),
        len(study.methods),
        figsize=(3.4 * len(study.methods), 3.1 * len(study.datasets)),
        squeeze=False,
    )
    for axes_row, dataset in zip(grid, study.datasets, strict=True):
        found = {method: _filters(results, dataset, method) for method in study.methods}
        orders = [order for _, order in found.values() if order is not None]
        for axes, (method, (correlation, own)) in zip(axes_row, found.items(), strict=True):
            order = own if own is not None else next(iter(orders), np.arange(len(correlation)))
            if len(order) != len(correlation):
                order = np.arange(len(correlation))
            image = axes.imshow(correlation[np.ix_(order, order)], cmap="viridis", vmin=0, vmax=1)
            axes.set(title=f"{dataset}, {method}", xlabel="filter", ylabel="filter")
            figure.colorbar(image, ax=axes)
    return figure


def _filters(results: Results, dataset: str, method: str) -> tuple[np.ndarray, np.ndarray | None]:
    """P of shape K×K, and the filters in gate order if there are gates."""
    tensors, header = load_checkpoint(layout.model(results.study.root, dataset, method, SEED))
    kernels = network_of(tensors, header, torch.device("cpu")).last_convolution.weight.detach()
    order = arg_max_class(tensors["gates"]).argsort(stable=True).numpy() if "gates" in tensors else None
    return filter_correlation(kernels).numpy(), order
