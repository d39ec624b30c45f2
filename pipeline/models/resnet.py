"""Residual networks for ImageNet and for images of its kind: torchvision's (He et al. 2016; csg.md section 3).

Everything but the last two layers is torchvision's, with its names and its initialisation; average pooling and linear
layer are those of `GapClassifier`. `pretrained` says where training starts: at random weights, at a file in the format
of torchvision's own, or ("auto") at the original ImageNet-1k weights, V1, which are those of the CSG paper's time.
"""

import os
import sys
from collections import OrderedDict
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn
from torchvision.models import get_model, get_model_weights

from pipeline.errors import UserError
from pipeline.files import file_digest
from pipeline.models.classifier import GapClassifier
from pipeline.models.pretrained import check_fit, read_weights

if TYPE_CHECKING:
    from pipeline.settings.networks import Resnet

#: Children of the backbone in each of its stages; the stem has convolution, normalisation, ReLU and max pooling.
STAGES = {"stem": 4, "layer1": 1, "layer2": 1, "layer3": 1, "layer4": 1}


class ImagenetResnet(GapClassifier):
    """torchvision's `architecture`, such as "resnet18"; `pretrained` is "none", "auto" or the path of a file."""

    def __init__(self, architecture: str, pretrained: str, classes: int, mean: list[float], std: list[float]) -> None:
        # The last two are average pooling and the linear layer for ImageNet's thousand classes.
        children = list(get_model(architecture, weights=None).named_children())[:-2]
        super().__init__(nn.Sequential(OrderedDict(children)), STAGES, classes, mean, std)
        self.architecture, self.pretrained = architecture, pretrained

    def load_pretrained(self) -> None:
        """Give the backbone the weights of `pretrained`; with "auto" the network notes it if they cannot be had.

        Raises `UserError` naming the file for one that is missing, damaged or of another architecture.
        """
        if self.pretrained == "none":
            return
        path = Path(self.pretrained)
        if self.pretrained == "auto":
            try:
                path = official_file(official_address(self.architecture))
            except (OSError, RuntimeError, HTTPException) as error:
                reason = " ".join(str(error).strip("<>").split())
                self.notes.append(
                    f"network.pretrained: auto found no ImageNet weights of {self.architecture} ({reason}); started "
                    f"from random weights"
                )
                return
        key = "under network.pretrained, or set"
        found = read_weights(path, f"name a state dict of torchvision {key} it to auto or none")
        weights = {name: tensor for name, tensor in found.items() if not name.startswith("fc.")}
        remedy = f"name weights of {self.architecture} {key} network.depth to that of the file"
        check_fit(path, weights, self.backbone.state_dict(), self.architecture, remedy)
        self.backbone.load_state_dict(weights)


def build(
    settings: "Resnet", *, channels: int, size: tuple[int, int], classes: int, mean: list[float], std: list[float]
) -> ImagenetResnet:
    """Network with random weights for images of three colours and any size; `mean`, `std` as in `Classifier`."""
    architecture = f"resnet{settings.depth}"
    if channels != 3:
        raise UserError(
            f"network: {architecture} of ImageNet takes images of 3 colour channels, those of the dataset have "
            f"{channels}; take resnet_cifar or alexnet_cifar, or another dataset"
        )
    return ImagenetResnet(architecture, settings.pretrained, classes, mean, std)


def official_address(architecture: str) -> str:
    """Where torchvision has its ImageNet-1k V1 weights; the file's name ends in the first digits of its SHA-256."""
    return get_model_weights(architecture)["IMAGENET1K_V1"].url


def official_file(address: str) -> Path:
    """The file of an `address` whose name ends in the first digits of its SHA-256, downloaded unless it is at hand.

    It lies in the cache that torchvision uses itself, `torch.hub.get_dir()`; a file there whose content is not that of
    its name is replaced. Raises `OSError`, `HTTPException` or `RuntimeError` if there is no such file to be had.
    """
    path = Path(torch.hub.get_dir(), "checkpoints", address.rpartition("/")[2])
    digits = path.stem.rpartition("-")[2]
    if not path.is_file() or not file_digest(path).startswith(digits):
        path.parent.mkdir(parents=True, exist_ok=True)
        print(f"downloading {address}", file=sys.stderr, flush=True)
        torch.hub.download_url_to_file(address, os.fspath(path), hash_prefix=digits, progress=False)
    return path
