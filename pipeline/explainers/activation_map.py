"""Activation map of one filter of the last stage: ActivMap.

Paper: Liang et al. 2020, Training interpretable convolutional neural networks by differentiating class-specific
filters, section 5.1; csg.md E9.
    M = A_k(x),    by default k = argmax_k W_yk · a_k(x), a_k = mean over places of A_k
Range: from 0, without upper end. Sign: none. Resolution: the last maps'. Cost: one forward pass.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.models.classifier import linear_head

if TYPE_CHECKING:
    from pipeline.settings.explainers import ActivationMap


def activation_map(maps: Tensor, filters: Tensor) -> Tensor:
    """B×h×w: of the maps B×K×h×w of each image the one of its filter, `filters` B."""
    return maps[torch.arange(len(maps), device=maps.device), filters]


def chosen_filters(network: nn.Module, features: Tensor, targets: Tensor, number: int | None) -> Tensor:
    """Filters B: `number` for every image, or if None the one that adds most to the target's logit.

    `features` are pooled activations B×K; of equals the lowest number is taken. Raises `UserError` for a filter that
    the network does not have, and for None in a network whose logits are not linear in its features.
    """
    if number is None:
        head = linear_head(network, "filter: null", "give the number of a filter")
        return (head.weight[targets] * features).argmax(1)
    if number >= features.shape[1]:
        raise UserError(
            f"filter: the network has no filter {number}; its last stage has {features.shape[1]}, counted from 0"
        )
    return torch.full_like(targets, number)


@torch.no_grad()
def explain(network: nn.Module, images: Tensor, targets: Tensor, settings: "ActivationMap") -> Tensor:
    """Maps of `images` B×C×H×W for one filter, or for the filter that serves the logits `targets` B best."""
    maps = network.maps(images).float()
    return activation_map(maps, chosen_filters(network, maps.mean((2, 3)), targets, settings.filter))
