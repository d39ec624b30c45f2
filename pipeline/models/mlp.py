"""Multilayer perceptron: linear layers with ReLU between them, on the pixels of an image in a row (admm.md section 6).

The networks of Khorram 2020, chapter 4, are 784-128-128-10 and ten layers of width 128, on pixels in 0..1 without mean
removal. How the weights start decides whether the deep ones train at all (admm.md section 3.5):

    fan_in  weights N(0, 1/(3 fan_in)), the variance of PyTorch's own uniform draw; biases 0
    he      weights N(0, 2/fan_in) (He et al. 2015); biases 0
    small   weights N(0, 0.01²), biases 0.1, as in the code of Zeng et al. 2019
"""

from itertools import pairwise
from math import prod, sqrt
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.models.classifier import Classifier

if TYPE_CHECKING:
    from pipeline.settings.networks import Mlp


class Perceptron(Classifier):
    """Hidden layers in `backbone`, the last layer in `head`. There are no maps: its K features are hidden neurons."""

    def __init__(self, hidden: nn.Sequential, head: nn.Linear, mean: list[float], std: list[float]) -> None:
        layers = (len(hidden) - 1) // 2
        super().__init__(hidden, {"layer1": 3} | {f"layer{t}": 2 for t in range(2, layers + 1)}, mean, std)
        self.head = head

    @property
    def last_convolution(self) -> nn.Conv2d:
        """Raises `UserError`."""
        raise no_maps("convolutions")

    def stages(self) -> dict[str, nn.Module]:
        """Stages "layer1" to "layerL", each a linear layer and, but for the last, its ReLU."""
        stages = super().stages()
        return stages | {f"layer{len(stages) + 1}": self.head}

    def maps(self, images: Tensor) -> Tensor:
        """Raises `UserError`."""
        raise no_maps("maps")

    def features(self, images: Tensor) -> Tensor:
        """Output B×K of the last hidden layer after its ReLU, in single precision."""
        return self.backbone((images - self.mean) / self.std).float()

    def activations(self, images: Tensor) -> Tensor:
        """What gates multiply and `readout` takes: the features B×K, in single precision."""
        return self.features(images)

    def readout(self, activations: Tensor) -> Tensor:
        """Logits B×classes, linear in the features `activations` B×K."""
        return self.head(activations)


def build(
    settings: "Mlp", *, channels: int, size: tuple[int, int], classes: int, mean: list[float], std: list[float]
) -> Perceptron:
    """Network with random weights for images of `channels` colour channels and `size` H×W.

    `mean` and `std` are as in `Classifier`, but 0 and 1 unless `settings.normalise`.
    """
    if not settings.normalise:
        mean, std = [0.0] * channels, [1.0] * channels
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in pairwise((channels * prod(size), *settings.hidden)):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    head = nn.Linear(settings.hidden[-1], classes)
    for layer in [*layers[1::2], head]:
        initialise_(layer, settings.init)
    return Perceptron(nn.Sequential(*layers), head, mean, std)


@torch.no_grad()
def initialise_(layer: nn.Linear, init: str) -> None:
    """Draw a layer's weights, and set its biases, as `init` says: fan_in, he or small."""
    deviation = {"fan_in": sqrt(1 / (3 * layer.in_features)), "he": sqrt(2 / layer.in_features), "small": 0.01}[init]
    layer.weight.normal_(0, deviation)
    layer.bias.fill_(0.1 if init == "small" else 0.0)


def no_maps(what: str) -> UserError:
    return UserError(
        f"the network mlp has no {what}; leave its methods out under `methods` of the evaluation and name another "
        f"explainer, or take a convolutional network (resnet_cifar, resnet, alexnet_cifar)"
    )
