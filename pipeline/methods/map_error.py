"""ReFF(L1) and ReFF(L2): the Grad-CAM is drawn to the mask itself, inside as well as outside of it.

Paper: Adachi and Yamaguchi, ICME 2022, supplement, the two baselines of table 2 (reff.md section 3.4). Eq. 3 of ReFF is
replaced by the L1 or L2 error between map and annotation, which has a map of 1 everywhere in the mask as its goal:

    L = CE(y, softmax(z)) + λ Σ_l mean_B ‖M^l / max M^l − m^l‖

No accuracy of the paper could be read. In words: both mostly lose accuracy beside ReFF, and their maps sit in the
middle of the image.

Departures, where the paper could not be read: each image's map is divided by its maximum, to be in 0..1 as the mask is,
and the norm is a mean over the places of the map.
"""

from typing import TYPE_CHECKING

from torch import Tensor
from torch.nn.functional import cross_entropy

from pipeline.focusing.cams import layers_of, training_cams
from pipeline.focusing.penalties import error
from pipeline.focusing.twice import differentiable_twice
from pipeline.training.schedule import optimiser_of
from pipeline.training.session import Session

if TYPE_CHECKING:
    from pipeline.settings.focusing import MapError


def fit(session: Session, settings: "MapError") -> dict[str, Tensor]:
    """Train `session.network`; leaves nothing besides its weights. Records the error, without λ."""
    layers = layers_of(session.network, settings.layers, session.name)
    differentiable_twice(session.network)
    optimiser = optimiser_of([{"params": session.network.parameters()}], settings.optimiser)
    for _ in session.epochs(settings, optimiser):
        for images, labels, masks in session.masked_batches(settings.masks):
            logits, maps = training_cams(session, images, labels, settings, layers)
            beside = error(maps, masks, settings.norm)
            session.step(cross_entropy(logits, labels) + settings.weight * beside, logits, labels, map_error=beside)
        session.record()
    return {}
