"""STD: ordinary training, the baseline that every method is compared to; with cross-entropy unless `loss` says other.

Paper: csg.md section 2.7, the "STD CNN": the same architecture, data, optimiser, epochs and seed as CSG, every epoch on
the ordinary path, no gates. Published (Table J.1): 88.03 % on CIFAR-10 with ResNet-20. Also
the SGD and Adam that Khorram 2020 compares to (admm.md section 5.5), on the squared error or the cross-entropy.
"""

from typing import TYPE_CHECKING

from torch import Tensor

from pipeline.training.losses import mean_loss
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
            session.step(mean_loss(settings.loss, logits, labels), logits, labels)
        session.record()
    return {}
