"""Figures of settings that instances differ in: which point stands where, and what is said where there is none."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from pipeline.report.figures import accuracy_beside_focus, sweeps
from pipeline.report.results import Results
from pipeline.study import Study

DATASETS = {
    "random": {"from": "textured", "randomness": 1.0, "flip": True},
    "tied": {"from": "textured", "randomness": 0.2, "flip": True},
    "other": {"from": "textured", "randomness": 0.5, "flip": False},
}
METHODS = {
    "base": {"from": "std", "datasets": None},
    "strong": {"from": "reff", "annotator": None, "weight": 10.0, "datasets": ["tied"]},
    "weak": {"from": "reff", "annotator": None, "weight": 0.1, "datasets": ["tied"]},
    "tenth": {"from": "reff", "annotator": "ten", "weight": 10.0, "datasets": ["tied"]},
}
#: Accuracy and inside share of seed 0; those of seed 1 are larger by 0.1.
VALUES = {
    ("tied", "base"): (0.2, 0.1), ("tied", "strong"): (0.8, 0.7), ("tied", "weak"): (0.3, 0.2),
    ("tied", "tenth"): (0.6, 0.5), ("random", "base"): (0.9, 0.4), ("other", "base"): (0.5, 0.3),
}  # fmt: skip


def results(methods: dict[str, dict] = METHODS, datasets: dict[str, dict] = DATASETS) -> Results:
    annotators = {"ten": {"share": 0.1, "datasets": None}}
    found = Results(Study({
        "study": "s", "root": "", "datasets": datasets, "annotators": annotators, "methods": methods, "seeds": 2,
        "evaluations": {"accuracy": {"from": "accuracy"}, "focus": {"from": "localisation"}},
    }))  # fmt: skip
    rows = [
        {"dataset": dataset, "method": method, "seed": seed, "metric": metric, "value": value + 0.1 * seed,
         "explainer": explainer, "evaluation": evaluation, "subset": subset}
        for (dataset, method), values in VALUES.items()
        if method in methods and dataset in datasets
        for seed in (0, 1)
        for metric, evaluation, explainer, value, subset in (
            ("accuracy", "accuracy", None, values[0], None), ("accuracy", "iid", None, 0.99, "images=iid"),
            ("energy_inside", "focus", "grad_cam", values[1], None), ("mask_area", "focus", None, 0.25, None),
        )
    ]  # fmt: skip
    found.metrics = pd.DataFrame(rows)
    return found


def lines(axes: plt.Axes) -> dict[str, list]:
    return {line.get_label(): line.get_xydata().round(6).tolist() for line in axes.lines}


def test_each_setting_has_a_line_of_panels():
    axes = sweeps.draw(results()).axes
    assert [panel.get_xlabel() for panel in axes] == [
        "randomness", "randomness", "share of human masks, %", "share of human masks, %", "weight of the penalty",
        "weight of the penalty",
    ]  # fmt: skip
    assert [panel.get_ylabel() for panel in axes[:2]] == ["Acc, %", "E_in, %"]
    accuracy, inside, by_share, _, by_weight, _ = axes
    # The mean of two seeds; on `other` a second setting differs, and the other methods are trained on `tied` alone.
    assert lines(accuracy) == {"base": [[0.2, 25], [1, 95]]}
    assert lines(inside) == {"base": [[0.2, 15], [1, 45]]}
    assert lines(by_share) == {"strong": [[10, 65], [100, 85]]}
    assert lines(by_weight) == {"strong": [[0.1, 35], [10, 85]]}
    assert by_share.get_xscale() == by_weight.get_xscale() == "log" and accuracy.get_xscale() == "linear"


def test_the_title_of_a_grid_leaves_out_what_is_swept():
    block = {"from": "textured", "flip": 0.5}
    grid = {f"set_randomness{key}_flip5": {**block, "randomness": value} for key, value in (("0", 0.0), ("1", 1.0))}
    study = results(datasets=grid).study
    assert next(sweep.title for sweep in sweeps.all_sweeps(study)) == "set flip5"


def test_what_is_measured_in_one_place_has_no_panel():
    found = results()
    found.metrics = found.metrics[(found.metrics["metric"] == "accuracy") | (found.metrics["dataset"] == "random")]
    figure = sweeps.draw(found)
    assert [panel.get_ylabel() for panel in figure.axes] == ["Acc, %"] * 3
    names = [[text.get_text() for text in part.legends[0].get_texts()] for part in figure.subfigs]
    assert names == [["base"], ["strong"], ["strong"]]


def test_a_study_of_instances_that_have_nothing_in_common_says_so():
    figure = sweeps.draw(results({"base": METHODS["base"]}, {"tied": DATASETS["tied"]}))
    assert figure.texts[0].get_text() == "no instances of this study differ in one setting alone"


def test_accuracy_stands_over_the_share_inside():
    tied, *_ = (axes for axes in accuracy_beside_focus.draw(results()).axes if axes.get_title() == "tied: grad cam")
    marks = {line.get_label(): line.get_xydata().round(6).tolist() for line in tied.lines if line.get_marker() == "o"}
    assert marks == {"base": [[15, 25]], "weak": [[25, 35], [75, 85]], "tenth": [[55, 65]]}
    seeds = [place for line in tied.lines if line.get_marker() == "." for place in line.get_xydata().tolist()]
    expected = [[inside + 10 * seed, accuracy + 10 * seed] for accuracy, inside in
                ((20, 10), (30, 20), (80, 70), (60, 50)) for seed in (0, 1)]  # fmt: skip
    assert np.allclose(sorted(seeds), sorted(expected))
    assert [text.get_text() for text in tied.texts] == ["0.1", "10"]
    assert [line.get_xdata() for line in tied.lines if line.get_linestyle() == ":"] == [[30, 30]]


def test_without_maps_beside_masks_it_says_so():
    found = results()
    found.metrics = found.metrics[found.metrics["metric"] == "accuracy"]
    figure = accuracy_beside_focus.draw(found)
    assert figure.texts[0].get_text() == "no evaluation of this study compares maps with objects"
