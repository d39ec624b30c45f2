"""Which layers of a network get a second derivative of their own."""

from torch import nn

from pipeline.focusing.batch_norm import BatchNorm
from pipeline.focusing.convolution import Convolution
from pipeline.focusing.twice import differentiable_twice


class Other(nn.BatchNorm2d):
    pass


def test_only_plain_layers_change_and_names_stay():
    network = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), Other(3), nn.Conv2d(3, 3, 3, padding="same"),
        nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect"), nn.ConvTranspose2d(3, 3, 3),
    )  # fmt: skip
    names = list(network.state_dict())
    differentiable_twice(network)
    kinds = [Convolution, BatchNorm, Other, nn.Conv2d, nn.Conv2d, nn.ConvTranspose2d]
    assert [type(layer) for layer in network] == kinds
    assert list(network.state_dict()) == names
