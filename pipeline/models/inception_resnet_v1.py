"""Inception-ResNet-V1 for faces: FaceNet's network as facenet-pytorch has it (admm.md sections 4.3 and 10).

Paper: Szegedy, Ioffe, Vanhoucke, Alemi 2017, Inception-v4, Inception-ResNet and the impact of residual connections on
learning, figures 7 and 10 to 15. Five blocks A, ten B and five C add a scaled residual,

    x ← ReLU(x + scale · (W [branch_0(x), branch_1(x), …] + b)),    scale 0.17, 0.10 and 0.20,

and a reduction lies between each two kinds. The last maps are those of the fifth block C, `repeat_3`, after its ReLU:
1792 × 3 × 3 at 160 pixels, after 20,963,328 parameters. DeepFacto factorises these maps (admm.md section 4), so that
what FaceNet has behind them is left out: one more block C without ReLU, `block8`, and the linear layer and
normalisation of its embedding. Average pooling and linear layer are those of `GapClassifier`.

The names of tensors, ε = 0.001 in batch normalisation, and standardisation, (pixel - 127.5) / 128 in place of mean and
deviation of the dataset, are those of facenet-pytorch, so that its files of weights fit.
"""

from collections import OrderedDict
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from pipeline.errors import UserError
from pipeline.models.classifier import GapClassifier
from pipeline.models.pretrained import check_fit, read_weights

if TYPE_CHECKING:
    from pipeline.settings.networks import InceptionResnetV1

NAME = "inception_resnet_v1"

#: Children of the backbone in each of its stages; the stem has six convolutions and max pooling.
STAGES = {"stem": 7, "repeat_1": 1, "mixed_6a": 1, "repeat_2": 1, "mixed_7a": 1, "repeat_3": 1}

#: What a file of facenet-pytorch has behind the last maps; `logits` are those of the people it was trained on.
BEHIND = ("block8.", "last_linear.", "last_bn.", "logits.")

#: Of pixels in 0..1.
MEAN = [127.5 / 255] * 3
STD = [128 / 255] * 3

#: Pixels a side below which the last reduction has nothing to work on.
LEAST = 75


class Branches(nn.Module):
    """`branches` side by side on the same input B×K×h×w, their channels one after another; named branch0, branch1, …"""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.names = [f"branch{number}" for number in range(len(branches))]
        for name, branch in zip(self.names, branches, strict=True):
            self.add_module(name, branch)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.get_submodule(name)(x) for name in self.names], dim=1)


class Residual(Branches):
    """ReLU(x + scale · residual), of which a 1×1 convolution makes the `inner` channels of all branches `channels`."""

    def __init__(self, scale: float, channels: int, inner: int, *branches: nn.Module) -> None:
        super().__init__(*branches)
        self.scale = scale
        self.conv2d = nn.Conv2d(inner, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return relu(self.conv2d(super().forward(x)) * self.scale + x)


class FaceNetwork(GapClassifier):
    """Inception-ResNet-V1; `pretrained` is "none" or the path of a file."""

    def __init__(self, pretrained: str, classes: int) -> None:
        super().__init__(backbone(), STAGES, classes, MEAN, STD)
        self.pretrained = pretrained

    def load_pretrained(self) -> None:
        """Give the backbone the weights of the file `pretrained`; those behind the last maps are not used.

        Raises `UserError` naming the file for one that is missing, damaged or of another network.
        """
        if self.pretrained == "none":
            return
        path = Path(self.pretrained)
        remedy = "name facenet-pytorch's 20180402-114759-vggface2.pt under network.pretrained, or set it to none"
        weights = {name: part for name, part in read_weights(path, remedy).items() if not name.startswith(BEHIND)}
        check_fit(path, weights, self.backbone.state_dict(), NAME, remedy)
        self.backbone.load_state_dict(weights)


def build(
    settings: "InceptionResnetV1",
    *,
    channels: int,
    size: tuple[int, int],
    classes: int,
    mean: list[float],
    std: list[float],
) -> FaceNetwork:
    """Network with PyTorch's random weights for images of three colours and at least 75 pixels a side.

    `mean` and `std` of the dataset have no effect. Raises `UserError` for other images.
    """
    if channels != 3 or min(size) < LEAST:
        raise UserError(
            f"network: {NAME} takes images of 3 colour channels and at least {LEAST}×{LEAST} pixels, those of the "
            f"dataset have {channels} and {size[0]}×{size[1]}; raise the `size` of the dataset (160 is that of the "
            f"paper), or take another dataset or network"
        )
    return FaceNetwork(settings.pretrained, classes)


def backbone() -> nn.Sequential:
    """All up to the last maps: images B×3×h×w, standardised, to B×1792×h'×w' ≥ 0."""
    return nn.Sequential(
        OrderedDict(
            conv2d_1a=convolution(3, 32, 3, 2, "valid"),
            conv2d_2a=convolution(32, 32, 3, 1, "valid"),
            conv2d_2b=convolution(32, 64, 3),
            maxpool_3a=nn.MaxPool2d(3, 2),
            conv2d_3b=convolution(64, 80, 1),
            conv2d_4a=convolution(80, 192, 3, 1, "valid"),
            conv2d_4b=convolution(192, 256, 3, 2, "valid"),
            repeat_1=nn.Sequential(*(block_a() for _ in range(5))),
            mixed_6a=Branches(
                convolution(256, 384, 3, 2, "valid"),
                chain(256, (192, 1), (192, 3), (256, 3, 2, "valid")),
                nn.MaxPool2d(3, 2),
            ),
            repeat_2=nn.Sequential(*(block_b() for _ in range(10))),
            mixed_7a=Branches(
                chain(896, (256, 1), (384, 3, 2, "valid")),
                chain(896, (256, 1), (256, 3, 2, "valid")),
                chain(896, (256, 1), (256, 3), (256, 3, 2, "valid")),
                nn.MaxPool2d(3, 2),
            ),
            repeat_3=nn.Sequential(*(block_c() for _ in range(5))),
        )
    )


def block_a() -> Residual:
    """Inception-ResNet-A, figure 10: 35×35 places in the paper, 17×17 here."""
    return Residual(
        0.17, 256, 96, convolution(256, 32, 1), chain(256, (32, 1), (32, 3)), chain(256, (32, 1), (32, 3), (32, 3))
    )


def block_b() -> Residual:
    """Inception-ResNet-B, figure 11: 17×17 places in the paper, 8×8 here."""
    return Residual(0.10, 896, 256, convolution(896, 128, 1), chain(896, (128, 1), (128, (1, 7)), (128, (7, 1))))


def block_c() -> Residual:
    """Inception-ResNet-C, figure 13: 8×8 places in the paper, 3×3 here."""
    return Residual(0.20, 1792, 384, convolution(1792, 192, 1), chain(1792, (192, 1), (192, (1, 3)), (192, (3, 1))))


def chain(inputs: int, *layers: tuple) -> nn.Sequential:
    """Convolutions one after another, of `inputs` channels; each of `layers` is what `convolution` takes from there."""
    widths = [inputs, *(layer[0] for layer in layers)]
    return nn.Sequential(
        *(convolution(below, *layer) for (below, _), layer in zip(pairwise(widths), layers, strict=True))
    )


def convolution(
    inputs: int,
    outputs: int,
    kernel: int | tuple[int, int],
    stride: int = 1,
    padding: Literal["same", "valid"] = "same",
) -> nn.Sequential:
    """Convolution without bias, batch normalisation and ReLU."""
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False),
            bn=nn.BatchNorm2d(outputs, eps=0.001),
            relu=nn.ReLU(),
        )
    )
