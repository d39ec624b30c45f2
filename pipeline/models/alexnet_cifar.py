"""AlexNet for 32×32 images: the variant of the CSG authors for CIFAR-10 (csg.md section 3; section 4.3 of the paper).

Five 3×3 convolutions with ReLU, max pooling 2×2 behind the first two and 3×3 with stride 2 behind the fifth; then three
linear layers with dropout before the first two. 14.9 M parameters at the authors' widths and ten classes. There is no
global average pooling: gates multiply the maps of the fifth convolution, before the last max pooling, and there is no
CAM. Weights start as PyTorch initialises them, since the authors' code is not known to do otherwise.

As in torchvision's AlexNet, adaptive average pooling comes before the linear layers: it takes other sizes of images (6
pixels a side at least) to the 4×4 places that they expect, and does nothing to 32×32, which have them.
"""

from collections import OrderedDict
from typing import TYPE_CHECKING

from torch import Tensor, nn

from pipeline.models.classifier import Classifier

if TYPE_CHECKING:
    from pipeline.settings.networks import AlexnetCifar

#: Places a side of the maps that the linear layers take.
SIDE = 4

#: Children of the backbone in each of its stages.
STAGES = {"conv1": 3, "conv2": 3, "conv3": 2, "conv4": 2, "conv5": 2}


class Alexnet(Classifier):
    """`tail` is all behind the maps of the fifth convolution."""

    def __init__(self, backbone: nn.Sequential, tail: nn.Sequential, mean: list[float], std: list[float]) -> None:
        super().__init__(backbone, STAGES, mean, std)
        self.tail = tail

    def stages(self) -> dict[str, nn.Module]:
        """Stages "conv1" to "conv5" of the backbone, and "tail"."""
        return super().stages() | {"tail": self.tail}

    def readout(self, activations: Tensor) -> Tensor:
        """Logits B×classes of the maps `activations` B×K×h×w."""
        return self.tail(activations)


def build(
    settings: "AlexnetCifar", *, channels: int, size: tuple[int, int], classes: int, mean: list[float], std: list[float]
) -> Alexnet:
    """Network with random weights for images of `channels` colours and any size; `mean`, `std` as in `Classifier`."""
    one, two, three, four, five = settings.channels
    backbone = OrderedDict(
        conv1=nn.Conv2d(channels, one, 3, padding=2),
        relu1=nn.ReLU(),
        pool1=nn.MaxPool2d(2),
        conv2=nn.Conv2d(one, two, 3, padding=2),
        relu2=nn.ReLU(),
        pool2=nn.MaxPool2d(2),
        conv3=nn.Conv2d(two, three, 3, padding=1),
        relu3=nn.ReLU(),
        conv4=nn.Conv2d(three, four, 3, padding=1),
        relu4=nn.ReLU(),
        conv5=nn.Conv2d(four, five, 3, padding=1),
        relu5=nn.ReLU(),
    )
    tail = OrderedDict(
        pool=nn.MaxPool2d(3, stride=2),
        resize=nn.AdaptiveAvgPool2d(SIDE),
        flatten=nn.Flatten(),
        dropout1=nn.Dropout(settings.dropout),
        linear1=nn.Linear(five * SIDE**2, settings.hidden),
        relu1=nn.ReLU(),
        dropout2=nn.Dropout(settings.dropout),
        linear2=nn.Linear(settings.hidden, settings.hidden),
        relu2=nn.ReLU(),
        linear3=nn.Linear(settings.hidden, classes),
    )
    return Alexnet(nn.Sequential(backbone), nn.Sequential(tail), mean, std)
