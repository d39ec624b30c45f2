"""Grad-CAM: activation maps of a layer, weighted by how much the target's logit rises with each.

Paper: Selvaraju et al. 2017, Grad-CAM, equations 1 and 2; on several layers at once reff.md section 3.1.
    α_k = (1 / (h·w)) Σ_uv ∂z_y / ∂A_kuv,    M = ReLU(Σ_k α_k A_k)
Behind the last maps of a network with global average pooling, α_k = W_yk / (h·w): M is the ReLU of its CAM over h·w.
Range: from 0, without upper end; maps of several layers 0..1. Sign: evidence for the target only. Resolution: the
layer's, of several layers the largest. Cost: one forward pass and one backward pass down to the lowest layer.
"""

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.explainers.cam import cam
from pipeline.explainers.layers import captured
from pipeline.explainers.maps import resized

if TYPE_CHECKING:
    from pipeline.settings.explainers import GradCam


def grad_cam(
    network: nn.Module, images: Tensor, targets: Tensor, layers: Sequence[str], *, create_graph: bool = False
) -> list[Tensor]:
    """Maps B×h×w ≥ 0 of each layer, not normalised, for `images` B×C×H×W and the logits `targets` B.

    With `create_graph` they can be differentiated by the network's parameters, through α as well as through A. Raises
    `UserError` for a layer that does not exist or whose output is not B×K×h×w.
    """
    with torch.enable_grad(), captured(network, layers) as outputs:
        # The gradient of the sum is the stack of the single gradients, since evaluation mode mixes no examples.
        score = network(images).gather(1, targets[:, None]).sum()
    return maps_of(score, {layer: outputs[layer] for layer in layers}, create_graph=create_graph)


def maps_of(score: Tensor, activations: dict[str, Tensor], *, create_graph: bool = False) -> list[Tensor]:
    """Maps B×h×w ≥ 0 of each layer for a `score` summed over the batch, from its `activations` B×K×h×w by name.

    One pass backwards serves all layers. Sums are in single precision at least. Errors are those of `grad_cam`.
    """
    for layer, maps in activations.items():
        if maps.dim() != 4:
            raise UserError(f"layers: '{layer}' gives no maps but a tensor of {maps.dim()} dimensions, expected 4")
    gradients = torch.autograd.grad(score, list(activations.values()), create_graph=create_graph)
    return [
        cam(_at_least_single(maps), _sums(gradient) / maps[0, 0].numel()).relu()
        for gradient, maps in zip(gradients, activations.values(), strict=True)
    ]


def _sums(gradient: Tensor) -> Tensor:
    """B×K over the places of B×K×h×w, with the channels last as in `pooled`."""
    return _at_least_single(gradient.permute(0, 2, 3, 1)).sum((1, 2))


def _at_least_single(values: Tensor) -> Tensor:
    return values.to(torch.promote_types(values.dtype, torch.float32))


def explain(network: nn.Module, images: Tensor, targets: Tensor, settings: "GradCam") -> Tensor:
    """The map of `settings.layers`; of several layers the mean of their maps, each divided by its maximum.

    A layer's map that is zero everywhere stays so and counts in the mean.
    """
    maps = [of_layer.detach().float() for of_layer in grad_cam(network, images, targets, settings.layers)]
    if len(maps) == 1:
        return maps[0]
    size = max((of_layer.shape[1:] for of_layer in maps), key=prod)
    return torch.stack([resized(_over_maximum(of_layer), size) for of_layer in maps]).mean(0)


def _over_maximum(maps: Tensor) -> Tensor:
    highest = maps.amax((1, 2), keepdim=True)
    return maps / highest.where(highest != 0, 1)
