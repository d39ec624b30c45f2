"""Residual networks for small images: He et al. 2016, Deep residual learning, section 4.2.

6·blocks + 2 layers: 3 blocks a stage give ResNet-20 (0.27 M parameters at 16/32/64 channels). Where the shape changes
the shortcut is a 1×1 convolution with batch normalisation, as in the code of the CSG authors (csg.md section 3), not
the zero padding of the original. Convolutions start from N(0, √(2 / (k²·out))).
"""

from itertools import pairwise
from math import sqrt
from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn.functional import relu

from pipeline.models.classifier import GapClassifier

if TYPE_CHECKING:
    from pipeline.settings.networks import ResnetCifar


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return relu(self.norm2(self.conv2(relu(self.norm1(self.conv1(x))))) + self.shortcut(x))


def build(
    settings: "ResnetCifar", *, channels: int, size: tuple[int, int], classes: int, mean: list[float], std: list[float]
) -> GapClassifier:
    """Network with random weights for images of `channels` colours and any size; `mean`, `std` as in `Classifier`."""
    widths = settings.channels
    layers: list[nn.Module] = [
        nn.Conv2d(channels, widths[0], 3, padding=1, bias=False),
        nn.BatchNorm2d(widths[0]),
        nn.ReLU(),
    ]
    for stage, (inputs, outputs) in enumerate(pairwise((widths[0], *widths))):
        layers.append(Block(inputs, outputs, stride=1 if stage == 0 else 2))
        layers += [Block(outputs, outputs, stride=1) for _ in range(settings.blocks - 1)]
    backbone = nn.Sequential(*layers)
    for layer in backbone.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, std=sqrt(2 / (layer.kernel_size[0] ** 2 * layer.out_channels)))
    stages = {"stem": 3} | {f"stage{number}": settings.blocks for number in (1, 2, 3)}
    return GapClassifier(backbone, stages, classes, mean, std)
