"""Input gradient: how the target's logit changes with each pixel.

Paper: Simonyan et al. 2014, Deep inside convolutional networks, equation 5. One forward and one backward pass a batch;
the gradient of the summed logits is the stack of the single gradients, since evaluation mode mixes no examples.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from pipeline.settings.explainers import InputGradient


def explain(network: nn.Module, images: Tensor, targets: Tensor, settings: "InputGradient") -> Tensor:
    """Signed maps B×H×W at the resolution of `images` B×C×H×W: gradients in logits per pixel unit, summed over C."""
    images = images.detach().requires_grad_()
    logits = network(images).gather(1, targets[:, None]).sum()
    return torch.autograd.grad(logits, images)[0].sum(1)
