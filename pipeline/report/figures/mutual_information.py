"""Mutual information of single filters and single classes, in nats, of seed 0; all methods of a dataset have one colour
scale. Filters stand in the order of the class about which they tell most, which every network has for itself: filters
that tell about one class alone show as bright steps on a dark ground.
"""

from matplotlib.figure import Figure

from pipeline.report.panels import bar_below, class_order, heat_map, in_lines, in_words, matrix, measured
from pipeline.report.results import Results

SEED = 0


def draw(results: Results) -> Figure:
    rows = measured(results, "mutual_information", "mutual_information")
    rows = rows[rows["seed"] == SEED]
    groups = [list(of_data.groupby("method", sort=False)) for _, of_data in rows.groupby("name", sort=False)]
    if not groups:
        return in_words("no evaluation of this study measures the mutual information of filters and classes")
    figure, panels = in_lines([len(group) for group in groups], columns=3, size=(3.1, 2.5))
    for axes_group, group in zip(panels, groups, strict=True):
        for axes, (method, part) in zip(axes_group, group, strict=True):
            values = matrix(part, r"filter=(\d+),class=(\d+)").T
            image = heat_map(
                axes,
                values[:, class_order(values)],
                high=max(of_method["value"].max() for _, of_method in group),
                title=f"{part['name'].iloc[0]}, {method}",
                xlabel="filter, in order of its class",
                ylabel="class",
            )
        bar_below(axes_group, image, "nat")
    return figure
