"""Input times gradient: the literal product, captum, a linear logit, and black pixels."""

import pytest
import torch
from captum.attr import InputXGradient
from gradient_toys import TARGETS, linear, resnet, slope, smooth, trained

from pipeline.explainers.input_x_gradient import input_x_gradient


@pytest.mark.parametrize("make", [smooth, resnet])
def test_attributions_are_the_literal_product(make):
    network, images = trained(make)
    expected = [image * slope(network, image, target) for image, target in zip(images, TARGETS, strict=True)]
    assert torch.allclose(input_x_gradient(network, images, TARGETS), torch.stack(expected), rtol=1e-4, atol=1e-6)


def test_captum_finds_the_same():
    network, images = trained(resnet)
    expected = InputXGradient(network).attribute(images.clone().requires_grad_(), target=TARGETS)
    assert torch.allclose(input_x_gradient(network, images, TARGETS), expected, rtol=1e-5, atol=1e-7)


def test_shares_of_a_linear_logit_are_its_change_from_black():
    network, _ = linear()
    images = torch.rand(5, 2, 6, 6, dtype=torch.float64)
    change = (network(images) - network(torch.zeros_like(images))).gather(1, TARGETS[:, None])[:, 0]
    assert torch.allclose(input_x_gradient(network, images, TARGETS).sum((1, 2, 3)), change)


def test_black_pixels_get_nothing():
    network, images = trained(smooth)
    images[:, :, 2:4] = 0
    attributions = input_x_gradient(network, images, TARGETS)
    assert (attributions[:, :, 2:4] == 0).all() and (attributions[:, :, :2] != 0).all()
