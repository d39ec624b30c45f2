"""GAIN with extra supervision: the Grad-CAM is drawn to the mask, and what it leaves out must not tell the class.

Paper: Li et al. 2018, Tell me where to look: guided attention inference network, CVPR, as in its public ports (reff.md
section 3.4); a baseline of ours beside ReFF. With M the Grad-CAM over its maximum, and m the mask at its size:

    L = CE(y, softmax(z)) + α L_am + λ mean (M − m)²
    L_am = mean_B softmax(z(x*))_y,    x* = x − T ∘ (x − μ),    T = sigmoid(ω (M − σ)) at the size of the image

x* is the image without what was looked at: μ, the mean colour of the training images, stands there instead, which is 0
in what the network's first layer sees. Weights α = 1, ω = 10 and σ = 0.5 are those of the ports.

Departures: the score is a probability, since a logit has no bound; the second forward pass changes no running
statistics of batch normalisation.
"""

from typing import TYPE_CHECKING

from torch import Tensor
from torch.nn.functional import cross_entropy, interpolate

from pipeline.focusing.cams import layers_of, running_statistics, training_cams
from pipeline.focusing.penalties import error, over_maximum
from pipeline.training.schedule import optimiser_of
from pipeline.training.session import Session

if TYPE_CHECKING:
    from pipeline.settings.focusing import Gain


def fit(session: Session, settings: "Gain") -> dict[str, Tensor]:
    """Train `session.network`; leaves nothing besides its weights. Records both terms, without α and λ."""
    network = session.network
    (layer,) = layers_of(network, "last", session.name)
    optimiser = optimiser_of([{"params": network.parameters()}], settings.optimiser)
    for _ in session.epochs(settings, optimiser):
        for images, labels, masks in session.masked_batches(settings.masks):
            logits, (maps,) = training_cams(session, images, labels, settings, [layer])
            with running_statistics(network), session.autocast():
                activations = network.activations(without(images, maps, network.mean, settings))
            left = network.readout(activations).softmax(1).gather(1, labels[:, None]).mean()
            beside = error([maps], masks, "squared_l2")
            loss = cross_entropy(logits, labels) + settings.mining * left + settings.weight * beside
            session.step(loss, logits, labels, left=left, map_error=beside)
        session.record()
    return {}


def without(images: Tensor, maps: Tensor, mean: Tensor, settings: "Gain") -> Tensor:
    """x* of `images` B×C×H×W: what `maps` B×h×w ≥ 0 look at gives way to the colour `mean`, C×1×1."""
    looked = interpolate(over_maximum(maps)[:, None], size=images.shape[2:], mode="bilinear", align_corners=False)
    gate = (settings.steepness * (looked - settings.threshold)).sigmoid()
    return images - gate * (images - mean)
