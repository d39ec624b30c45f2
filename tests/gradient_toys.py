"""Small networks, and what the tests of gradient explainers compare with."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from pipeline.models.resnet_cifar import build
from pipeline.settings.networks import ResnetCifar

#: Classes to explain, one for each image of `trained`.
TARGETS = torch.tensor([2, 0, 1, 2, 2])


def smooth() -> nn.Module:
    """A network without kinks in double precision, so that finite differences are its gradients."""
    convolution = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Softplus())
    network = nn.Sequential(convolution, nn.Conv2d(4, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(3 * 16, 3)).double()
    # Initial weights are so small that the logits would be almost linear.
    for layer in (network[1], network[4]):
        nn.init.normal_(layer.weight, std=0.5)
    return network


def resnet() -> nn.Module:
    settings = ResnetCifar(blocks=1, channels=(4, 4, 6))
    return build(settings, channels=2, size=(8, 8), classes=3, mean=[0.4] * 2, std=[0.2, 0.3])


def trained(make: Callable[[], nn.Module]) -> tuple[nn.Module, Tensor]:
    """The network in evaluation mode, with running statistics that are not the first ones, and images of its kind."""
    torch.manual_seed(0)
    network = make()
    dtype = next(network.parameters()).dtype
    network.train()(torch.rand(20, 2, 6, 6, dtype=dtype))
    return network.eval(), torch.rand(5, 2, 6, 6, dtype=dtype)


def linear() -> tuple[nn.Module, Tensor]:
    """Logits that are linear in images 2×6×6, and their weights 3×2×6×6."""
    torch.manual_seed(1)
    layer = nn.Linear(2 * 36, 3).double()
    return nn.Sequential(nn.Flatten(), layer), layer.weight.detach().view(3, 2, 6, 6)


def slope(network: nn.Module, image: Tensor, target: Tensor) -> Tensor:
    """Gradient C×H×W of one image's logit, by a backward pass of its own."""
    image = image.detach().clone().requires_grad_()
    network(image[None])[0, target].backward(inputs=[image])
    return image.grad


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
