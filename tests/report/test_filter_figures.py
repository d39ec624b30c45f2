"""Figures of filters and gates: which matrix is drawn where, in which order."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from pipeline import layout
from pipeline.checkpoints import save_checkpoint
from pipeline.metrics.filters import filter_correlation as correlation_of
from pipeline.models.resnet_cifar import build
from pipeline.report.figures import filter_correlation, gate_similarity
from pipeline.report.results import Results
from pipeline.settings.methods import ResnetCifar
from pipeline.study import Study

NETWORK = ResnetCifar(kind="resnet_cifar", blocks=1, channels=(4, 4, 6))
#: Filters by class: 4, 5 and then 0, 1 and then 2, 3; gates of the others are smaller.
GATES = torch.tensor([[0, 0, 0, 0, 1, 0.9], [1, 1, 0, 0.2, 0.5, 0], [0.1, 0, 1, 1, 0, 0.3]])


@pytest.fixture
def results(tmp_path) -> Results:
    """A study of one dataset and two methods, of which the second has gates."""
    root = str(tmp_path)
    for seed, method in enumerate(("std", "csg")):
        torch.manual_seed(seed)
        network = build(NETWORK, channels=1, classes=3, mean=[0.4], std=[0.2])
        tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
        header = {
            "dataset": "bars", "method": method, "seed": 0, "settings": {"network": NETWORK.slice()},
            "class_names": list("abc"), "input": {"channels": 1, "mean": [0.4], "std": [0.2]},
        }  # fmt: skip
        save_checkpoint(
            layout.model(root, "bars", method, 0), tensors | ({"gates": GATES} if method == "csg" else {}), header
        )
    names = {"datasets": {"bars": {}}, "methods": {"std": {}, "csg": {}}, "explainers": {}, "evaluations": {}}
    return Results(Study({"study": "s", "root": root, "seeds": 1, **names}))


def panels(figure: plt.Figure) -> dict[str, np.ndarray]:
    return {axes.get_title(): np.ma.filled(axes.images[0].get_array(), np.nan) for axes in figure.axes if axes.images}


def test_filters_of_all_methods_stand_in_the_order_of_the_gates(results):
    shown = panels(filter_correlation.draw(results))
    assert list(shown) == ["bars, std", "bars, csg"]
    for method in ("std", "csg"):
        kernels = torch.from_numpy(results.tensors("bars", method, 0)["network.backbone.5.conv2.weight"])
        expected = correlation_of(kernels).numpy()[[4, 5, 0, 1, 2, 3]][:, [4, 5, 0, 1, 2, 3]]
        assert np.allclose(shown[f"bars, {method}"], expected)


def test_cosines_of_both_groups_are_drawn(results):
    rows = [("tp", y, c, 0.1 * y + 0.2 * c) for y in range(3) for c in range(3)]
    rows += [("fn", y, c, np.nan if y == 1 else 0.3) for y in range(3) for c in range(3)]
    results.metrics = pd.DataFrame(
        [
            {"dataset": "bars", "method": "csg", "seed": seed, "metric": "gate_similarity", "explainer": None,
             "subset": f"{group},class={y},gate={c}", "value": value + seed, "n": 1}
            for group, y, c, value in rows
            for seed in (0, 1)
        ]
    )  # fmt: skip
    shown = panels(gate_similarity.draw(results))
    assert list(shown) == ["bars, csg: true positives", "bars, csg: false negatives"]
    expected = 0.1 * np.arange(3)[:, None] + 0.2 * np.arange(3)
    assert np.allclose(shown["bars, csg: true positives"], expected)
    assert np.isnan(shown["bars, csg: false negatives"][1]).all()
    assert np.allclose(shown["bars, csg: false negatives"][[0, 2]], 0.3)


def test_a_study_without_cosines_says_so(results):
    results.metrics = pd.DataFrame(columns=["dataset", "method", "seed", "metric", "subset", "value"])
    assert "no evaluation" in gate_similarity.draw(results).texts[0].get_text()
