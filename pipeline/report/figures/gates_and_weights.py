"""Heat maps, of seed 0, of the gates G, the classifier weights W beside them, G∘W, and W of each method without gates.

Filters stand in gate order, that of the class with the largest gate and last those that several classes have in equal
parts, the same in all panels of a method with gates (after Fig. 4 and, for fixed gates, Fig. E.1 of Liang et al. 2020).
A network without a linear layer on pooled features has no W.
"""

import numpy as np
from matplotlib.figure import Figure

from pipeline.report.panels import class_order, heat_map, in_lines, in_words
from pipeline.report.results import Results

SEED = 0


def draw(results: Results) -> Figure:
    study = results.study
    groups = [
        _matrices(results, dataset, method)
        for dataset in study.datasets
        for method in study.methods_on(dataset)
        if "gates" in results.tensors(dataset, method, SEED)
    ]
    if not groups:
        return in_words("no method of this study has gates")
    figure, panels = in_lines([len(group) for group in groups], columns=4, size=(2.5, 2.1))
    for axes_group, group in zip(panels, groups, strict=True):
        for axes, (title, matrix) in zip(axes_group, group, strict=True):
            limit = np.abs(matrix).max() or 1.0
            scale = {} if title.startswith("G,") else {"cmap": "RdBu_r", "low": -limit, "high": limit}
            image = heat_map(axes, matrix, title=title, xlabel="filter, in gate order", ylabel="class", **scale)
            figure.colorbar(image, ax=axes)
    return figure


def _matrices(results: Results, dataset: str, method: str) -> list[tuple[str, np.ndarray]]:
    """Titles and matrices C×K of a method with gates."""
    tensors = results.tensors(dataset, method, SEED)
    gates, weights = tensors["gates"], tensors.get("network.head.weight")
    order = class_order(gates)
    found = [(f"G, {dataset}, {method}", gates[:, order])]
    if weights is not None:
        found += [(f"W, {method}", weights[:, order]), (f"G∘W, {method}", (gates * weights)[:, order])]
    for other in results.study.methods_on(dataset):
        tensors = results.tensors(dataset, other, SEED)
        weights = tensors.get("network.head.weight")
        if "gates" not in tensors and weights is not None and weights.shape == gates.shape:
            found.append((f"W, {other}", weights[:, order]))
    return found
