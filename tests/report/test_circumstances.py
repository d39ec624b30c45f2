"""How networks were made, in words, as tables and figures say it."""

import pytest

from pipeline.report.circumstances import circumstances, network_in_words

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


def test_different_networks_and_machines_of_a_row_are_all_named():
    made = {
        "settings": {"methods": {
            "std": {"network": {"from": "resnet", "depth": 18}, "epochs": 2},
            "csg": {"network": {"from": "alexnet_cifar", "hidden": 8}, "epochs": 2},
            "other": {"network": {"from": "resnet", "depth": 50}, "epochs": 9},
        }},
        "environments": [
            {"device": "Toy GPU", "machine": {}}, {"device": "cpu", "machine": {"processor": "P", "cores": 1}}
        ],
        "trainings": [
            {"dataset": dataset, "method": method, "seed": 0, "train_images": 5, "environment": environment}
            for dataset, method, environment in (("a", "std", 0), ("a", "csg", 1), ("b", "std", 0), ("a", "other", 0))
        ],
    }  # fmt: skip
    words = "a; resnet (depth 18) / alexnet cifar (hidden 8); 2 epochs; 5 training images; 1 seed; Toy GPU / P, 1 cores"
    assert circumstances(made, "a", ["std", "csg"]) == words
