"""Smallest Euclidean change that fools the network, by Adam and a binary search (csg.md E10).

Paper: Carlini and Wagner 2017, Towards evaluating the robustness of neural networks, section VI.A: minimise
‖x' − x‖₂² + c·max(0, margin + κ) over x' = (tanh w + 1)/2, for the weight c that the binary search finds. The work is
done by foolbox. Cost: `searches` × `steps` forward and backward passes.
"""

from copy import deepcopy
from typing import TYPE_CHECKING

import torch
from foolbox import Misclassification, PyTorchModel, TargetedMisclassification
from foolbox.attacks import L2CarliniWagnerAttack
from torch import Tensor, nn

if TYPE_CHECKING:
    from pipeline.settings.attacks import CarliniWagner


def attack(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    targets: Tensor | None,
    settings: "CarliniWagner",
    generator: torch.Generator,
) -> Tensor:
    """Adversarial images B×C×H×W in 0..1, or the image itself where none was found; nothing is random."""
    # Foolbox calls backward(), which would leave gradients in the parameters.
    model = PyTorchModel(deepcopy(network).requires_grad_(False), bounds=(0, 1), device=images.device)
    goal = Misclassification(labels) if targets is None else TargetedMisclassification(targets)
    search = L2CarliniWagnerAttack(
        binary_search_steps=settings.searches,
        steps=settings.steps,
        stepsize=settings.learning_rate,
        confidence=settings.confidence,
        # It would stop all images as soon as their common loss stands still: results would depend on the batch.
        abort_early=False,
    )
    found = search.run(model, images, goal)
    # Foolbox marks a failure by a black image; what it finds is not black all over, for tanh keeps off −1.
    failed = (found == 0).flatten(1).all(1)
    return torch.where(failed[:, None, None, None], images, found)
