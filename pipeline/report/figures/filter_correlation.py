"""Absolute cosines of the last convolution's filters with each other, of seed 0 (after Fig. 7 of Liang et al. 2020).

Filters stand in gate order, that of the class with the largest gate, where the method has gates: filters of one class
that are alike show as blocks along the diagonal. Methods without gates have the order of the first method with them.
All methods of a dataset have one colour scale.
"""

import numpy as np
import torch
from matplotlib.figure import Figure

from pipeline import layout
from pipeline.checkpoints import load_checkpoint
from pipeline.metrics.filters import filter_correlation
from pipeline.models.trained import network_of
from pipeline.report.panels import bar_below, filter_order, heat_map, in_lines
from pipeline.report.results import Results

SEED = 0


def draw(results: Results) -> Figure:
    study = results.study
    groups = [(dataset, study.methods_on(dataset)) for dataset in study.datasets]
    figure, panels = in_lines([len(methods) for _, methods in groups], columns=3, size=(3.2, 3.4))
    for axes_group, (dataset, methods) in zip(panels, groups, strict=True):
        found = {method: _correlation(results, dataset, method) for method in methods}
        for axes, (method, correlation) in zip(axes_group, found.items(), strict=True):
            order = filter_order(results, dataset, method, SEED, len(correlation))
            image = heat_map(
                axes,
                correlation[np.ix_(order, order)],
                high=max(np.nanmax(values) for values in found.values()),
                aspect="equal",
                title=f"{dataset}, {method}",
                xlabel="filter",
                ylabel="filter",
            )
        bar_below(axes_group, image)
    return figure


def _correlation(results: Results, dataset: str, method: str) -> np.ndarray:
    """P of shape K×K."""
    tensors, header = load_checkpoint(layout.model(results.study.root, dataset, method, SEED))
    return filter_correlation(network_of(tensors, header, torch.device("cpu")).last_convolution.weight.detach()).numpy()
