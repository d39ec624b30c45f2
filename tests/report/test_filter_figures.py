"""Figures of filters and gates: which matrix is drawn where, in which order."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from pipeline import layout
from pipeline.checkpoints import load_checkpoint, save_checkpoint
from pipeline.metrics.filters import filter_correlation as correlation_of
from pipeline.models import alexnet_cifar
from pipeline.models.resnet_cifar import build
from pipeline.report.figures import filter_correlation, gates_and_weights
from pipeline.report.results import Results
from pipeline.settings.networks import AlexnetCifar, ResnetCifar
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
        network = build(NETWORK, channels=1, size=(8, 8), classes=3, mean=[0.4], std=[0.2])
        tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
        header = {
            "dataset": "bars", "method": method, "seed": 0, "settings": {"network": NETWORK.slice()},
            "class_names": list("abc"), "input": {"channels": 1, "mean": [0.4], "std": [0.2], "height": 8, "width": 8},
        }  # fmt: skip
        save_checkpoint(
            layout.model(root, "bars", method, 0), tensors | ({"gates": GATES} if method == "csg" else {}), header
        )
    names = {"datasets": {"bars": {}}, "explainers": {}, "evaluations": {}}
    names["methods"] = {name: {"datasets": None, "network": {"from": "mlp"}} for name in ("std", "csg")}
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


def test_methods_stand_only_beside_datasets_on_which_they_are_trained(results):
    results.study.slice["methods"]["std"]["datasets"] = ["other"]
    assert list(panels(filter_correlation.draw(results))) == ["bars, csg"]
    assert list(panels(gates_and_weights.draw(results))) == ["G, bars, csg", "W, csg", "G∘W, csg"]


def test_a_study_without_gates_says_so(results):
    results.study.slice["methods"]["csg"]["datasets"] = ["other"]
    assert list(panels(filter_correlation.draw(results))) == ["bars, std"], "filters stay in their own order"
    assert "no method" in gates_and_weights.draw(results).texts[0].get_text()


def test_fixed_gates_are_blocks_with_the_shared_filters_last(results, tmp_path):
    fixed = torch.tensor([[1.0, 0, 0, 1, 1, 0], [1, 0, 1, 0, 0, 0], [1, 1, 0, 0, 0, 1]])
    tensors, header = load_checkpoint(layout.model(str(tmp_path), "bars", "csg", 0))
    save_checkpoint(layout.model(str(tmp_path), "bars", "csg", 0), tensors | {"gates": fixed}, header)
    drawn = panels(gates_and_weights.draw(results))["G, bars, csg"]
    assert drawn.tolist() == [[1, 1, 0, 0, 0, 1], [0, 0, 1, 0, 0, 1], [0, 0, 0, 1, 1, 1]]


def test_gates_and_weights_stand_in_the_order_of_the_gates(results):
    shown = panels(gates_and_weights.draw(results))
    order = [4, 5, 0, 1, 2, 3]
    own, other = (results.tensors("bars", method, 0)["network.head.weight"] for method in ("csg", "std"))
    expected = {"G, bars, csg": GATES.numpy(), "W, csg": own, "G∘W, csg": GATES.numpy() * own, "W, std": other}
    assert list(shown) == list(expected)
    assert all(np.allclose(shown[title], matrix[:, order]) for title, matrix in expected.items())


@pytest.mark.parametrize("method", ["csg", "std"])
def test_networks_without_a_linear_layer_on_features_have_no_weights(results, tmp_path, method):
    torch.manual_seed(0)
    settings = AlexnetCifar(kind="alexnet_cifar", channels=(4, 4, 4, 4, 6), hidden=5)
    network = alexnet_cifar.build(settings, channels=1, size=(8, 8), classes=3, mean=[0.4], std=[0.2])
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    path = layout.model(str(tmp_path), "bars", method, 0)
    save_checkpoint(path, tensors | ({"gates": GATES} if method == "csg" else {}), {"method": method})
    figure = gates_and_weights.draw(results)
    left = ["G, bars, csg", "W, std"] if method == "csg" else ["G, bars, csg", "W, csg", "G∘W, csg"]
    assert list(panels(figure)) == left


def test_a_filter_of_zeros_leaves_its_row_empty_and_the_scale_to_the_others(results, tmp_path):
    path = layout.model(str(tmp_path), "bars", "csg", 0)
    tensors, header = load_checkpoint(path)
    tensors["network.backbone.5.conv2.weight"][0] = 0
    save_checkpoint(path, tensors, header)
    figure = filter_correlation.draw(results)
    drawn = panels(figure)["bars, csg"]
    assert np.isnan(drawn[2]).all() and np.isnan(drawn).sum() == 11, "filter 0 is the third in gate order"
    largest = max(np.nanmax(values) for values in panels(figure).values())
    assert {axes.images[0].get_clim() for axes in figure.axes if axes.images} == {(0, largest)}
