"""U-Net: sizes, skips, dropout and the range of what it draws."""

import pytest
import torch
from networks import count
from torch import Tensor, nn
from torch.nn.functional import batch_norm, conv2d, conv_transpose2d, leaky_relu

from pipeline.models.unet import UNet
from pipeline.training.streams import seeded


def network(levels: int = 3, base: int = 2, dropout: float = 0.0) -> UNet:
    with seeded(0, "init"):
        return UNet(3, 1, levels, base, dropout)


def pictures(side: int = 16, images: int = 2) -> Tensor:
    return torch.rand(images, 3, side, side, generator=torch.Generator().manual_seed(0))


def normalised(x: Tensor, layer: nn.BatchNorm2d) -> Tensor:
    return batch_norm(x, None, None, layer.weight, layer.bias, training=True)


def test_the_published_size():
    """54.414 million parameters is what the authors' code prints for U-Net-256 from three to three channels."""
    published = UNet(3, 3, 8, 64, 0.5)
    assert count(published) == 54_413_955
    dropped = [[layer for layer in block if isinstance(layer, nn.Dropout)] for block in published.up]
    assert [len(layers) for layers in dropped] == [0, 1, 1, 1, 0, 0, 0, 0]
    assert all(layers[0].p == 0.5 for layers in dropped[1:4])


def test_it_is_the_literal_network():
    unet = network(levels=3)
    (first, second, third), (a, b, c) = unet.down, unet.up
    x = pictures()
    one = conv2d(x, first.weight, stride=2, padding=1)
    two = normalised(conv2d(leaky_relu(one, 0.2), second[1].weight, stride=2, padding=1), second[2])
    inner = conv2d(leaky_relu(two, 0.2), third[1].weight, stride=2, padding=1)
    up = normalised(conv_transpose2d(inner.relu(), a[1].weight, stride=2, padding=1), a[2])
    up = torch.cat([two, up], 1).relu()
    up = normalised(conv_transpose2d(up, b[1].weight, stride=2, padding=1), b[2])
    up = conv_transpose2d(torch.cat([one, up], 1).relu(), c[1].weight, c[1].bias, stride=2, padding=1)
    assert torch.allclose(unet(x), up.tanh(), atol=1e-6)
    assert [tuple(part.shape[1:]) for part in (one, two, inner)] == [(2, 8, 8), (4, 4, 4), (8, 2, 2)]


@pytest.mark.parametrize(("levels", "side"), [(2, 8), (4, 32), (5, 32)])
def test_what_is_drawn_has_the_size_of_the_picture(levels, side):
    drawn = network(levels)(pictures(side))
    assert drawn.shape == (2, 1, side, side) and drawn.abs().max() < 1


def test_dropout_draws_in_training_alone():
    unet = network(levels=6, base=1, dropout=0.5)
    x = pictures(64)
    assert not torch.equal(unet(x), unet(x))
    unet.eval()
    assert torch.equal(unet(x), unet(x))
