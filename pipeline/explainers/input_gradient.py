"""Input gradient: how the target's logit changes with each pixel.

Paper: Simonyan et al. 2014, Deep inside convolutional networks, equation 5: s(x, c) = ∂f_c(x) / ∂x, the simple gradient
of normat.md section 2. The gradient of the summed logits is the stack of the single gradients, since evaluation mode
mixes no examples.

Range: unbounded. Sign: positive where a brighter pixel raises the logit. Resolution: the image's. Cost: one forward and
one backward pass an image.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pipeline.explainers.channels import one_map

if TYPE_CHECKING:
    from pipeline.settings.explainers import InputGradient


def explain(network: nn.Module, images: Tensor, targets: Tensor, settings: "InputGradient") -> Tensor:
    """Maps B×H×W of `attribute`, its channels put together by `one_map`."""
    return one_map(attribute(network, images, targets, settings), settings.channels)


def attribute(
    network: nn.Module, images: Tensor, targets: Tensor, settings: "InputGradient", *, create_graph: bool = False
) -> Tensor:
    """`input_gradient` with these settings."""
    return input_gradient(network, images, targets, create_graph=create_graph)


def input_gradient(network: nn.Module, images: Tensor, targets: Tensor, *, create_graph: bool = False) -> Tensor:
    """∂(logit of the target)/∂(pixel) B×C×H×W in logits per pixel unit, for `images` B×C×H×W and `targets` B.

    With `create_graph` the result can be differentiated in the network's parameters and, if they require gradients, in
    the images. `network` may be any function to logits B×K that takes each image by itself. An image whose logit is not
    finite has NaN everywhere, which backpropagation through ReLUs would hide.
    """
    if not (create_graph and images.requires_grad):
        images = images.detach().requires_grad_()
    with torch.enable_grad():
        logits = network(images).gather(1, targets[:, None])
        gradient = torch.autograd.grad(logits.sum(), images, create_graph=create_graph)[0]
        return gradient.where(logits.isfinite().view(-1, 1, 1, 1), torch.nan)
