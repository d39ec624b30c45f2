"""Centres that k-means finds in the features, by class, of seed 0, and beside them the gates G where there are any. A
class after which no cluster is named has an empty row. Filters stand in gate order, that of the class with the largest
gate; without gates, in that of the first method that has some (after Fig. F.2 of Liang et al. 2020).
"""

import numpy as np
from matplotlib.figure import Figure

from pipeline.report.panels import class_names, filter_order, heat_map, in_lines, in_words, matrix, measured
from pipeline.report.results import Results

SEED = 0


def draw(results: Results) -> Figure:
    rows = measured(results, "feature_clusters", "cluster_centre")
    parts = list(rows[rows["seed"] == SEED].groupby(["dataset", "name", "method"], sort=False))
    if not parts:
        return in_words("no evaluation of this study looks for clusters of features")
    figure, panels = in_lines([2] * len(parts), columns=2, size=(4.7, 2.1))
    for (left, right), ((dataset, name, method), part) in zip(panels, parts, strict=True):
        found = matrix(part, r"class=(\d+),filter=(\d+)")
        order = filter_order(results, dataset, method, SEED, found.shape[1])
        # The last classes may be among those without a cluster.
        centres = np.full((len(class_names(results, dataset)), found.shape[1]), np.nan)
        centres[: len(found)] = found
        labels = {"xlabel": "filter, in gate order", "ylabel": "class"}
        title = f"centres, {name}, {method}"
        image = heat_map(left, centres[:, order], high=np.nanmax(centres), title=title, **labels)
        figure.colorbar(image, ax=left)
        gates = results.tensors(dataset, method, SEED).get("gates")
        if gates is None:
            right.remove()
        else:
            image = heat_map(right, gates[:, order], title=f"G, {method}", **labels)
            figure.colorbar(image, ax=right)
    return figure
