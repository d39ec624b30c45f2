"""The figure of bases and of one image taken apart: what its panels hold, and which methods a study measures."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from tables import write_images

from pipeline import layout
from pipeline.checkpoints import save_checkpoint
from pipeline.report.figures import decomposition, learning_curves
from pipeline.report.results import Results
from pipeline.study import Study

NOTHING = {"datasets": None, "network": {"from": "no_network"}, "from": "decomposition"}
TRAINED = {"datasets": None, "network": {"from": "mlp", "hidden": [8]}, "from": "std"}


def study(root: str, **methods: dict) -> Study:
    every = {"datasets": None, "methods": None}
    evaluations = {"accuracy": every, "decomposition": {**every, "methods": ["nmf", "pca"]}}
    return Study({
        "study": "s", "root": root, "datasets": {"dots": {}}, "methods": methods,
        "explainers": {"cam": {"families": []}}, "seeds": 1,
        "evaluations": evaluations,
    })  # fmt: skip


@pytest.fixture
def results(tmp_path) -> Results:
    """One image of 2×2 pixels, bases along its pixels with 2 and 3 of them, of PCA with a mean and a negative entry."""
    found = study(str(tmp_path), std=TRAINED, nmf=NOTHING, pca=NOTHING)
    table = tmp_path / layout.dataset("", "dots", "test").lstrip("/")
    table.parent.mkdir(parents=True)
    pixels = np.array([255, 102, 0, 51], np.uint8).reshape(1, 2, 2, 1)
    write_images(table, ["0"], pixels, np.zeros(1, int), class_names=["x"], mean=[0.5], std=[0.2])
    tensors = {
        "nmf": {"bases": torch.eye(2, 4)},
        "pca": {"bases": torch.eye(3, 4) * torch.tensor([[1.0], [-1.0], [1.0]]), "mean": torch.full((4,), 0.5)},
    }
    for method, kept in tensors.items():
        path = tmp_path / layout.model("", "dots", method, 0).lstrip("/")
        path.parent.mkdir(parents=True)
        save_checkpoint(path, kept, {})
    return Results(found)


def shown(figure: plt.Figure) -> dict[str, np.ndarray]:
    """Arrays by panel, those of one title one after another."""
    found: dict[str, list] = {}
    for axes in figure.axes:
        found.setdefault(axes.get_title(), []).append(np.ma.filled(axes.images[0].get_array(), np.nan))
    return found


def test_panels_are_image_reconstruction_bases_and_parts(results):
    found = shown(decomposition.draw(results))
    assert list(found) == [
        "dots: image", "reconstruction", "nmf: bases", "nmf: coefficient × basis", "pca: bases",
        "pca: coefficient × basis",
    ]  # fmt: skip
    assert all(image == pytest.approx(np.array([[1, 0.4], [0, 0.2]])) for image in found["dots: image"])
    nmf, pca = found["reconstruction"]
    assert nmf == pytest.approx(np.array([[1, 0.4], [0, 0]])) and pca == pytest.approx(np.array([[1, 0.4], [0, 0.5]]))
    gap = np.nan
    first = [[1, 0, gap, 0, 0.4], [0, 0, gap, 0, 0]]
    assert found["nmf: coefficient × basis"][0] == pytest.approx(np.array(first), nan_ok=True)
    # −1 · 0.1 of the second basis, whose only entry is −1, is what the mean has too much.
    parts = [[0.5, 0, gap, 0, -0.1], [0, 0, gap, 0, 0], [gap] * 5, [0, 0, gap, gap, gap], [-0.5, 0, gap, gap, gap]]
    assert found["pca: coefficient × basis"][0] == pytest.approx(np.array(parts), nan_ok=True)


def test_red_is_negative_and_blue_positive_around_zero(results):
    image = decomposition.draw(results).axes[-1].images[0]
    red, blue = (image.to_rgba(np.array([[value]]))[0, 0] for value in (-0.5, 0.5))
    assert red[0] > red[2] and blue[2] > blue[0]
    low, high = image.get_clim()
    assert low == -high


def test_a_study_without_decompositions_says_so(results):
    figure = decomposition.draw(Results(study("", std=TRAINED)))
    assert "no method of this study decomposes images" in figure.texts[0].get_text()


def test_what_has_no_network_is_measured_only_where_it_is_named(results):
    found = results.study
    assert found.networks_on("dots") == ["std"]
    assert [(name, method) for name, _, method, _ in found.measurements()] == [
        ("accuracy", "std"), ("decomposition", "nmf"), ("decomposition", "pca")
    ]  # fmt: skip
    assert [path.split("/")[-3] for path in found.explanations()] == ["std"]
    assert learning_curves._groups(results) == {("dots", "mlp (hidden 8)"): ["std"]}
