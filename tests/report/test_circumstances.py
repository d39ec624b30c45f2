"""Networks in words, as tables and figures name them."""

import pytest

from pipeline.report.circumstances import network_in_words

CONVNET = {"from": "convnet", "channels": [16, 24, 32, 32], "stride": 2}


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ({"from": "alexnet"}, "alexnet"),
        ({"from": "resnet_cifar", "blocks": 3, "channels": [16, 32, 64]}, "resnet cifar (blocks 3, channels 16-32-64)"),
        (CONVNET, "convnet (channels 16-24-32-32, stride 2)"),
        ({"from": "mlp", "hidden": (64, *[128] * 9), "normalise": False}, "mlp (hidden 64-9×128, normalise False)"),
        ({"from": "abn", "trunk": CONVNET}, "abn (trunk convnet (channels 16-24-32-32, stride 2))"),
    ],
)
def test_networks_are_named_with_their_settings(network, words):
    assert network_in_words(network) == words
