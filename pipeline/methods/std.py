"""STD: ordinary training with cross-entropy, the baseline that every method is compared to.

Paper: csg.md section 2.7, the "STD CNN": the same architecture, data, optimiser, epochs and seed as CSG, every epoch on
the ordinary path, no gates. Published (Table J.1): 88.03 % on CIFAR-10 with ResNet-20.
"""

from typing import TYPE_CHECKING

from torch import Tensor
from torch.nn.functional import cross_entropy

from pipeline.training.schedule import optimiser_of
from pipeline.training.session import Session

if TYPE_CHECKING:
    from pipeline.settings.methods import Std


def fit(session: Session, settings: "Std") -> dict[str, Tensor]:
    """Train `session.network`; leaves nothing besides its weights."""
    optimiser = optimiser_of([{"params": session.network.parameters()}], settings.optimiser)
    for _ in session.epochs(settings, optimiser):
        for images, labels in session.batches():
            with session.autocast():
                activations = session.network.activations(images)
            logits = session.network.readout(activations)
            session.step(cross_entropy(logits, labels), logits, labels)
        session.record()
    return {}
