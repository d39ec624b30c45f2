"""In place of a network, for methods that decompose images and train none: whoever asks for logits or maps is told so.

Checkpoints, evaluations and the page are made for networks; with this one such a method goes the same way, and nothing
can be measured of a network that nobody trained.
"""

from typing import TYPE_CHECKING, Never

from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.models.classifier import Classifier

if TYPE_CHECKING:
    from pipeline.settings.networks import NoNetwork


class Nothing(Classifier):
    """No layers and no parameters; everything that it could be asked for raises `UserError`."""

    def maps(self, images: Tensor) -> Never:
        """Raises `UserError`."""
        raise UserError(
            "the method trains no network; leave it out under `methods` of the evaluation, and explain others"
        )

    features = activations = readout = maps


def build(
    settings: "NoNetwork", *, channels: int, size: tuple[int, int], classes: int, mean: list[float], std: list[float]
) -> Nothing:
    """No network, for any images; `mean` and `std` are as in `Classifier`."""
    return Nothing(nn.Sequential(), {}, mean, std)
