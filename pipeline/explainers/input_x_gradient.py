"""Input times gradient: the share of each pixel in the linearised logit.

Paper: Shrikumar et al. 2016, Not just a black box: x ⊙ ∂f_c(x)/∂x. Images are taken as they are, in 0..1, not
standardised: a black pixel gets nothing, whatever the network makes of it.

Range: unbounded. Sign: positive where the pixel as it is, rather than black, raises the linearised logit. Resolution:
the image's. Cost: one forward and one backward pass an image.
"""

from typing import TYPE_CHECKING

from torch import Tensor, nn

from pipeline.explainers.channels import one_map
from pipeline.explainers.input_gradient import input_gradient

if TYPE_CHECKING:
    from pipeline.settings.explainers import InputXGradient


def explain(network: nn.Module, images: Tensor, targets: Tensor, settings: "InputXGradient") -> Tensor:
    """Maps B×H×W of `attribute`, its channels put together by `one_map`."""
    return one_map(attribute(network, images, targets, settings), settings.channels)


def attribute(
    network: nn.Module, images: Tensor, targets: Tensor, settings: "InputXGradient", *, create_graph: bool = False
) -> Tensor:
    """`input_x_gradient` with these settings."""
    return input_x_gradient(network, images, targets, create_graph=create_graph)


def input_x_gradient(network: nn.Module, images: Tensor, targets: Tensor, *, create_graph: bool = False) -> Tensor:
    """Pixel times its gradient, B×C×H×W in logits; `create_graph` as in `input_gradient`."""
    gradient = input_gradient(network, images, targets, create_graph=create_graph)
    return (images if create_graph else images.detach()) * gradient
