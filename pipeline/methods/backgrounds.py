"""Background swap: each image before the background of another one, a control of what masks are good for.

A control of reff.md section 3.4 (b), "oracle augmentation", no paper's method: with x' the image before x in the
shuffled batch and m the mask of x,

    L = CE(y, softmax(z(m ∘ x + (1 − m) ∘ x')))

What of x' lies outside m is all of it there, its object included. Test images are as they are.

The other bound, training and testing on x ∘ m, is no method: test images would have to be masked as well. Where objects
are put before backgrounds, a dataset with a background of one colour is the same: `textured_digits` with
`background_range: [0.0, 0.0]`.
"""

from typing import TYPE_CHECKING

from torch import Tensor
from torch.nn.functional import cross_entropy

from pipeline.training.schedule import optimiser_of
from pipeline.training.session import Session

if TYPE_CHECKING:
    from pipeline.settings.focusing import Backgrounds


def fit(session: Session, settings: "Backgrounds") -> dict[str, Tensor]:
    """Train `session.network`; leaves nothing besides its weights."""
    optimiser = optimiser_of([{"params": session.network.parameters()}], settings.optimiser)
    for _ in session.epochs(settings, optimiser):
        for images, labels, masks in session.masked_batches(settings.masks):
            with session.autocast():
                activations = session.network.activations(swapped(images, masks, session.group.previous(images)))
            logits = session.network.readout(activations)
            session.step(cross_entropy(logits, labels), logits, labels)
        session.record()
    return {}


def swapped(images: Tensor, masks: Tensor, others: Tensor) -> Tensor:
    """m ∘ x + (1 − m) ∘ x' for `images` x and `others` x', B×C×H×W, and `masks` m B×1×H×W in 0..1."""
    return masks * images + (1 - masks) * others
