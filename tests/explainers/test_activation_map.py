"""Activation maps of single filters: which filter is shown, and that its maps come out as they are."""

import json

import pytest
import torch

from pipeline.errors import UserError
from pipeline.explainers.activation_map import activation_map, chosen_filters, explain
from pipeline.models.resnet_cifar import build
from pipeline.settings import parse_slice
from pipeline.settings.networks import ResnetCifar

TARGETS = torch.tensor([2, 0, 1, 2, 2])


def settings(**values):
    return parse_slice("explainer", json.dumps({"from": "activation_map", **values}))


@pytest.fixture
def network():
    torch.manual_seed(0)
    settings = ResnetCifar(blocks=1, channels=(4, 4, 6))
    net = build(settings, channels=2, size=(8, 8), classes=3, mean=[0.4] * 2, std=[0.2] * 2)
    net.train()(torch.rand(20, 2, 9, 7))
    return net.eval()


@pytest.fixture
def images():
    return torch.rand(5, 2, 9, 7, generator=torch.Generator().manual_seed(1))


def test_each_image_gets_the_map_of_its_filter():
    maps = torch.rand(3, 4, 2, 5, generator=torch.Generator().manual_seed(0))
    found = activation_map(maps, torch.tensor([3, 0, 3]))
    assert torch.equal(found, torch.stack([maps[0, 3], maps[1, 0], maps[2, 3]]))


def test_filter_of_the_settings_is_shown(network, images):
    for k in (0, 5):
        assert torch.equal(explain(network, images, TARGETS, settings(filter=k)), network.maps(images)[:, k])


def test_by_default_it_is_the_filter_that_adds_most(network, images):
    maps = explain(network, images, TARGETS, settings())
    assert maps.shape == (5, 3, 2) and maps.dtype is torch.float32 and not maps.requires_grad
    chosen = []
    for row, y in enumerate(TARGETS.tolist()):
        activations = network.maps(images[row : row + 1])[0]
        shares = [(network.head.weight[y, k] * activations[k].mean()).item() for k in range(6)]
        chosen.append(shares.index(max(shares)))
        assert torch.allclose(maps[row], activations[chosen[-1]], rtol=1e-5, atol=1e-7)
    assert len(set(chosen)) > 1


def test_of_equals_the_first_is_chosen(network):
    assert chosen_filters(network, torch.zeros(5, 6), TARGETS, None).tolist() == [0] * 5


def test_dead_filters_have_zero_maps(network, images):
    with torch.no_grad():
        network.head.weight.copy_(-1 * torch.ones_like(network.head.weight))
        network.head.weight[:, 4] = 1
        network.backbone[5].norm2.weight[4] = 0
        network.backbone[5].norm2.bias[4] = -100
    assert (explain(network, images, TARGETS, settings(filter=4)) == 0).all()


def test_batches_do_not_matter(network, images):
    parts = [explain(network, images[i : i + 2], TARGETS[i : i + 2], settings()) for i in (0, 2, 4)]
    assert torch.allclose(torch.cat(parts), explain(network, images, TARGETS, settings()), rtol=1e-5, atol=1e-6)


def test_nan_in_an_image_is_nan_in_its_map_only(network, images):
    images[1] = torch.nan
    maps = explain(network, images, TARGETS, settings())
    assert maps[1].isnan().all() and maps[[0, 2, 3, 4]].isfinite().all()


def test_unknown_filters_are_named(network, images):
    with pytest.raises(UserError, match="filter: the network has no filter 6; its last stage has 6, counted from 0"):
        explain(network, images, TARGETS, settings(filter=6))


def test_explaining_leaves_no_trace(network, images):
    before = images.clone()
    explain(network, images, TARGETS, settings())
    assert torch.equal(images, before) and not images.requires_grad
    assert all(weight.grad is None and weight.requires_grad for weight in network.parameters())
