"""ReFF: relevant feature focusing, a penalty on the Grad-CAM outside the region that matters.

Paper: Adachi and Yamaguchi, Learning robust convolutional neural networks with relevant feature focusing via
explanations, ICME 2022, eq. 3 (reff.md sections 3.1 to 3.3). With M^l the Grad-CAM of the label behind layer l, and m^l
the mask at its size:

    L = CE(y, softmax(z)) + λ Σ_l mean_B ‖h_l w_l (1 − m^l) ∘ M^l‖

The penalty is on what is explained outside the mask alone, so that a mask that is too large does little harm. At test
time there is neither mask nor penalty. No accuracy of the paper could be read: its tables are lost.

Departures, where eq. 3 could not be read: the norm is the mean of squares unless `norm` says other; maps are multiplied
by their size h·w, because the last one of a network with global average pooling sums to z_y − b_y; they are not
normalised, which would make "empty everywhere" the cheapest map. The paper's score is the logit; `score: centred` is
our variant, whose score softmax's invariance leaves no way around.
"""

from typing import TYPE_CHECKING

from torch import Tensor
from torch.nn.functional import cross_entropy

from pipeline.focusing.cams import layers_of, training_cams
from pipeline.focusing.penalties import at_size_of, mean_norm
from pipeline.focusing.twice import differentiable_twice
from pipeline.training.schedule import optimiser_of
from pipeline.training.session import Session

if TYPE_CHECKING:
    from pipeline.settings.focusing import Reff


def fit(session: Session, settings: "Reff") -> dict[str, Tensor]:
    """Train `session.network`; leaves nothing besides its weights. Records the penalty, without λ."""
    layers = layers_of(session.network, settings.layers, session.name)
    differentiable_twice(session.network)
    optimiser = optimiser_of([{"params": session.network.parameters()}], settings.optimiser)
    for _ in session.epochs(settings, optimiser):
        for images, labels, masks in session.masked_batches(settings.masks):
            logits, maps = training_cams(session, images, labels, settings, layers)
            outside = penalty(maps, masks, settings.norm)
            loss = cross_entropy(logits, labels) + settings.weight * outside
            session.step(loss, logits, labels, penalty=outside)
        session.record()
    return {}


def penalty(maps: list[Tensor], masks: Tensor, norm: str) -> Tensor:
    """Σ_l ‖h w (1 − m^l) ∘ M^l‖ of `maps` B×h×w and `masks` B×1×H×W in 0..1; 0 where masks are 1 everywhere."""
    return sum(mean_norm(of_layer[0].numel() * (1 - at_size_of(of_layer, masks)) * of_layer, norm) for of_layer in maps)
