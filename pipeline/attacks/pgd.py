"""Projected gradient descent: signed steps, each projected back into the ball of the maximum norm (csg.md E10).

Paper: Madry et al. 2018, Towards deep learning models resistant to adversarial attacks:
x ← Π(x + α·sgn ∇_x CE(f(x), y)), where Π clips to within ε of the image and to 0..1; with a target t the step goes down
CE(f(x), t). Without a random start this is the basic iterative method. Cost: `steps` forward and backward passes.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pipeline.attacks.gradient import direction, inside

if TYPE_CHECKING:
    from pipeline.settings.attacks import Pgd


def attack(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    targets: Tensor | None,
    settings: "Pgd",
    generator: torch.Generator,
) -> Tensor:
    """Adversarial images B×C×H×W in 0..1; the random start, if there is one, is uniform in the ball."""
    start = images
    if settings.random_start:
        noise = 2 * torch.rand(images.shape, generator=generator).to(images) - 1
        start = inside(images + settings.epsilon * noise, images, settings.epsilon)
    return pgd(
        network,
        images,
        labels,
        targets,
        epsilon=settings.epsilon,
        step=settings.step,
        steps=settings.steps,
        start=start,
    )


def pgd(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    targets: Tensor | None = None,
    *,
    epsilon: float,
    step: float,
    steps: int,
    start: Tensor | None = None,
) -> Tensor:
    """`images` B×C×H×W in 0..1, moved by at most `epsilon` per value away from `labels` B, or towards `targets` B.

    `start` is the point of the ball where the way begins, by default the image itself.
    """
    moved = images if start is None else start
    for _ in range(steps):
        moved = inside(moved + step * direction(network, moved, labels, targets).sign(), images, epsilon)
    return moved
