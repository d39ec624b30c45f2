"""The AlexNet variant for CIFAR-10: size, layers one after another, and images of other sizes."""

import json

import pytest
import torch
from networks import MEAN, STD, built, count
from torch import Tensor, nn
from torch.nn import functional

from pipeline.errors import UserError
from pipeline.settings import parse_slice

SMALL = {"from": "alexnet_cifar", "channels": [4, 6, 8, 6, 5], "hidden": 7}


def images(side: int = 32, count: int = 3) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0))


def test_parameters_are_those_of_the_paper():
    """csg.md section 3: each convolution 3×3 with bias, 4096 inputs of the first linear layer, ten classes."""
    ours = built({"from": "alexnet_cifar"})
    pairs = [(3, 64), (64, 192), (192, 384), (384, 256), (256, 256)]
    convolutions = [9 * inputs * outputs + outputs for inputs, outputs in pairs]
    linear = [4096 * 2048 + 2048, 2048 * 2048 + 2048, 2048 * 10 + 10]
    assert [count(stage) for stage in ours.stages().values()] == [*convolutions, sum(linear)]
    assert count(ours) == 14_859_082
    assert ours.last_convolution.out_channels == 256 and ours.maps(images()).shape == (3, 256, 9, 9)


@torch.no_grad()
def test_network_is_its_layers_one_after_another():
    ours = built(SMALL).eval()
    weights = dict(ours.named_parameters())

    def convolved(x: Tensor, number: int, padding: int) -> Tensor:
        layer = f"backbone.conv{number}"
        return functional.conv2d(x, weights[f"{layer}.weight"], weights[f"{layer}.bias"], padding=padding).clamp(min=0)

    x = torch.stack([(images()[:, c] - MEAN[c]) / STD[c] for c in range(3)], dim=1)
    x = functional.max_pool2d(convolved(x, 1, 2), 2)
    x = functional.max_pool2d(convolved(x, 2, 2), 2)
    x = convolved(convolved(convolved(x, 3, 1), 4, 1), 5, 1)
    assert torch.allclose(ours.maps(images()), x, atol=1e-6)
    x = functional.max_pool2d(x, 3, stride=2).flatten(1)
    assert x.shape == (3, 5 * 16)
    for number in (1, 2, 3):
        x = x @ weights[f"tail.linear{number}.weight"].T + weights[f"tail.linear{number}.bias"]
        x = x.clamp(min=0) if number < 3 else x
    assert torch.allclose(ours(images()), x, atol=1e-6)


def test_paper_sized_images_are_not_pooled_once_more():
    ours = built(SMALL).eval()
    seen = {}
    ours.tail.resize.register_forward_hook(lambda layer, inputs, output: seen.update(before=inputs[0], after=output))
    ours(images())
    assert seen["before"].shape[2:] == (4, 4) and torch.equal(seen["before"], seen["after"])


@pytest.mark.parametrize("side", [6, 8, 28, 31, 33, 64])
def test_other_sizes_are_brought_to_the_places_of_the_linear_layers(side):
    assert built(SMALL).eval()(images(side)).shape == (3, 10)


@pytest.mark.parametrize("dropout", [0.6, 0.0, 0.25])
def test_dropout_is_before_the_first_two_linear_layers(dropout):
    ours = built(SMALL | {"dropout": dropout})
    layers = [(name, layer) for name, layer in ours.named_modules() if isinstance(layer, nn.Dropout | nn.Linear)]
    assert [name for name, _ in layers] == [
        "tail.dropout1", "tail.linear1", "tail.dropout2", "tail.linear2", "tail.linear3"
    ]  # fmt: skip
    assert [layer.p for _, layer in layers if isinstance(layer, nn.Dropout)] == [dropout] * 2
    activations = ours.activations(images())
    same = torch.equal(ours.train().readout(activations), ours.eval().readout(activations))
    assert same == (dropout == 0)


def test_grey_images_have_their_own_first_layer():
    ours = built(SMALL, mean=[0.5], std=[0.5])
    assert ours.backbone.conv1.weight.shape == (4, 1, 3, 3) and ours(images()[:, :1]).shape == (3, 10)


@pytest.mark.parametrize(
    ("wrong", "key"), [({"channels": [1, 2, 3]}, "channels"), ({"dropout": 1}, "dropout"), ({"hidden": 0}, "hidden")]
)
def test_settings_that_cannot_be_are_named(wrong, key):
    with pytest.raises(UserError, match=key):
        parse_slice("network", json.dumps({"from": "alexnet_cifar", **wrong}))
