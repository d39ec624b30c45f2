"""Sparsified SmoothGrad: how regularly an entry is among the largest of the gradient, over noisy copies of the image.

Paper: Levine et al. 2019, Certifiably robust interpretation in deep learning, in the relaxed form of the code of the
authors of MoreauGrad (normat.md section 7). For each noisy copy: |s|, divided by its threshold and capped at 1, where
the largest ⌊cap · n⌋ of the n = C·H·W entries, at least one, are at or above the threshold; then all but the largest
⌊keep · n⌋ become 0; then the mean over copies. A copy with fewer non-zero gradients than ⌊cap · n⌋ has each of them
count as 1, and one without any counts as 0.

Range: 0..1 for each channel, so 0..C for the sum. Sign: none, so that `signed` and `magnitude` channels are the same.
Resolution: the image's. Cost: `draws` forward and backward passes an image.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pipeline.explainers.channels import one_map
from pipeline.explainers.input_gradient import input_gradient
from pipeline.explainers.smooth_grad import noisy_copies
from pipeline.explainers.sparsified_gradient import top
from pipeline.ranking import rank
from pipeline.training.streams import stream

if TYPE_CHECKING:
    from pipeline.settings.explainers import SparsifiedSmoothGrad


def explain(network: nn.Module, images: Tensor, targets: Tensor, settings: "SparsifiedSmoothGrad") -> Tensor:
    """Maps B×H×W of `attribute`, its channels put together by `one_map`."""
    return one_map(attribute(network, images, targets, settings), settings.channels)


def attribute(
    network: nn.Module, images: Tensor, targets: Tensor, settings: "SparsifiedSmoothGrad", *, create_graph: bool = False
) -> Tensor:
    """`sparsified_smooth_grad` with these settings, and the same noise at every call."""
    return sparsified_smooth_grad(
        network,
        images,
        targets,
        noise=settings.noise,
        draws=settings.draws,
        keep=settings.keep,
        cap=settings.cap,
        generator=stream(0, "explain", "sparsified_smooth_grad"),
        create_graph=create_graph,
    )


def sparsified_smooth_grad(
    network: nn.Module,
    images: Tensor,
    targets: Tensor,
    *,
    noise: float,
    draws: int,
    keep: float,
    cap: float,
    generator: torch.Generator,
    create_graph: bool = False,
) -> Tensor:
    """Attributions B×C×H×W in 0..1; `noise`, `draws` and `generator` as in `noisy_copies`.

    With `create_graph` (as in `input_gradient`) the graphs of all draws are in memory; the result is then
    differentiable through the values and the threshold, with the entries that stay taken as given.
    """
    total = torch.zeros_like(images)
    for copies in noisy_copies(images, noise, draws, generator):
        gradient = input_gradient(network, copies, targets, create_graph=create_graph)
        total += capped(gradient.abs(), cap) * top(gradient.detach().abs(), keep)
    return total / draws


def capped(magnitudes: Tensor, share: float) -> Tensor:
    """Magnitudes B×C×H×W over the smallest of their largest ⌊share · n⌋, at least one, and at most 1; 0 stays 0."""
    values = magnitudes.flatten(1)
    limit = values.topk(rank(share, values.shape[1])).values[:, -1].view(-1, 1, 1, 1)
    return (magnitudes / limit.clamp_min(torch.finfo(magnitudes.dtype).tiny)).clamp_max(1)
