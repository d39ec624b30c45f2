"""Figures of what scores tell: the table of attributes, and heat maps over test images."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from tables import write_samples

from pipeline import layout
from pipeline.datasets.samples import Prepared, Sample
from pipeline.report.figures import attribute_table, score_maps
from pipeline.report.panels import over_image
from pipeline.report.results import Results
from pipeline.study import Study

ATTRIBUTES = ["red", "has_horns", "blue"]
PICTURES = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 1), dtype=np.uint8)


def results_of(root: Path, rows: list[dict], **evaluations: str) -> Results:
    """A study of std and deepfacto on three test images with attributes, whose evaluations left `rows`."""
    prepared = Prepared(
        class_names=["a"], mean=[0.5], std=[0.5], train=(), test=(), columns=("attributes",),
        names={"attributes": ATTRIBUTES},
    )  # fmt: skip
    samples = [
        Sample(sample_id=str(i), image=PICTURES[i], label=0, attributes=np.array([0, 1, 0], np.uint8)) for i in range(3)
    ]
    table = Path(layout.dataset(str(root), "bars", "test"))
    table.parent.mkdir(parents=True)
    write_samples(table, samples, prepared, augment={})
    found = Results(
        Study(
            {
                "study": "s", "root": str(root), "datasets": {"bars": {}}, "seeds": 2,
                "evaluations": {name: {"from": kind} for name, kind in evaluations.items()},
                "methods": {name: {"from": name, "datasets": None} for name in ("std", "deepfacto")},
            }
        )
    )  # fmt: skip
    common = {"dataset": "bars", "seed": 0, "explainer": None, "subset": None, "n": 1}
    found.metrics = pd.DataFrame([common | row for row in rows])
    return found


def probed(method: str, evaluation: str, seed: int, accuracy: list[float]) -> list[dict]:
    """Of three attributes, the majority rates of which are 0.5, 0.75 and 1."""
    rows = []
    for metric, values in (("probe_accuracy", accuracy), ("majority_accuracy", [0.5, 0.75, 1.0])):
        named = {None: np.nanmean(values[:2])} | {f"attribute={i}": value for i, value in enumerate(values)}
        rows += [{"metric": metric, "subset": subset, "value": value} for subset, value in named.items()]
    return [{"method": method, "evaluation": evaluation, "seed": seed} | row for row in rows]


def test_table_has_means_over_seeds_beside_the_majority(tmp_path):
    rows = probed("deepfacto", "probe", 0, [0.6, 0.8, np.nan]) + probed("deepfacto", "probe", 1, [0.7, 0.9, np.nan])
    rows += probed("std", "probe_pca", 0, [0.4, 0.75, np.nan])
    rows.append({"method": "std", "evaluation": "other", "metric": "accuracy", "value": 1.0})
    results = results_of(tmp_path, rows, probe="linear_probe", probe_pca="linear_probe", other="accuracy")
    figure = attribute_table.draw(results)
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["majority", "deepfacto, probe", "std, probe pca"]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["mean of those with a probe", "red", "has horns", "blue"] and axes.get_title(loc="left") == "bars"
    shown = {tuple(map(int, text.get_position())): text.get_text() for text in axes.texts}
    assert shown == {
        (0, 0): "62.5", (0, 1): "50.0", (0, 2): "75.0", (0, 3): "100.0",
        (1, 0): "75.0", (1, 1): "65.0", (1, 2): "85.0",
        (2, 0): "57.5", (2, 1): "40.0", (2, 2): "75.0",
    }  # fmt: skip
    gains = np.ma.filled(axes.images[0].get_array(), np.nan)
    assert np.allclose(gains, [[0, 12.5, -5], [0, 15, -10], [0, 10, 0], [0, np.nan, np.nan]], equal_nan=True)


def test_heat_maps_have_the_scale_of_their_dimension(tmp_path):
    values = np.arange(12.0).reshape(3, 2, 2)  # images, rows, columns
    limits = {"5": 22.0, "2": 44.0}
    rows = [
        {"method": "deepfacto", "seed": seed, "metric": "score", "value": (1 + seed) * values[i, u, v] * limits[j] / 22,
         "subset": f"dimension={j},image={i},row={u},column={v}"}
        for j in limits for i in range(3) for u in range(2) for v in range(2) for seed in (0, 1)
    ]  # fmt: skip
    rows += [
        {"method": "deepfacto", "metric": "score_limit", "value": limit, "subset": f"dimension={j}"}
        for j, limit in limits.items()
    ]
    results = results_of(tmp_path, [row | {"evaluation": "where"} for row in rows], where="score_maps")
    figure = score_maps.draw(results)
    grid = np.array(figure.axes).reshape(3, 3)
    assert [line[0].get_ylabel() for line in grid] == [
        "bars",
        "deepfacto\ndimension 5 (22)",
        "deepfacto\ndimension 2 (44)",
    ]
    for i in range(3):
        assert np.array_equal(np.squeeze(grid[0, i].images[0].get_array()), PICTURES[i, ..., 0])
        expected = over_image(PICTURES[i], values[i].astype(np.float32), 22.0)
        for line in (1, 2):
            assert np.allclose(grid[line, i].images[0].get_array(), expected)


def test_strongest_red_is_the_limit_and_no_colour_is_zero():
    picture = np.full((4, 4, 3), 255, np.uint8)
    red = over_image(picture, np.full((2, 2), 3, np.float32), 3.0)
    assert np.allclose(red, plt.get_cmap("RdBu_r")(1.0)[:3])
    assert np.allclose(over_image(picture, np.full((2, 2), 9, np.float32), 3.0), red)
    for limit in (3.0, 0.0):
        plain = over_image(picture, np.zeros((2, 2), np.float32), limit)
        assert np.ptp(plain, axis=2).max() < 0.01 and plain.shape == (4, 4, 3)
