"""Cosines of the mean features of a class with the gates of each class, of seed 0: of images that were got right (true
positives) and of those that were got wrong (false negatives), by their true class. A row without images is empty.
"""

from matplotlib.figure import Figure

from pipeline.report.panels import heat_map, in_lines, in_words, matrix, measured
from pipeline.report.results import Results

SEED = 0
GROUPS = {"tp": "true positives", "fn": "false negatives"}


def draw(results: Results) -> Figure:
    rows = measured(results, "gate_similarity", "gate_similarity")
    parts = list(rows[rows["seed"] == SEED].groupby(["name", "method"], sort=False))
    if not parts:
        return in_words("no evaluation of this study compares features with gates")
    figure, panels = in_lines([len(GROUPS)] * len(parts), columns=2, size=(3.6, 3.1))
    for axes_group, ((name, method), part) in zip(panels, parts, strict=True):
        for axes, (group, title) in zip(axes_group, GROUPS.items(), strict=True):
            image = heat_map(
                axes,
                matrix(part, rf"{group},class=(\d+),gate=(\d+)"),
                aspect="equal",
                title=f"{name}, {method}: {title}",
                xlabel="gates of class",
                ylabel="images of class",
            )
            figure.colorbar(image, ax=axes)
    return figure
