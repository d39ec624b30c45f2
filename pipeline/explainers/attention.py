"""The attention map of an attention branch network, which gates the maps that its prediction is made from.

Paper: Fukui et al. 2019, Attention branch network, CVPR; reff.md section 3.4 and figure 6 of its source.
    a = sigmoid(BN(conv3×3(q))), from the attention branch's maps q of all classes
One map for all targets. For networks of the family `abn`.
Range: 0..1. Sign: how much of a place goes on. Resolution: that of the maps before the last stage. Cost: one forward
pass.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.models.abn import AttentionBranchNetwork

if TYPE_CHECKING:
    from pipeline.settings.explainers import Attention


@torch.no_grad()
def explain(network: nn.Module, images: Tensor, targets: Tensor, settings: "Attention") -> Tensor:
    """Maps B×h×w of `images` B×C×H×W, whatever the `targets`.

    Raises `UserError` for a network without an attention branch.
    """
    if not isinstance(network, AttentionBranchNetwork):
        raise UserError(
            f"explainer 'attention': the network {type(network).__name__} has no attention branch; name methods with "
            f"`network: {{from: abn}}`"
        )
    return network.branches(images).attention
