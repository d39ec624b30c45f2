"""Small networks for tests of attacks, and images for them."""

from copy import deepcopy
from dataclasses import replace
from functools import cache

import torch
from torch import Tensor, nn

from pipeline.evaluations.subject import Row, Subject
from pipeline.models.classifier import GapClassifier
from pipeline.models.resnet_cifar import build
from pipeline.settings.networks import ResnetCifar
from pipeline.training.data import Images

CLASSES = 3
MEAN, STD = [0.4, 0.5, 0.45], [0.25, 0.2, 0.3]
NETWORK = ResnetCifar(blocks=1, channels=(4, 6, 8))


def bars(count: int) -> tuple[Tensor, Tensor]:
    """Pixels N×3×8×8 uint8 and labels N: noise, and a bright row whose place is the class."""
    generator = torch.Generator().manual_seed(count)
    labels = torch.arange(count) % CLASSES
    pixels = torch.randint(0, 200, (count, 3, 8, 8), generator=generator, dtype=torch.uint8)
    pixels[torch.arange(count), :, 1 + 2 * labels] += 45
    return pixels, labels


@cache
def _trained() -> GapClassifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        victim = build(NETWORK, channels=3, size=(32, 32), classes=CLASSES, mean=MEAN, std=STD)
        optimiser = torch.optim.Adam(victim.parameters(), 0.02)
        pixels, labels = bars(240)
        for _ in range(10):
            for rows in torch.randperm(240).split(80):
                optimiser.zero_grad()
                nn.functional.cross_entropy(victim(pixels[rows].float() / 255), labels[rows]).backward()
                optimiser.step()
    optimiser.zero_grad()
    return victim.eval()


def network() -> GapClassifier:
    """A trained residual network with ReLU, in evaluation mode."""
    return deepcopy(_trained())


def smooth() -> nn.Module:
    """A plain network with all derivatives and random weights, in double precision."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        layers = (nn.Conv2d(3, 6, 3, padding=1), nn.SiLU(), nn.Conv2d(6, 8, 3, stride=2), nn.Softplus(), nn.Flatten())
        return nn.Sequential(*layers, nn.Linear(72, CLASSES)).double().eval()


def attacked(count: int = 12) -> tuple[Tensor, Tensor]:
    """Images N×3×8×8 in 0..1 that no network was trained on, and their labels."""
    pixels, labels = bars(count)
    return pixels.float() / 255, labels


class Linear(nn.Module):
    """Logits Wx + b."""

    def __init__(self, weights: list[list[float]], biases: list[float]) -> None:
        super().__init__()
        self.layer = nn.Linear(len(weights[0]), len(weights))
        self.layer.weight.data = torch.tensor(weights)
        self.layer.bias.data = torch.tensor(biases)
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        return self.layer(images.flatten(1))


class WithoutGradients(nn.Module):
    """`network` for those who may not differentiate it; `sizes` are those of the batches it saw."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.sizes: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        assert not torch.is_grad_enabled()
        self.sizes.append(len(images))
        return _NoWayBack.apply(self.network(images))


class _NoWayBack(torch.autograd.Function):
    @staticmethod
    def forward(context, logits):
        return logits.clone()

    @staticmethod
    def backward(context, gradient):
        raise AssertionError("a gradient was asked for")


def state(network: nn.Module) -> list:
    """All that an attack must leave as it was."""
    values = [(name, tensor.clone()) for name, tensor in network.state_dict().items()]
    modes = [module.training for module in network.modules()]
    hooks = [len(module._forward_hooks) + len(module._backward_hooks) for module in network.modules()]
    return [values, modes, hooks, [(weight.requires_grad, weight.grad) for weight in network.parameters()]]


def same_state(network: nn.Module, before: list) -> bool:
    values, *rest = state(network)
    equal = all(one == other and torch.equal(a, b) for (one, a), (other, b) in zip(values, before[0], strict=True))
    return equal and rest == before[1:]


def of_attack(rows: list[Row], name: str) -> list[Row]:
    """The rows of one attack as if it had been alone, without its name in their subsets."""
    own = f"attack={name}"
    kept = [row for row in rows if row.subset and f"{row.subset},".startswith(f"{own},")]
    return [replace(row, subset=row.subset.removeprefix(own).removeprefix(",") or None) for row in kept]


def subject(count: int = 60) -> Subject:
    """What an evaluation is given: the residual network and `count` test images."""
    pixels, labels = bars(count)
    names = ["north", "middle", "south"]
    tensors = {f"network.{name}": tensor for name, tensor in network().state_dict().items()}
    header = {
        "seed": 4, "method": "std", "class_names": names, "settings": {"network": NETWORK.slice()},
        "input": {"channels": 3, "mean": MEAN, "std": STD, "height": 8, "width": 8},
    }  # fmt: skip
    images = Images(pixels, labels, [f"test-{row}" for row in range(count)], {"class_names": names})
    return Subject("models/bars/std/4.safetensors", tensors, header, torch.device("cpu"), {"test": images}, {})
