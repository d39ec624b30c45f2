"""CAM: the equation with loops, and that it adds up to the logit."""

import json

import pytest
import torch

from pipeline.explainers.cam import cam, explain
from pipeline.models.resnet_cifar import build
from pipeline.settings import parse_slice
from pipeline.settings.networks import ResnetCifar

SETTINGS = parse_slice("explainer", json.dumps({"from": "cam"}))
TARGETS = torch.tensor([2, 0, 1, 2, 2])


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


def test_maps_are_the_literal_sum():
    generator = torch.Generator().manual_seed(0)
    maps, weights = torch.rand(2, 3, 2, 4, generator=generator), torch.randn(2, 3, generator=generator)
    found = cam(maps, weights)
    assert found.shape == (2, 2, 4)
    for b in range(2):
        for u in range(2):
            for v in range(4):
                expected = sum(weights[b, k].item() * maps[b, k, u, v].item() for k in range(3))
                assert found[b, u, v].item() == pytest.approx(expected, rel=1e-5)
    assert (found < 0).any()


def test_spatial_mean_and_bias_are_the_logit(network, images):
    maps = explain(network, images, TARGETS, SETTINGS)
    logits = network(images).gather(1, TARGETS[:, None])[:, 0]
    assert maps.shape == (5, 3, 2) and maps.dtype is torch.float32 and not maps.requires_grad
    assert torch.allclose(maps.mean((1, 2)) + network.head.bias[TARGETS], logits, rtol=1e-5, atol=1e-6)
    assert logits.std() > 0


def test_every_target_has_its_own_map(network, images):
    first, second = (explain(network, images, torch.full((5,), c), SETTINGS) for c in (0, 1))
    weights = network.head.weight[0] - network.head.weight[1]
    assert torch.allclose(first - second, cam(network.maps(images), weights.expand(5, -1)), rtol=1e-4, atol=1e-6)


def test_batches_do_not_matter(network, images):
    parts = [explain(network, images[i : i + 2], TARGETS[i : i + 2], SETTINGS) for i in (0, 2, 4)]
    assert torch.allclose(torch.cat(parts), explain(network, images, TARGETS, SETTINGS), rtol=1e-5, atol=1e-6)


def test_nan_in_an_image_is_nan_in_its_map_only(network, images):
    images[1] = torch.nan
    maps = explain(network, images, TARGETS, SETTINGS)
    assert maps[1].isnan().all() and maps[[0, 2, 3, 4]].isfinite().all()


def test_explaining_leaves_no_trace(network, images):
    before = images.clone()
    explain(network, images, TARGETS, SETTINGS)
    assert torch.equal(images, before) and not images.requires_grad
    assert all(weight.grad is None and weight.requires_grad for weight in network.parameters())
