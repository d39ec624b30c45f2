"""Excitation backprop connection by connection, and networks to try it on."""

from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor, nn

from pipeline.models.resnet_cifar import build
from pipeline.settings.networks import ResnetCifar


def plain() -> nn.Sequential:
    """Strides, groups, padding, both pools and two linear layers; the last ReLU makes some neurons dead."""
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(inplace=True),
        nn.Conv2d(4, 4, 3, stride=2, padding=1, groups=2), nn.ReLU(inplace=True), nn.MaxPool2d(2, 1),
        nn.Conv2d(4, 6, 2), nn.ReLU(), nn.AvgPool2d(2, 1), nn.Dropout(), nn.Flatten(),
        nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3), nn.ReLU(),
    )  # fmt: skip


class Block(nn.Module):
    """A residual network that adds and rectifies in place, as torchvision's do, and reshapes by its size."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm0 = nn.Conv2d(2, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.branch, self.norm1 = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.relu, self.head = nn.ReLU(inplace=True), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.norm0(self.stem(x)))
        branch = self.norm1(self.branch(x))
        branch += x
        x = nn.functional.relu(branch, inplace=True).mean((2, 3))
        return self.head(x.view(x.size(0), -1))


def resnet() -> nn.Module:
    settings = ResnetCifar(blocks=1, channels=(4, 4, 6))
    return build(settings, channels=2, size=(8, 8), classes=3, mean=[0.4] * 2, std=[0.2] * 2)


def made(make: Callable[[], nn.Module]) -> tuple[nn.Module, Tensor]:
    """A network in evaluation mode and double precision, its normalisations with random statistics and signs."""
    torch.manual_seed(13)
    network = make().double()
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            layer.weight.data[::2] *= -1
            nn.init.normal_(layer.bias)
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
    if hasattr(network, "features") and hasattr(network, "maps"):
        network.head.float()  # features are in single precision
    return network.eval(), torch.randn(4, 2, 8, 8, dtype=torch.float64)


def handed_on(shares: list[tuple[tuple, float]], probability: float, below: Tensor) -> None:
    """One neuron's winning probability to the neurons below, by their `shares` w⁺a."""
    total = sum(share for _, share in shares)
    for place, share in shares:
        if total > 0:
            below[place] += probability * share / total


def literal(layer: nn.Module, values: Tensor, signals: Tensor, sign: int = 1) -> Tensor:
    """Probabilities below a layer for one image: neuron by neuron and connection by connection."""
    below = torch.zeros_like(values)
    if isinstance(layer, nn.Flatten):
        return signals.view_as(values)
    if isinstance(layer, nn.Linear):
        for i, probability in enumerate(signals.tolist()):
            weights = (sign * layer.weight[i]).tolist()
            handed_on([((j,), max(w, 0) * values[j].item()) for j, w in enumerate(weights)], probability, below)
        return below
    if not isinstance(layer, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
        return signals
    window = layer.kernel_size if isinstance(layer, nn.Conv2d) else (layer.kernel_size,) * 2
    stride, padding = (
        setting[0] if isinstance(setting, tuple) else setting for setting in (layer.stride, layer.padding)
    )
    for o, y, x in product(*map(range, signals.shape)):
        sources = []
        for dy, dx in product(*map(range, window)):
            row, column = y * stride + dy - padding, x * stride + dx - padding
            if 0 <= row < values.shape[1] and 0 <= column < values.shape[2]:
                if isinstance(layer, nn.Conv2d):
                    inputs = layer.in_channels // layer.groups
                    first = o // (layer.out_channels // layer.groups) * inputs
                    for c in range(inputs):
                        weight = max(sign * layer.weight[o, c, dy, dx].item(), 0)
                        sources.append(((first + c, row, column), weight * values[first + c, row, column].item()))
                else:
                    sources.append(((o, row, column), values[o, row, column].item()))
        if isinstance(layer, nn.MaxPool2d):
            sources = [max(sources, key=lambda source: source[1])]
        handed_on(sources, signals[o, y, x].item(), below)
    return below


def literal_map(network: nn.Sequential, image: Tensor, neuron: int, contrastive: bool) -> Tensor:
    """The map of one image at the first ReLU, NaN if there is none; the network ends in Linear or its ReLU."""
    values = [image]
    for layer in network:
        values.append(layer(values[-1].clone()[None])[0])
    if values[-1][neuron] <= 0:
        return torch.full(values[2].shape[1:], torch.nan, dtype=image.dtype)
    signals = torch.zeros_like(values[-1])
    signals[neuron] = 1
    # A layer that works in place has overwritten nothing here, since it was given a clone.
    for index in range(len(network) - 1, 1, -1):
        winners = literal(network[index], values[index], signals)
        if contrastive and index == len(network) - 2:
            winners = winners - literal(network[index], values[index], signals, sign=-1)
        signals = winners
    total = signals.sum(0).clamp(min=0)
    return total / total.sum()
