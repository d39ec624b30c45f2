"""Networks whose gradients are to be differentiated once more: layers whose second derivative is quick."""

from torch import nn

from pipeline.focusing.batch_norm import BatchNorm
from pipeline.focusing.convolution import Convolution


def differentiable_twice(network: nn.Module) -> None:
    """Give batch normalisation and convolutions in `network` that derivative; outputs, weights and names stay.

    Layers of other classes stay what they are, such as batch normalisation that several processes share, and so do
    convolutions padded with anything but zeros.
    """
    for layer in network.modules():
        # The same layer with another forward pass: who holds the layer or its weights need not know.
        if type(layer) is nn.BatchNorm2d:
            layer.__class__ = BatchNorm
        elif type(layer) is nn.Conv2d and layer.padding_mode == "zeros" and not isinstance(layer.padding, str):
            layer.__class__ = Convolution
