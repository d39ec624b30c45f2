"""Plain convolutional networks, small enough for one thread of a processor (reff.md section 9).

Blocks of a 3×3 convolution, batch normalisation and ReLU; the first may have a stride. A place of the last of four
blocks with the stride 2 sees 15×15 pixels, fewer than a digit of 24 has: most of what lies outside the object stays out
of the maps inside it, since batch normalisation mixes no places, either (section 3.3).
"""

from itertools import pairwise
from typing import TYPE_CHECKING

from torch import nn

from pipeline.models.classifier import GapClassifier

if TYPE_CHECKING:
    from pipeline.settings.networks import Convnet


def build(
    settings: "Convnet", *, channels: int, size: tuple[int, int], classes: int, mean: list[float], std: list[float]
) -> GapClassifier:
    """Network with random weights for images of `channels` colours and any size; `mean`, `std` as in `Classifier`."""
    layers: list[nn.Module] = []
    for number, (inputs, outputs) in enumerate(pairwise((channels, *settings.channels))):
        stride = settings.stride if number == 0 else 1
        convolution = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]
    stages = {f"block{number}": 3 for number, _ in enumerate(settings.channels, start=1)}
    return GapClassifier(nn.Sequential(*layers), stages, classes, mean, std)
