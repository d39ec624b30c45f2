"""PatchGAN: published sizes, and the patch that a logit sees."""

import pytest
import torch
from networks import count
from torch import nn

from pipeline.models.patchgan import patchgan

PUBLISHED = (64, 128, 256, 512)


def test_the_published_sizes():
    """2.769 million parameters is what the authors' code prints for colour pictures beside colour pictures."""
    network = patchgan(6, PUBLISHED)
    assert count(network) == 2_768_705
    assert network(torch.zeros(1, 6, 256, 256)).shape == (1, 1, 30, 30)
    convolutions = [layer for layer in network if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [64, 128, 256, 512, 1]
    assert [layer.stride[0] for layer in convolutions] == [2, 2, 2, 1, 1]
    normalised = [layer.num_features for layer in network if isinstance(layer, nn.BatchNorm2d)]
    assert normalised == [128, 256, 512]


@pytest.mark.parametrize(("channels", "side", "field"), [((1, 1, 1, 1), 128, 70), ((2, 2, 2), 64, 34)])
def test_a_logit_sees_a_patch_of_that_side(channels, side, field):
    network = patchgan(1, channels).eval()
    for weight in network.parameters():
        nn.init.ones_(weight)
    picture = torch.ones(1, 1, side, side, requires_grad=True)
    logits = network(picture)
    middle = logits.shape[2] // 2
    logits[0, 0, middle, middle].backward()
    seen = picture.grad[0, 0].nonzero()
    assert (seen.amax(0) - seen.amin(0) + 1).tolist() == [field, field]
