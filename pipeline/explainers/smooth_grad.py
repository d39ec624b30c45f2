"""SmoothGrad: the mean gradient over noisy copies of the image.

Paper: Smilkov et al. 2017, SmoothGrad: removing noise by adding noise: mean over n of s(x + σ n, c) with n ~ N(0, 1)
and σ a share of the image's range. Gradients are averaged with their signs; magnitudes are taken of the mean
(normat.md sections 7 and 11).

Range: that of the input gradient. Sign: as the input gradient, of the smoothed logit. Resolution: the image's. Cost:
`draws` forward and backward passes an image.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pipeline.explainers.channels import one_map
from pipeline.explainers.input_gradient import input_gradient
from pipeline.training.streams import stream

if TYPE_CHECKING:
    from pipeline.settings.explainers import SmoothGrad


def explain(network: nn.Module, images: Tensor, targets: Tensor, settings: "SmoothGrad") -> Tensor:
    """Maps B×H×W of `attribute`, its channels put together by `one_map`."""
    return one_map(attribute(network, images, targets, settings), settings.channels)


def attribute(
    network: nn.Module, images: Tensor, targets: Tensor, settings: "SmoothGrad", *, create_graph: bool = False
) -> Tensor:
    """`smooth_grad` with these settings, and the same noise at every call."""
    return smooth_grad(
        network,
        images,
        targets,
        noise=settings.noise,
        draws=settings.draws,
        generator=stream(0, "explain", "smooth_grad"),
        create_graph=create_graph,
    )


def smooth_grad(
    network: nn.Module,
    images: Tensor,
    targets: Tensor,
    *,
    noise: float,
    draws: int,
    generator: torch.Generator,
    create_graph: bool = False,
) -> Tensor:
    """Mean signed gradient B×C×H×W in logits per pixel unit; `noise` to `generator` as in `noisy_copies`.

    With `create_graph` (as in `input_gradient`) the graphs of all draws are in memory.
    """
    total = torch.zeros_like(images)
    for copies in noisy_copies(images, noise, draws, generator):
        total += input_gradient(network, copies, targets, create_graph=create_graph)
    return total / draws


def noisy_copies(images: Tensor, noise: float, draws: int, generator: torch.Generator) -> Iterator[Tensor]:
    """`draws` times the images plus Gaussian noise of standard deviation `noise` × (largest − smallest value) of each.

    One draw of the CPU `generator` serves all images, so that nobody's copies depend on the rest of the batch. Copies
    may leave 0..1, as in the paper.
    """
    deviation = noise * (images.amax((1, 2, 3), keepdim=True) - images.amin((1, 2, 3), keepdim=True))
    for _ in range(draws):
        draw = torch.randn(1, *images.shape[1:], generator=generator, dtype=images.dtype)
        yield images + deviation * draw.to(images.device)
