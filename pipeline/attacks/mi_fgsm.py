"""Momentum iterative FGSM: signed steps along an accumulated gradient (normat.md section 4).

Paper: Dong et al. 2018, Boosting adversarial attacks with momentum, algorithm 1: with z = ∇_x CE(f(x), y) per image,
m ← μ·m + z/‖z‖₁ and x ← Π(x + (ε/T)·sgn m), where Π clips to within ε of the image and to 0..1. μ = 0 is the basic
iterative method, T = 1 is FGSM. Cost: T forward and backward passes.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from pipeline.attacks.gradient import direction, inside

if TYPE_CHECKING:
    from pipeline.settings.attacks import MiFgsm


def attack(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    targets: Tensor | None,
    settings: "MiFgsm",
    generator: torch.Generator,
) -> Tensor:
    """Adversarial images B×C×H×W in 0..1; nothing is random."""
    return mi_fgsm(
        network, images, labels, targets, epsilon=settings.epsilon, steps=settings.steps, decay=settings.decay
    )


def mi_fgsm(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    targets: Tensor | None = None,
    *,
    epsilon: float,
    steps: int,
    decay: float = 1.0,
) -> Tensor:
    """`images` B×C×H×W in 0..1, moved by at most `epsilon` per value away from `labels` B, or towards `targets` B.

    `steps` is T, `decay` μ. A zero gradient adds nothing to the momentum.
    """
    moved, momentum = images, torch.zeros_like(images)
    for _ in range(steps):
        gradient = direction(network, moved, labels, targets)
        # Gradients of a confident network are far below the default eps.
        unit = normalize(gradient.flatten(1), p=1, eps=torch.finfo(gradient.dtype).tiny).view_as(gradient)
        momentum = decay * momentum + unit
        moved = inside(moved + epsilon / steps * momentum.sign(), images, epsilon)
    return moved
