"""One network of each family, small where its settings allow it, for the tests that all must pass."""

import json

from torch import nn

from pipeline import registry
from pipeline.models.classifier import Classifier
from pipeline.settings import parse_slice
from pipeline.training.streams import seeded

MEAN, STD = [0.3, 0.4, 0.5], [0.2, 0.25, 0.3]

#: Settings of a network by name, and a side of images that it takes.
NETWORKS = {
    "resnet_cifar": ({"from": "resnet_cifar", "blocks": 2, "channels": [4, 6, 12]}, 16),
    "resnet18": ({"from": "resnet", "depth": 18}, 64),
    "resnet50": ({"from": "resnet", "depth": 50}, 64),
    "convnet": ({"from": "convnet", "channels": [4, 6, 6, 12]}, 16),
    "abn": ({"from": "abn", "trunk": {"from": "resnet_cifar", "blocks": 1, "channels": [4, 6, 12]}}, 16),
    "alexnet_cifar": ({"from": "alexnet_cifar", "channels": [4, 6, 8, 6, 12], "hidden": 16}, 32),
    "inception_resnet_v1": ({"from": "inception_resnet_v1"}, 112),
}


def built(
    block: dict,
    *,
    size: tuple[int, int] | None = None,
    classes: int = 10,
    mean: list[float] = MEAN,
    std: list[float] = STD,
) -> Classifier:
    """The network of a settings block with random weights, those of seed 0, for images H×W of `size`.

    Without it a perceptron takes 4×5, and the others take any that are large enough.
    """
    settings = parse_slice("network", json.dumps(block))
    size = size or ((4, 5) if settings.kind == "mlp" else (160, 160))
    with seeded(0, "init"):
        build = registry.load("network", settings.kind)
        return build(settings, channels=len(mean), size=size, classes=classes, mean=mean, std=std)


def count(module: nn.Module) -> int:
    """Parameters, one by one."""
    return sum(weight.numel() for weight in module.parameters())
