"""Sparsified gradient: the input gradient of which only the largest entries stay (normat.md section 7).

s_i(x, c) where |s_i| is among the largest ⌊keep · n⌋ of the n = C·H·W entries, at least one, and 0 elsewhere; of equal
entries the first ones stay. Rounding down is what the code of the authors of MoreauGrad does. Colour channels compete
with each other; the map has at most as many pixels as entries stayed.

Range: that of the input gradient. Sign: as the input gradient. Resolution: the image's. Cost: one forward and one
backward pass an image.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pipeline.explainers.channels import one_map
from pipeline.explainers.input_gradient import input_gradient
from pipeline.ranking import largest, rank

if TYPE_CHECKING:
    from pipeline.settings.explainers import SparsifiedGradient


def explain(network: nn.Module, images: Tensor, targets: Tensor, settings: "SparsifiedGradient") -> Tensor:
    """Maps B×H×W of `attribute`, its channels put together by `one_map`."""
    return one_map(attribute(network, images, targets, settings), settings.channels)


def attribute(
    network: nn.Module, images: Tensor, targets: Tensor, settings: "SparsifiedGradient", *, create_graph: bool = False
) -> Tensor:
    """`sparsified_gradient` with these settings."""
    return sparsified_gradient(network, images, targets, keep=settings.keep, create_graph=create_graph)


def sparsified_gradient(
    network: nn.Module, images: Tensor, targets: Tensor, *, keep: float, create_graph: bool = False
) -> Tensor:
    """Gradients B×C×H×W in logits per pixel unit, all but the share `keep` of them 0.

    `create_graph` as in `input_gradient`; which entries stay is then taken as given.
    """
    gradient = input_gradient(network, images, targets, create_graph=create_graph)
    return gradient * top(gradient.detach().abs(), keep)


def top(magnitudes: Tensor, share: float) -> Tensor:
    """Mask B×C×H×W of the largest ⌊share · n⌋ of the n entries of each item, at least one."""
    values = magnitudes.flatten(1)
    counts = torch.tensor(rank(share, values.shape[1]), device=values.device)
    return largest(values, counts.expand(len(values))).view_as(magnitudes)
