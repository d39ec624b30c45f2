"""CAM: the last activation maps, weighted by the target's row of the linear classifier behind them.

Paper: Zhou et al. 2016, Learning deep features for discriminative localization, equation 2; csg.md E9 and 8.21.
    M = Σ_k W_yk A_k
No bias and no ReLU: the spatial mean of M plus the target's bias is its logit. For networks with global average pooling
and one linear layer behind it.
Range: any real number, in logits. Sign: evidence for and against the target. Resolution: the last maps'. Cost: one
forward pass.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pipeline.models.classifier import linear_head

if TYPE_CHECKING:
    from pipeline.settings.explainers import Cam


def cam(maps: Tensor, weights: Tensor) -> Tensor:
    """B×h×w from activation maps B×K×h×w and, for each image, the target's row of the classifier, B×K."""
    if maps.is_contiguous(memory_format=torch.channels_last):
        # The gradient of the maps then lies in memory as they do.
        return (maps.permute(0, 2, 3, 1).flatten(1, 2) @ weights[:, :, None]).unflatten(1, maps.shape[2:])[..., 0]
    return torch.einsum("bk,bkhw->bhw", weights, maps)


@torch.no_grad()
def explain(network: nn.Module, images: Tensor, targets: Tensor, settings: "Cam") -> Tensor:
    """Maps of `images` B×C×H×W for the logits `targets` B.

    Raises `UserError` for a network without global average pooling and one linear layer.
    """
    head = linear_head(network, "cam", "take grad_cam instead")
    return cam(network.maps(images).float(), head.weight[targets].float())
