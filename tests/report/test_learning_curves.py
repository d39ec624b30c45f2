"""Learning curves: which histories go into which panel, their means and bands."""

import numpy as np
import pandas as pd
import pytest

from pipeline.report.figures import learning_curves
from pipeline.report.results import Results
from pipeline.study import Study


def results(rows: list[tuple[str, int, int, str, float]], **networks: int) -> Results:
    """Histories (method, seed, epoch, metric, value) on "dots", of methods with a network of so many hidden layers."""
    methods = {
        name: {"datasets": None, "network": {"from": "mlp", "hidden": [8] * layers}}
        for name, layers in networks.items()
    }
    found = Results(Study({"study": "s", "root": "", "datasets": {"dots": {}}, "methods": methods, "seeds": 2}))
    names = ["method", "seed", "epoch", "metric", "value"]
    found.histories = pd.DataFrame(rows, columns=names).assign(dataset="dots")
    return found


def test_methods_of_one_network_share_a_line_of_panels():
    rows = [
        (method, seed, epoch, "test_accuracy", 0.1 * epoch + 0.2 * seed)
        for method in ("one", "two", "deep")
        for seed in (0, 1)
        for epoch in (0, 1)
    ]
    rows += [("two", seed, epoch, "residual", 0.5 - 0.1 * epoch) for seed in (0, 1) for epoch in (0, 1)]
    figure = learning_curves.draw(results(rows, one=1, two=1, deep=3))
    shallow, residual, deep, empty = figure.axes
    assert {line.get_label(): line.get_xydata().tolist() for line in shallow.lines} == {
        method: [[1, pytest.approx(10)], [2, pytest.approx(20)]] for method in ("one", "two")
    }
    assert [line.get_label() for line in deep.lines] == ["deep"] and not empty.lines
    assert np.allclose(residual.lines[0].get_ydata(), [0.5, 0.4]) and len(residual.lines) == 1
    band = shallow.collections[0].get_paths()[0].vertices[:, 1]
    deviation = 100 * np.std([0, 0.2], ddof=1)
    assert band.min() == pytest.approx(10 - deviation) and band.max() == pytest.approx(20 + deviation)


def test_seconds_have_a_panel_where_there_was_a_clock():
    rows = [("one", 0, epoch, "test_accuracy", 0.5) for epoch in (0, 1)]
    rows += [("one", 0, epoch, "seconds", 3.0 * epoch + 2) for epoch in (0, 1)]
    _, seconds = learning_curves.draw(results(rows, one=1)).axes
    assert seconds.get_xlabel() == "seconds of training"
    assert seconds.lines[0].get_xydata().tolist() == [[2, 50], [5, 50]]


def test_a_study_that_watched_nothing_says_so():
    figure = learning_curves.draw(results([("one", 0, 0, "loss", 1.0)], one=1))
    assert "watched" in figure.texts[0].get_text()
