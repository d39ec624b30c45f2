"""Gradient of one filter's pooled activation with respect to the input, blurred: GradMap.

Paper: Liang et al. 2020, Training interpretable convolutional neural networks by differentiating class-specific
filters, section 5.1 and appendix H; csg.md E9 and 8.16.
    g = ∂a_k / ∂x̃,    m = ‖g‖₂ over colour channels,    M = blur(m / √(mean over pixels of m²))
x̃ is the normalised input: the gradient with respect to the image is multiplied by `network.std` channel by channel,
where the network has one. σ of the blur is given for images of 128 × 128 and grows with the height; the kernel has
2·round(tσ) + 1 pixels a side, t = 3, and the border is reflected. The authors' release has σ = 30 and t = 1. By default
k is as in `activation_map`.
Range: from 0, around 1; the map of a dead filter is 0. Sign: none. Resolution: the image's. Cost: two forward passes,
of which one finds the filters, and one backward pass a filter.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torchvision.transforms.functional import gaussian_blur

from pipeline.errors import UserError
from pipeline.explainers.activation_map import chosen_filters

if TYPE_CHECKING:
    from pipeline.settings.explainers import FilterGradient


def filter_gradient(
    network: nn.Module, images: Tensor, filters: Tensor, *, blur: float = 5.0, truncate: float = 3.0
) -> Tensor:
    """Maps B×F×H×W of the filters B×F of each image B×C×H×W; `blur` is σ in pixels of an image of 128 × 128.

    The kernel of the blur ends at `truncate` standard deviations.

    NaN for an image in which the filter's activation is NaN or infinite: its gradient need not show that. Raises
    `UserError` for a blur that reaches beyond the border's reflection.
    """
    images = images.detach().requires_grad_()
    with torch.enable_grad():
        features = network.features(images).gather(1, filters)
        # Evaluation mode mixes no examples: the gradient of the sum is the stack of the single gradients.
        totals = features.sum(0)
    gradients = [torch.autograd.grad(total, images, retain_graph=True)[0] for total in totals]
    lengths = torch.stack(gradients, dim=1).mul_(getattr(network, "std", torch.ones(()))).norm(dim=2)
    scale = lengths.square().mean((2, 3), keepdim=True).sqrt()
    maps = _blurred(lengths / scale.where(scale != 0, 1), blur * images.shape[2] / 128, truncate)
    return maps.where(features.isfinite()[:, :, None, None], torch.nan)


def explain(network: nn.Module, images: Tensor, targets: Tensor, settings: "FilterGradient") -> Tensor:
    """Maps of `images` B×C×H×W for one filter, or for the filter that serves the logits `targets` B best."""
    with torch.no_grad():
        filters = chosen_filters(network, network.features(images), targets, settings.filter)
    found = filter_gradient(network, images, filters[:, None], blur=settings.blur, truncate=settings.truncate)
    return found[:, 0]


def _blurred(maps: Tensor, sigma: float, truncate: float) -> Tensor:
    """Maps …×H×W, one axis after the other: a kernel of s pixels a side then costs 2·s, not s², a pixel."""
    side = 2 * round(truncate * sigma) + 1
    if side // 2 >= min(maps.shape[-2:]):
        raise UserError(f"blur: its kernel of {side} pixels is too large for maps of {tuple(maps.shape[-2:])}")
    return gaussian_blur(gaussian_blur(maps, [1, side], sigma), [side, 1], sigma)
