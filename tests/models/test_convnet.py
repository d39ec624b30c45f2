"""Plain convolutional networks: shapes, parameters, and how far a place sees."""

import torch
from networks import built, count
from torch import nn


def test_the_networks_of_the_cheap_setting():
    network = built({"from": "convnet"})
    pairs = [(3, 16), (16, 24), (24, 32), (32, 32)]
    assert count(network) == sum(9 * a * b + 2 * b for a, b in pairs) + 32 * 10 + 10
    assert network.maps(torch.rand(2, 3, 32, 32)).shape == (2, 32, 16, 16)
    convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    assert [layer.stride for layer in convolutions] == [(2, 2), (1, 1), (1, 1), (1, 1)]
    assert not any(layer.inplace for layer in network.modules() if isinstance(layer, nn.ReLU))


def test_a_place_sees_15_pixels_and_no_more():
    """reff.md section 9: fewer than the side of a digit."""
    network = built({"from": "convnet"}).eval()
    image = torch.rand(1, 3, 32, 32, requires_grad=True)
    pre = nn.Sequential(*[layer if not isinstance(layer, nn.ReLU) else nn.Identity() for layer in network.backbone])
    pre(image)[0, :, 8, 8].sum().backward()
    seen = image.grad.abs().sum((0, 1)) > 0
    assert (int(seen.any(0).sum()), int(seen.any(1).sum())) == (15, 15)


def test_widths_and_stride_are_those_of_the_settings():
    network = built({"from": "convnet", "channels": [4, 6], "stride": 1})
    assert network.maps(torch.rand(1, 3, 9, 7)).shape == (1, 6, 9, 7)
    assert list(network.stages()) == ["block1", "block2", "head"]
