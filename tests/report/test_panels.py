"""What figures share, each against its slow, literal form."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from pipeline.report.panels import (
    bar_below,
    class_order,
    curve,
    families,
    heat_map,
    in_lines,
    in_parts,
    in_words,
    matrix,
    with_legends,
)


def test_every_group_starts_a_line():
    figure, groups = in_lines([2, 5, 3], columns=3, size=(2, 1))
    assert figure.get_size_inches().tolist() == [6, 4]
    assert [len(group) for group in groups] == [2, 5, 3] and len(figure.axes) == 10
    places = [[(spec.rowspan.start, spec.colspan.start) for spec in map(plt.Axes.get_subplotspec, g)] for g in groups]
    assert places == [[(0, 0), (0, 1)], [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1)], [(3, 0), (3, 1), (3, 2)]]


def test_a_line_is_no_wider_than_the_largest_group():
    figure, (group,) = in_lines([2], columns=4, size=(2, 1))
    assert figure.get_size_inches().tolist() == [4, 1] and len(group) == 2


def test_colour_bars_leave_columns_where_they_are():
    figure, groups = in_lines([3, 2], columns=3, size=(2, 2))
    for group in groups:
        for axes in group:
            image = heat_map(axes, np.eye(4))
        bar_below(group, image)
    figure.canvas.draw()
    lines = [[axes.get_window_extent() for axes in group] for group in groups]
    lefts = [extent.x0 for extent in lines[0]]
    assert lefts[1] - lefts[0] == pytest.approx(lefts[2] - lefts[1], rel=0.02)
    assert [extent.x0 for extent in lines[1]] == pytest.approx(lefts[:2])


def test_panels_of_all_lines_are_as_high_however_long_their_legends():
    grid, lines = in_parts([1, 2])
    for number in range(30):
        lines[0][1][0].plot([number], label=f"method {number}")
    for axes in lines[1][1]:
        axes.plot([1], label="the same in both panels")
    figure = with_legends(grid, lines)
    figure.canvas.draw()
    assert [len(part.legends[0].get_texts()) for part, _ in lines] == [30, 1]
    heights = [axes.get_window_extent().height for axes in figure.axes]
    assert heights == pytest.approx([heights[0]] * 3, rel=0.2)
    for part, row in lines:
        assert part.legends[0].get_window_extent().y1 < min(axes.get_window_extent().y0 for axes in row)


def test_a_figure_in_words():
    assert in_words("nothing to see").texts[0].get_text() == "nothing to see"


def test_a_matrix_is_read_out_of_whole_subsets():
    values = {"class=0,filter=2": 1.0, "class=1,filter=0": 2.0, "class=11,filter=1": 3.0}
    others = {None: 7.0, "class=1": 8.0, "closed=0,class=0,filter=0": 9.0, "class=0,filter=0,more": 10.0}
    rows = pd.DataFrame({"subset": [*others, *values], "value": [*others.values(), *values.values()]}).set_index(
        np.arange(7)[::-1]
    )
    expected = np.full((12, 3), np.nan)
    expected[0, 2], expected[1, 0], expected[11, 1] = 1, 2, 3
    assert np.array_equal(matrix(rows, r"class=(\d+),filter=(\d+)"), expected, equal_nan=True)


def test_filters_by_the_class_of_their_largest_entry_and_those_of_none_last():
    values = np.array([[0.2, 1.0, 1.0, 0.0, 0.9, 0.1], [0.7, 1.0, 0.5, 0.0, 0.1, 0.8]])
    assert class_order(values).tolist() == [2, 4, 5, 0, 1, 3]


def literal_order(values: np.ndarray) -> list[int]:
    keys = []
    for k in range(values.shape[1]):
        owners = [c for c in range(len(values)) if values[c, k] == max(values[:, k])]
        keys.append((owners[0] if len(owners) == 1 and max(values[:, k]) > 0 else len(values), -max(values[:, k]), k))
    return [k for *_, k in sorted(keys)]


@pytest.mark.parametrize("seed", range(5))
def test_class_order_is_the_literal_one(seed):
    values = np.random.default_rng(seed).integers(0, 4, (3, 12)) / 4
    assert class_order(values).tolist() == literal_order(values)


def test_a_heat_map_keeps_its_scale_and_counts_in_integers():
    figure, axes = plt.subplots()
    image = heat_map(axes, np.array([[0.5, np.nan]]), high=2, title="t", xlabel="filter")
    figure.canvas.draw()
    assert image.get_clim() == (0, 2) and image.get_array().mask.tolist() == [[False, True]]
    assert axes.get_title() == "t" and axes.get_xlabel() == "filter"
    assert all(tick == round(tick) for tick in axes.get_xticks())


def test_a_curve_is_the_mean_over_seeds_within_their_range():
    _, axes = plt.subplots()
    curve(axes, pd.Series([1.0, 5.0, 3.0, 4.0], index=[20, 10, 20, 10]), "std", color="C1")
    (line,), (band,) = axes.lines, axes.collections
    assert line.get_xydata().tolist() == [[10, 4.5], [20, 2]] and line.get_label() == "std"
    corners = {(round(x, 6), round(y, 6)) for x, y in band.get_paths()[0].vertices}
    assert corners == {(10, 4), (10, 5), (20, 1), (20, 3)}


def test_families_differ_in_one_setting_alone():
    blocks = {
        "strong": {"from": "reff", "weight": 3.0, "norm": "l2", "datasets": None},
        "plain": {"from": "std", "norm": "l2", "datasets": None},
        "other": {"from": "reff", "weight": 3.0, "norm": "l1", "datasets": None},
        "weak": {"from": "reff", "weight": 0.1, "norm": "l2", "datasets": ["digits"]},
        "same": {"from": "std", "norm": "l2", "datasets": None},
    }
    found = [[(0.1, "weak"), (3.0, "strong")], [(None, "plain")], [(3.0, "other")], [(None, "same")]]
    assert families(blocks, "weight") == found
