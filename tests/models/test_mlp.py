"""The multilayer perceptron: layers one after another, how weights start, and what it says it does not have."""

import json
from math import sqrt

import pytest
import torch
from networks import built, count
from torch import nn

from pipeline.errors import UserError
from pipeline.explainers import activation_map, cam, excitation_backprop, grad_cam
from pipeline.methods import csg, std
from pipeline.models.trained import network_of
from pipeline.settings import parse_slice
from pipeline.settings.methods import Csg, Std
from pipeline.settings.networks import Mlp
from pipeline.training.compute import Compute
from pipeline.training.data import Images
from pipeline.training.session import Session

SMALL = {"from": "mlp", "hidden": [7, 6, 5]}


def grey(block: dict, **shape) -> nn.Module:
    return built(block, **{"size": (4, 5), "classes": 3, "mean": [0.4], "std": [0.25]} | shape)


def images(count: int = 3, channels: int = 1) -> torch.Tensor:
    return torch.rand(count, channels, 4, 5, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
@pytest.mark.parametrize("normalise", [False, True])
def test_network_is_its_layers_one_after_another(normalise):
    ours = grey(SMALL | {"normalise": normalise}, mean=[0.4, 0.2], std=[0.25, 0.5])
    x = images(channels=2)
    if normalise:
        x = (x - torch.tensor([0.4, 0.2]).view(2, 1, 1)) / torch.tensor([0.25, 0.5]).view(2, 1, 1)
    rows = [[value.item() for value in image.flatten()] for image in x]
    layers = [layer for layer in ours.modules() if isinstance(layer, nn.Linear)]
    for number, layer in enumerate(layers, 1):
        if number == len(layers):
            hidden = torch.tensor(rows)
        weights, biases = layer.weight.tolist(), layer.bias.tolist()
        rows = [
            [sum(w * v for w, v in zip(own, row, strict=True)) + b for own, b in zip(weights, biases, strict=True)]
            for row in rows
        ]
        if number < len(layers):
            rows = [[max(value, 0.0) for value in row] for row in rows]
    found = images(channels=2)
    assert torch.allclose(ours(found), torch.tensor(rows), atol=1e-6)
    assert torch.allclose(ours.features(found), hidden, atol=1e-6) and ours.features(found).shape == (3, 5)
    assert torch.equal(ours.activations(found), ours.features(found))
    assert torch.equal(ours.readout(ours.activations(found)), ours(found))


def test_papers_networks_have_their_sizes():
    assert count(grey({"from": "mlp"}, size=(28, 28), classes=10)) == 784 * 128 + 128 + 128 * 128 + 128 + 128 * 10 + 10
    assert len(grey({"from": "mlp", "hidden": [128] * 9}).stages()) == 10


@torch.no_grad()
def test_stages_are_the_layers_in_order():
    ours, x = grey(SMALL), images()
    assert list(ours.stages()) == ["layer1", "layer2", "layer3", "layer4"]
    for stage in ours.stages().values():
        x = stage(x)
    assert torch.equal(x, ours(images()))
    inside = [weight for stage in ours.stages().values() for weight in stage.parameters()]
    assert [id(weight) for weight in inside] == [id(weight) for weight in ours.parameters()]


@pytest.mark.parametrize(
    ("init", "deviation", "bias"), [("fan_in", sqrt(1 / 300), 0), ("he", sqrt(2 / 100), 0), ("small", 0.01, 0.1)]
)
def test_weights_start_as_the_settings_say(init, deviation, bias):
    ours = grey({"from": "mlp", "hidden": [400, 100], "init": init}, size=(10, 10))
    first, second = ours.stages()["layer1"][1], ours.stages()["layer3"]
    assert first.weight.std().item() == pytest.approx(deviation, rel=0.02)
    assert abs(first.weight.mean().item()) < 0.02 * deviation
    assert second.weight.std().item() == pytest.approx(deviation, rel=0.15)
    assert all((layer.bias == bias).all() for layer in (first, second))
    # Normal, not uniform: a twentieth of the draws lie beyond two deviations.
    assert 0.04 < (first.weight.abs() > 2 * deviation).float().mean() < 0.05


def test_it_comes_back_from_its_checkpoint():
    ours = grey(SMALL)
    tensors = {f"network.{key}": tensor for key, tensor in ours.state_dict().items()}
    header = {
        "settings": {"network": SMALL},
        "class_names": list("abc"),
        "input": {"channels": 1, "mean": [0.4], "std": [0.25], "height": 4, "width": 5},
    }
    assert torch.equal(network_of(tensors, header, torch.device("cpu"))(images()), ours(images()))


def run(block: dict = SMALL) -> Session:
    pixels = torch.randint(0, 150, (60, 1, 4, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(60) % 3
    pixels[range(60), :, labels] += 100
    notes = {"class_names": list("abc"), "mean": [0.4], "std": [0.25], "augment": {}}
    found = Images(pixels, labels, list(map(str, range(60))), notes)
    return Session(grey(block), found, Compute(torch.device("cpu"), "fp32"), 0, "tried")


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_ordinary_training_trains_it(loss):
    wide, adam = SMALL | {"hidden": [32, 16]}, {"from": "adam", "learning_rate": 0.01}
    ours = run(wide)
    settings = Std(kind="std", network=Mlp(**wide), epochs=30, batch_size=20, optimiser=adam, loss=loss)
    std.fit(ours, settings)
    accuracies = [row["value"] for row in ours.history().to_pylist() if row["metric"] == "accuracy"]
    assert accuracies[-1] > 0.95 > 0.7 > accuracies[0]


def test_who_needs_maps_is_told_that_there_are_none():
    ours, targets = grey(SMALL).eval(), torch.zeros(3, dtype=torch.long)
    for use in (lambda: ours.maps(images()), lambda: ours.last_convolution):
        with pytest.raises(UserError, match=r"^the network mlp has no (maps|convolutions); leave its methods out"):
            use()
    with pytest.raises(UserError, match=r"^the network mlp has no convolutions"):
        csg.fit(run(), Csg(kind="csg", network=Mlp(**SMALL), epochs=1, batch_size=20))
    explainers = {
        "cam": (cam, "needs a linear layer on pooled features"),
        "activation_map": (activation_map, "the network mlp has no maps"),
        "excitation_backprop": (excitation_backprop, "is not B×C×h×w"),
    }
    for kind, (module, problem) in explainers.items():
        with pytest.raises(UserError, match=problem):
            module.explain(ours, images(), targets, parse_slice("explainer", json.dumps({"from": kind})))
    with pytest.raises(UserError, match="gives no maps"):
        grad_cam.grad_cam(ours, images(), targets, ["backbone"])


@pytest.mark.parametrize(
    ("wrong", "key"), [({"hidden": []}, "hidden"), ({"init": "xavier"}, "init")]
)
def test_settings_that_cannot_be_are_named(wrong, key):
    with pytest.raises(UserError, match=key):
        parse_slice("network", json.dumps({"from": "mlp", **wrong}))
