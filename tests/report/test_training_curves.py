"""Training curves: which epochs make the line, which stand apart, and what is shaded."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from pipeline.report.figures import training_curves
from pipeline.report.results import Results
from pipeline.study import Study


@pytest.fixture
def axes():
    """Panels by title of a study in which "csg" is trained on one of two datasets, every second epoch gated."""
    methods = {"std": {"datasets": None}, "csg": {"datasets": ["bars"]}}
    results = Results(
        Study({"study": "s", "root": "", "datasets": {"dots": {}, "bars": {}}, "methods": methods, "seeds": 2})
    )
    rows = []
    for dataset, method, seed in results.study.runs():
        for epoch in range(4):
            values = {"loss": 10 - epoch + seed, "accuracy": 0.1 * epoch + 0.2 * seed}
            if method == "csg":
                values |= {"csg_path": epoch % 2, "density": 0.5 - 0.1 * epoch}
            rows += [(dataset, method, seed, epoch, metric, value) for metric, value in values.items()]
    results.histories = pd.DataFrame(rows, columns=["dataset", "method", "seed", "epoch", "metric", "value"])
    ends = {"l1_density_lower": 0.1, "l1_density_upper": 0.2}
    results.overall = pd.DataFrame(
        [{"dataset": "bars", "method": "csg", "metric": metric, "value": value} for metric, value in ends.items()]
    )
    return {panel.get_title(): panel for panel in training_curves.draw(results).axes}


def lines(panel: plt.Axes) -> dict[str, np.ndarray]:
    return {line.get_label(): line.get_xydata() for line in panel.lines}


def test_gated_epochs_stand_apart_from_the_line_of_means(axes):
    found = lines(axes["bars: accuracy"])
    assert list(found) == ["std", "csg", "csg, gated epochs"]
    assert np.allclose(found["std"], [[0, 0.1], [1, 0.2], [2, 0.3], [3, 0.4]])
    assert np.allclose(found["csg"], [[0, 0.1], [2, 0.3]])
    assert np.allclose(found["csg, gated epochs"], [[1, 0.2], [3, 0.4]])


def test_density_is_one_line_over_its_interval(axes):
    found = lines(axes["bars: density"])
    assert np.allclose(found.pop("csg"), [[0, 0.5], [1, 0.4], [2, 0.3], [3, 0.2]]) and not found
    (interval,) = axes["bars: density"].patches
    assert interval.get_label() == "theoretical interval"
    assert np.allclose([interval.get_y(), interval.get_y() + interval.get_height()], [0.095, 0.205])


def test_datasets_show_the_methods_trained_on_them_in_the_same_colours(axes):
    assert list(lines(axes["dots: loss"])) == ["std"] and not axes["dots: density"].lines
    colours = {dataset: axes[f"{dataset}: loss"].lines[0].get_color() for dataset in ("dots", "bars")}
    assert colours["dots"] == colours["bars"] == "C0" and axes["bars: loss"].lines[1].get_color() == "C1"
    legends = [axes[f"{dataset}: loss"].figure.legends[0].get_texts() for dataset in ("dots", "bars")]
    names = [[text.get_text() for text in legend] for legend in legends]
    assert names == [["std"], ["std", "csg", "csg, gated epochs", "theoretical interval"]]
