"""What attacks within a ball of the maximum norm share: where to go and how far."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy


def direction(network: nn.Module, images: Tensor, labels: Tensor, targets: Tensor | None) -> Tensor:
    """Gradient B×C×H×W that leads `images` away from `labels` B, or to `targets` B if there are any.

    Gradient of the cross-entropy of the label, or minus that of the target's, per image; nothing is left in the
    parameters. The loss is computed in double precision: in single precision 1 − p of a confident network is 0, and
    with it the part of the gradient that belongs to its class.
    """
    images = images.detach().requires_grad_()
    classes = labels if targets is None else targets
    loss = cross_entropy(network(images).double(), classes, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, images)
    return gradient if targets is None else -gradient


def inside(moved: Tensor, images: Tensor, epsilon: float) -> Tensor:
    """`moved` clipped to within `epsilon` of each value of `images` and to 0..1."""
    return moved.clamp((images - epsilon).clamp_min(0), (images + epsilon).clamp_max(1))
