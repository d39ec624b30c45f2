"""RRR: right for the right reasons, a penalty on input gradients outside the region that matters.

Paper: Ross, Hughes and Doshi-Velez 2017, Right for the right reasons, IJCAI, eq. 1 as in its public ports (reff.md
section 3.4); a baseline of ours beside ReFF. With m the mask, 1 where an image may be looked at:

    L = CE(y, softmax(z)) + λ1 mean_B Σ_{pixels, colours} ((1 − m) ∂/∂x Σ_k log softmax(z)_k)²

The sum over all classes does not saturate once the label is certain. Gradients are on the scale of images in 0..1.

Departure: the paper's L2 penalty on the weights is the optimiser's weight decay.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from pipeline.focusing.twice import differentiable_twice
from pipeline.training.schedule import optimiser_of
from pipeline.training.session import Session

if TYPE_CHECKING:
    from pipeline.settings.focusing import Rrr


def fit(session: Session, settings: "Rrr") -> dict[str, Tensor]:
    """Train `session.network`; leaves nothing besides its weights. Records the penalty, without λ1."""
    differentiable_twice(session.network)
    optimiser = optimiser_of([{"params": session.network.parameters()}], settings.optimiser)
    for _ in session.epochs(settings, optimiser):
        for images, labels, masks in session.masked_batches(settings.masks):
            images.requires_grad_()
            with session.autocast():
                activations = session.network.activations(images)
            logits = session.network.readout(activations)
            outside = penalty(logits, images, masks)
            loss = cross_entropy(logits, labels) + settings.weight * outside
            session.step(loss, logits, labels, penalty=outside)
        session.record()
    return {}


def penalty(logits: Tensor, images: Tensor, masks: Tensor) -> Tensor:
    """mean_B Σ ((1 − m) ∂/∂x Σ_k log p_k)² for `logits` B×C that hang on `images` B×C×H×W, and `masks` B×1×H×W."""
    (slopes,) = torch.autograd.grad(logits.log_softmax(1).sum(), images, create_graph=True)
    return ((1 - masks) * slopes).square().sum((1, 2, 3)).mean()
