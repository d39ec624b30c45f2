"""Fast gradient sign method: one step of length ε along the sign of the gradient (csg.md E10).

Paper: Goodfellow et al. 2015, Explaining and harnessing adversarial examples: x' = clip(x + ε·sgn ∇_x CE(f(x), y)), and
with a target t: x' = clip(x − ε·sgn ∇_x CE(f(x), t)). Cost: one forward and one backward pass.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pipeline.attacks.gradient import direction, inside

if TYPE_CHECKING:
    from pipeline.settings.attacks import Fgsm


def attack(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    targets: Tensor | None,
    settings: "Fgsm",
    generator: torch.Generator,
) -> Tensor:
    """Adversarial images B×C×H×W in 0..1; nothing is random."""
    return fgsm(network, images, labels, targets, epsilon=settings.epsilon)


def fgsm(
    network: nn.Module, images: Tensor, labels: Tensor, targets: Tensor | None = None, *, epsilon: float
) -> Tensor:
    """`images` B×C×H×W in 0..1, moved by at most `epsilon` per value away from `labels` B, or towards `targets` B.

    Where the gradient is zero the image stays as it is.
    """
    return inside(images + epsilon * direction(network, images, labels, targets).sign(), images, epsilon)
