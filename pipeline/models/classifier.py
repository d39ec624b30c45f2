"""The shape that every classifier here has: normalise, extract maps, average them, one linear layer."""

import torch
from torch import Tensor, nn


class GapClassifier(nn.Module):
    """Classifier with global average pooling (GAP) over the maps of its last convolutional stage.

    Takes images B×C×H×W with values in 0..1 and subtracts and divides by the dataset's `mean` and `std` itself, so that
    gradients and attacks live on the pixel scale. `backbone` ends in a ReLU: maps and features are ≥ 0.
    """

    def __init__(self, backbone: nn.Module, filters: int, classes: int, mean: list[float], std: list[float]) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(filters, classes)
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))

    @property
    def last_convolution(self) -> nn.Conv2d:
        """The convolution that the filters of the last stage belong to, shortcuts beside it left aside."""
        layers = self.backbone.named_modules()
        return [layer for name, layer in layers if isinstance(layer, nn.Conv2d) and ".shortcut." not in name][-1]

    def maps(self, images: Tensor) -> Tensor:
        """Activation maps A(x) of the last stage, B×K×h×w."""
        return self.backbone((images - self.mean) / self.std)

    def features(self, images: Tensor) -> Tensor:
        """Spatial means a(x) of the maps, B×K, in single precision."""
        return self.maps(images).float().mean((2, 3))

    def forward(self, images: Tensor) -> Tensor:
        """Logits, B×classes."""
        return self.head(self.features(images))
