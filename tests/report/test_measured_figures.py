"""Figures of what evaluations measured: which number is drawn where, and what is said where there is none."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from pipeline import layout
from pipeline.checkpoints import save_checkpoint
from pipeline.errors import UserError
from pipeline.report.figures import (
    adversarial_detection,
    attribute_table,
    black_box,
    feature_clusters,
    filter_masking,
    gate_similarity,
    localisation,
    metrics,
    mutual_information,
    score_maps,
)
from pipeline.report.results import Results
from pipeline.study import Study

FIGURES = (
    adversarial_detection, attribute_table, black_box, feature_clusters, filter_masking, gate_similarity, localisation,
    mutual_information, score_maps,
)  # fmt: skip
#: Filters by class: 1, then 2 and then 0 without a single class.
GATES = torch.tensor([[1.0, 0.0, 0.2], [1.0, 0.3, 1.0], [1.0, 1.0, 0.0]])
NAMES = ["north", "east", "south"]


def results_of(rows: list[dict], root: str = "", **evaluations: dict) -> Results:
    """A study with the methods std, csg and csg_fixed whose evaluations left `rows` on dataset "bars"."""
    methods = {"std": "std", "csg": "csg", "csg_fixed": "csg"}
    found = Results(
        Study(
            {
                "study": "s", "root": root, "datasets": {"bars": {}}, "seeds": 2, "evaluations": evaluations,
                "methods": {
                    name: {"from": kind, "datasets": None, "network": {"from": "mlp"}} for name, kind in methods.items()
                },
            }
        )
    )  # fmt: skip
    common = {"dataset": "bars", "seed": 0, "explainer": None, "subset": None, "n": 1}
    found.metrics = pd.DataFrame(
        [common | {"evaluation": next(iter(evaluations))} | row for row in rows],
        columns=["dataset", "method", "seed", "explainer", "metric", "subset", "value", "n", "evaluation"],
    )
    return found


def images(figure: plt.Figure) -> dict[str, np.ndarray]:
    return {axes.get_title(): np.ma.filled(axes.images[0].get_array(), np.nan) for axes in figure.axes if axes.images}


def lines(axes: plt.Axes) -> dict[str, list]:
    return {line.get_label(): line.get_xydata().tolist() for line in axes.lines}


@pytest.mark.parametrize("module", FIGURES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_a_study_without_the_rows_says_so(module):
    figure = module.draw(
        results_of([{"method": "std", "metric": "accuracy", "value": 1}], accuracy={"from": "accuracy"})
    )
    assert figure.texts[0].get_text().startswith("no evaluation of this study ") and not figure.axes


def test_metrics_have_a_panel_each_with_the_seeds_and_their_mean_where_one_side_is_better():
    accuracies = {("std", 0): 0.5, ("std", 1): 0.7, ("csg", 0): 0.8, ("csg", 1): 0.9, ("csg_fixed", 0): 0.1}
    rows = [{"method": name, "seed": seed, "metric": "accuracy", "value": x} for (name, seed), x in accuracies.items()]
    rows += [
        {"method": "std", "metric": name, "value": 0.2} for name in ("mutual_information_score", "object_probability")
    ]
    figure = metrics.draw(results_of(rows, accuracy={"from": "accuracy"}))
    assert [axes.get_title() for axes in figure.axes] == ["bars: Acc", "bars: MIS"]
    panel = figure.axes[0]
    assert [label.get_text() for label in panel.get_yticklabels()] == ["std", "csg", "csg_fixed"]
    drawn = {mark: [line.get_xydata().tolist() for line in panel.lines if line.get_marker() == mark] for mark in ".|"}
    assert drawn["."] == [[[50, 0], [70, 0]], [[80, 1], [90, 1]], [[10, 2]]]
    assert next(place for place in drawn["|"] if place[0][1] == 0) == [[60, 0]]


def test_lines_of_metrics_are_as_high_as_their_methods_need_and_long_names_have_more_room(monkeypatch):
    shown = {"accuracy": ["std", "csg", "csg_fixed"], "l1_density": ["csg"], "pointing_game": ["csg"]}
    rows = [{"method": name, "metric": metric, "value": 0.5} for metric, names in shown.items() for name in names]

    def places() -> list[tuple[int, int]]:
        figure = metrics.draw(results_of(rows, accuracy={"from": "accuracy"}))
        figure.canvas.draw()
        heights.append([axes.get_window_extent().height for axes in figure.axes])
        return [(spec.rowspan.start, spec.colspan.start) for spec in map(plt.Axes.get_subplotspec, figure.axes)]

    heights: list[list[float]] = []
    assert places() == [(0, 0), (0, 1), (0, 2)]
    monkeypatch.setattr(metrics, "LONG", len("csg_fixed") - 1)
    assert places() == [(0, 0), (0, 1), (1, 0)]
    assert heights[0][0] == pytest.approx(heights[0][2]) and heights[1][0] > 1.2 * heights[1][2]


def test_cosines_of_both_groups_are_drawn():
    rows = [("tp", y, c, 0.1 * y + 0.2 * c) for y in range(3) for c in range(3)]
    rows += [("fn", y, c, np.nan if y == 1 else 0.3) for y in range(3) for c in range(3)]
    results = results_of(
        [
            {"method": "csg", "seed": seed, "metric": "gate_similarity", "subset": f"{group},class={y},gate={c}",
             "value": value + seed}
            for group, y, c, value in rows
            for seed in (0, 1)
        ],
        cosines={"from": "gate_similarity"},
    )  # fmt: skip
    shown = images(gate_similarity.draw(results))
    assert list(shown) == ["bars, csg: true positives", "bars, csg: false negatives"]
    expected = 0.1 * np.arange(3)[:, None] + 0.2 * np.arange(3)
    assert np.allclose(shown["bars, csg: true positives"], expected)
    assert np.isnan(shown["bars, csg: false negatives"][1]).all()
    assert np.allclose(shown["bars, csg: false negatives"][[0, 2]], 0.3)


def information(method: str, values: list[list[float]], **other: object) -> list[dict]:
    """Rows of M, which is given as C×K."""
    return [
        {"method": method, "metric": "mutual_information", "subset": f"filter={k},class={c}", "value": value} | other
        for c, row in enumerate(values)
        for k, value in enumerate(row)
    ]


def test_information_of_all_methods_has_one_scale_and_each_an_order_of_its_own():
    std, csg = [[0.1, 0.5, 0.3], [0.4, 0.2, 0.2]], [[0.0, 0.0, 0.9], [0.7, 0.8, 0.0]]
    rows = [*information("std", std), *information("csg", csg), *information("csg", [[5.0] * 3] * 2, seed=1)]
    figure = mutual_information.draw(results_of(rows, scores={"from": "mutual_information"}))
    shown = images(figure)
    assert list(shown) == ["bars, std", "bars, csg"]
    assert np.array_equal(shown["bars, std"], np.array(std)[:, [1, 2, 0]])
    assert np.array_equal(shown["bars, csg"], np.array(csg)[:, [2, 1, 0]])
    assert {axes.images[0].get_clim() for axes in figure.axes if axes.images} == {(0, 0.9)}


def test_evaluations_that_measure_the_same_are_told_apart():
    rows = information("std", [[1.0]], evaluation="many") + information("std", [[2.0]], evaluation="few")
    blocks = {name: {"from": "mutual_information"} for name in ("many", "few")}
    shown = images(mutual_information.draw(results_of(rows, **blocks)))
    assert [(title, values.item()) for title, values in shown.items()] == [
        ("bars, many, std", 1),
        ("bars, few, std", 2),
    ]


def test_confusions_are_drawn_with_all_filters_open_with_some_closed_and_with_these_alone():
    def of_network(method: str, seed: int) -> list[dict]:
        entries = {
            f"{prefix}class={y},predicted={p}": shift + 0.1 * y + 0.01 * p
            for shift, prefix in ((0, ""), (0.3, "closed=0+1,"), (0.6, "open=0+1,"))
            for y in range(3)
            for p in range(3)
        }
        scalars = {"closed_filters": 2 + seed, "masked_recall": 0.1 + 0.2 * seed, "open_share": 0.9, "kept_recall": 0.8}
        common = {"method": method, "seed": seed}
        return [
            *({"metric": "confusion", "subset": subset, "value": value} | common for subset, value in entries.items()),
            *({"metric": m, "subset": "closed=0+1", "value": v, "n": 6} | common for m, v in scalars.items()),
            *({"metric": m, "value": -1, "n": 6} | common for m in scalars),
        ]

    rows = [row for seed in (0, 2) for row in of_network("csg", seed)]
    shown = images(filter_masking.draw(results_of(rows, masks={"from": "filter_masking"})))
    assert list(shown) == [
        "all filters open", "closed: 0+1\n3 of 6 filters, recall 30 %", "open: 0+1 alone\npredicted 90 %",
    ]  # fmt: skip
    entries = 0.1 * np.arange(3)[:, None] + 0.01 * np.arange(3)
    for values, shift in zip(shown.values(), (0, 0.3, 0.6), strict=True):
        assert np.allclose(values, shift + entries)


def test_centres_stand_in_gate_order_beside_the_gates(tmp_path):
    root = str(tmp_path)
    for method in ("std", "csg", "csg_fixed"):
        tensors = {"gates": GATES} if method == "csg" else {"bias": torch.zeros(1)}
        for seed in (0, 1):
            save_checkpoint(
                layout.model(root, "bars", method, seed), tensors, {"dataset": "bars", "class_names": NAMES}
            )
    rows = [
        {"method": method, "metric": "cluster_centre", "subset": f"class={c},filter={k}", "value": 10 * c + k}
        for method in ("std", "csg")
        for c in (0, 1)
        for k in range(3)
    ]
    shown = images(feature_clusters.draw(results_of(rows, root, clusters={"from": "feature_clusters"})))
    assert list(shown) == ["centres, bars, std", "centres, bars, csg", "G, csg"]
    for method in ("std", "csg"):
        centres = shown[f"centres, bars, {method}"]
        assert centres[:2].tolist() == [[2, 1, 0], [12, 11, 10]]
        assert centres.shape == (3, 3) and np.isnan(centres[2]).all(), "no cluster is named after the last class"
    assert np.array_equal(shown["G, csg"], GATES.numpy()[:, [2, 1, 0]])


def test_localisation_is_drawn_over_n_and_by_class(tmp_path):
    root, rows = str(tmp_path), []
    for method, base in (("std", 0.1), ("csg", 0.3)):
        for seed in (0, 1):
            save_checkpoint(
                layout.model(root, "bars", method, seed), {"b": torch.zeros(1)},
                {"dataset": "bars", "class_names": NAMES},
            )  # fmt: skip
            values = {
                ("ap", "n=5"): base + 0.5, ("ap", "n=10"): base + 0.2 * seed, ("ap", None): 1, ("ap", "class=0"): 1,
                ("iou", None): base, ("iou", "class=0"): base + 0.1 * seed, ("iou", "class=2"): np.nan,
                ("iou", "filter=0"): 1,
            }  # fmt: skip
            rows += [
                {"method": method, "seed": seed, "explainer": explainer, "metric": metric, "subset": subset,
                 "value": value / (1 + (explainer == "ActivMap"))}
                for explainer in ("cam", "ActivMap")
                for (metric, subset), value in values.items()
            ]  # fmt: skip
    results = results_of(rows, root, maps={"from": "localisation"})
    results.study.slice["methods"].pop("csg_fixed")
    figure = localisation.draw(results)
    left, right, small_left, small_right = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["bars: cam"] * 2 + ["bars: ActivMap"] * 2
    for axes, scale in ((left, 100), (small_left, 50)):
        found = lines(axes)
        assert np.allclose(found["std"], [[5, 0.6 * scale], [10, 0.2 * scale]])
        assert np.allclose(found["csg"], [[5, 0.8 * scale], [10, 0.4 * scale]])
    for axes, scale in ((right, 100), (small_right, 50)):
        bars = [(bar.get_x() + bar.get_width() / 2, bar.get_height()) for bar in axes.patches]
        expected = [(-0.2, 0.1), (0.8, 0.15), (2.8, np.nan), (0.2, 0.3), (1.2, 0.35), (3.2, np.nan)]
        assert np.allclose(bars, [(place, scale * height) for place, height in expected], equal_nan=True)
    assert [label.get_text() for label in small_right.get_xticklabels()] == ["all", *NAMES]
    assert not right.get_xticklabels(), "classes are named once a dataset"
    assert right.get_xlim() == small_right.get_xlim()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["std", "csg"]


def test_detection_errors_are_drawn_over_the_size_with_the_success_of_the_attack():
    values = {
        ("detection_error", "attack=pgd,size=10"): 0.3, ("detection_error", "attack=pgd,size=25"): 0.2,
        ("detection_error", "attack=fgsm,size=10"): 0.6, ("detection_error", "attack=pgd"): 0.9,
        ("detection_error", "attack=pgd,size=10,forest=0"): 0.8, ("detection_error", None): 0.7,
        ("detection_error", "attack=pgd,size=10,successful"): 0.1, ("attack_success", "attack=pgd"): 0.5,
        ("attack_success", "attack=fgsm"): 0.25, ("attack_success", None): 0.4,
    }  # fmt: skip
    rows = [
        {"method": method, "seed": seed, "metric": metric, "subset": subset, "value": value + 0.1 * seed}
        for method in ("std", "csg")
        for seed in (0, 1)
        for (metric, subset), value in values.items()
    ]
    rows += [row | {"evaluation": "other", "value": 0.99} for row in rows if row["metric"] == "attack_success"]
    blocks = {"forests": {"from": "adversarial_detection"}, "other": {"from": "adversarial"}}
    pgd, fgsm = adversarial_detection.draw(results_of(rows, **blocks)).axes
    assert [axes.get_title() for axes in (pgd, fgsm)] == ["bars: pgd", "bars: fgsm"]
    for method in ("std", "csg"):
        assert np.allclose(lines(pgd)[f"{method}, 55 % succeed"], [[10, 35], [25, 25]])
        assert np.allclose(lines(fgsm)[f"{method}, 30 % succeed"], [[10, 65]])
    assert pgd.get_xticks().tolist() == [10, 25]
    assert fgsm.get_ylim()[1] > 70, "worse than guessing is still inside"


PUBLISHED = """paper,table,dataset,model,method,metric,value,unit,note
s,Table J.1,CIFAR-10,ResNet20,STD,attack_success_rate_single_pixel,14.00,%,
s,Table J.1,CIFAR-10,ResNet20,CSG,attack_success_rate_single_pixel,2.00,%,
s,Table J.1,CIFAR-10,ResNet20,STD,attack_success_rate_local_search,15.00,%,
s,Table J.1,CIFAR-10,ResNet20,STD,accuracy,88.03,%,
"""
COMPARISON = """
methods: {STD: [std], CSG: [csg]}
tables: {Table J.1: {note: of gates made by hand, methods: {CSG: [csg, csg_fixed]}}}
quantities:
- {title: point, metric: attack_success, subset: attack=point, published: attack_success_rate_single_pixel}
- {title: search, metric: attack_success, subset: attack=search, published: attack_success_rate_local_search}
- {title: accuracy, metric: accuracy, published: accuracy}
"""
ATTACKS = {"point": {"from": "one_pixel"}, "search": {"from": "local_search"}, "pgd": {"from": "pgd"}}


def black_box_results() -> Results:
    rates = {"attack=point": 0.1, "attack=search": 0.2, "attack=pgd": 0.3, "attack=point,class=0": 0.4, None: 0.5}
    rows = [
        {"method": method, "seed": seed, "metric": "attack_success", "subset": subset, "value": value + 0.2 * seed}
        for method in ("std", "csg", "csg_fixed")
        for seed in (0, 1)
        for subset, value in rates.items()
    ]
    rows += [row | {"evaluation": "forests"} for row in rows]
    return results_of(
        rows, hidden={"from": "adversarial", "attacks": ATTACKS},
        forests={"from": "adversarial_detection", "attacks": ATTACKS},
    )  # fmt: skip


def test_black_box_attacks_stand_beside_the_published_rates(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies" / "s").mkdir(parents=True)
    (tmp_path / "studies" / "s" / "published.csv").write_text(PUBLISHED)
    (tmp_path / "studies" / "s" / "comparison.yaml").write_text(COMPARISON)
    figure = black_box.draw(black_box_results())
    assert [axes.get_title() for axes in figure.axes] == ["bars: point", "bars: search"]
    for axes, mean, theirs in zip(figure.axes, (20, 30), ([[0, 14], [1, 2], [2, 2]], [[0, 15]]), strict=True):
        marks = {kind: [p for line in axes.lines if line.get_marker() == kind for p in line.get_xydata().tolist()]
                 for kind in "._D"}  # fmt: skip
        assert np.allclose(marks["."], [[m, mean + shift] for m in range(3) for shift in (-10, 10)])
        assert np.allclose(marks["_"], [[m, mean] for m in range(3)])
        assert marks["D"] == theirs
        assert all(line.get_markerfacecolor() == "none" for line in axes.lines if line.get_marker() == "D")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["Table J.1, CIFAR-10, ResNet20"]


def test_black_box_attacks_stand_alone_where_nothing_is_compared(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    figure = black_box.draw(black_box_results())
    assert not figure.legends and not [line for axes in figure.axes for line in axes.lines if line.get_marker() == "D"]


def test_a_missing_table_of_published_numbers_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies" / "s").mkdir(parents=True)
    (tmp_path / "studies" / "s" / "comparison.yaml").write_text(COMPARISON)
    with pytest.raises(UserError, match=r"studies/s/published.csv: no such file"):
        black_box.draw(black_box_results())
