"""ABN with annotations: an attention branch network whose attention map is drawn to the mask.

Papers: Fukui et al. 2019, Attention branch network (pipeline/models/abn.py); Mitsuhara et al. 2019, Embedding human
knowledge into deep neural network via attention map, for the term of the map; as a baseline of Adachi and Yamaguchi,
ICME 2022, supplement, table 2 (reff.md section 3.4). With a the attention map and m the mask at its size:

    L = CE(y, softmax(z_attention)) + CE(y, softmax(z_perception)) + γ mean_B ‖a − m‖₂

The prediction is the perception branch's. In words of the paper: better than ReFF where all images are annotated, and
corrupt maps where few are.

Departures: everything is trained from the start, where Mitsuhara et al. only fine-tune the branches; masks come to the
size of the map as they do for ReFF.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from pipeline.focusing.penalties import at_size_of
from pipeline.training.schedule import optimiser_of
from pipeline.training.session import Session

if TYPE_CHECKING:
    from pipeline.settings.focusing import Abn


def fit(session: Session, settings: "Abn") -> dict[str, Tensor]:
    """Train `session.network`, both branches; leaves nothing besides its weights. Records the distance, without γ."""
    optimiser = optimiser_of([{"params": session.network.parameters()}], settings.optimiser)
    for _ in session.epochs(settings, optimiser):
        for images, labels, masks in session.masked_batches(settings.masks):
            with session.autocast():
                logits, attention_logits, attention = session.network.branches(images)
            beside = distance(attention, masks)
            loss = cross_entropy(logits, labels) + cross_entropy(attention_logits, labels) + settings.weight * beside
            session.step(loss, logits, labels, distance=beside)
        session.record()
    return {}


def distance(attention: Tensor, masks: Tensor) -> Tensor:
    """mean_B ‖a − m‖₂ of attention maps B×h×w and `masks` B×1×H×W, both in 0..1."""
    return torch.linalg.vector_norm(attention - at_size_of(attention, masks), dim=(1, 2)).mean()
