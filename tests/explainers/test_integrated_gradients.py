"""Integrated gradients: the quadrature by hand, completeness, closed forms, and the baseline."""

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients
from gradient_toys import TARGETS, linear, resnet, slope, smooth, trained
from torch import Tensor, nn

from pipeline.explainers.input_gradient import input_gradient
from pipeline.explainers.integrated_gradients import explain, integrated_gradients
from pipeline.settings import explainers

GREY = torch.tensor([0.3, 0.6], dtype=torch.float64).view(1, 2, 1, 1)


def change(network: nn.Module, images: Tensor, baseline: Tensor) -> Tensor:
    """f_c(x) − f_c(b) of each image."""
    with torch.no_grad():
        logits = network(images) - network(baseline.expand_as(images))
    return logits.gather(1, TARGETS[: len(images), None])[:, 0]


@pytest.mark.parametrize("steps", [1, 4, 7])
def test_attributions_are_the_literal_quadrature(steps):
    network, images = trained(smooth)
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    expected = torch.zeros_like(images)
    for row, (image, target) in enumerate(zip(images, TARGETS, strict=True)):
        for node, weight in zip(nodes.tolist(), weights.tolist(), strict=True):
            point = GREY[0] + (node + 1) / 2 * (image - GREY[0])
            expected[row] += weight / 2 * (image - GREY[0]) * slope(network, point, target)
    found = integrated_gradients(network, images, TARGETS, baseline=GREY, steps=steps)
    # Captum keeps the weights in single precision.
    assert torch.allclose(found, expected, rtol=1e-6, atol=1e-9)


def test_captum_alone_finds_the_same():
    network, images = trained(resnet)
    expected = IntegratedGradients(network).attribute(images, GREY.float().expand_as(images), TARGETS, n_steps=9)
    found = integrated_gradients(network, images, TARGETS, baseline=GREY.float(), steps=9)
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_many_small_steps_are_the_integral():
    network, images = trained(smooth)
    shares = [(part + 0.5) / 2000 for part in range(2000)]
    image, target = images[:1], TARGETS[:1]
    points = torch.cat([GREY + share * (image - GREY) for share in shares])
    riemann = (image - GREY) * input_gradient(network, points, target.expand(2000)).mean(0)
    found = integrated_gradients(network, image, target, baseline=GREY, steps=30)
    assert torch.allclose(found, riemann, rtol=1e-5, atol=1e-7)


def test_attributions_are_complete():
    network, images = trained(smooth)
    total = integrated_gradients(network, images, TARGETS, baseline=GREY, steps=30).sum((1, 2, 3))
    assert torch.allclose(total, change(network, images, GREY), rtol=1e-6)


def test_rest_of_a_network_with_kinks_shrinks_with_the_steps():
    network, images = trained(resnet)
    baseline = network.mean
    exact = change(network, images, baseline)
    rests = [
        (integrated_gradients(network, images, TARGETS, baseline=baseline, steps=steps).sum((1, 2, 3)) - exact).abs()
        for steps in (2, 50, 400)
    ]
    assert rests[0].mean() > 3 * rests[1].mean() > 9 * rests[2].mean()
    assert rests[1].max() < 0.05 * exact.abs().max()


@pytest.mark.parametrize("steps", [1, 3])
def test_linear_logit_is_exact_whatever_the_steps(steps):
    network, weights = linear()
    images = torch.rand(5, 2, 6, 6, dtype=torch.float64)
    found = integrated_gradients(network, images, TARGETS, baseline=GREY, steps=steps)
    assert torch.allclose(found, (images - GREY) * weights[TARGETS], rtol=1e-6)


def test_quadratic_logit_is_exact_with_one_step():
    class Squares(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.flatten(1).square().sum(1, keepdim=True) * torch.tensor([1.0, -2.0, 3.0])

    images = torch.rand(5, 2, 6, 6, dtype=torch.float64)
    factors = torch.tensor([1.0, -2.0, 3.0])[TARGETS].view(-1, 1, 1, 1)
    found = integrated_gradients(Squares(), images, TARGETS, baseline=GREY, steps=1)
    assert torch.allclose(found, factors * (images.square() - GREY.square()))


def test_baseline_gets_nothing():
    network, _ = trained(smooth)
    images = GREY.expand(5, 2, 6, 6)
    assert (integrated_gradients(network, images, TARGETS, baseline=GREY, steps=3) == 0).all()


@pytest.mark.parametrize("baseline", ["mean", "black"])
def test_setting_chooses_the_baseline(baseline):
    network, images = trained(resnet)
    settings = explainers.IntegratedGradients(
        kind="integrated_gradients", baseline=baseline, steps=400, channels="signed"
    )
    maps = explain(network, images, TARGETS, settings)
    start = network.mean if baseline == "mean" else torch.zeros(1)
    assert torch.allclose(maps.sum((1, 2)), change(network, images, start), atol=0.003)
    other = torch.zeros(1) if baseline == "mean" else network.mean
    assert not torch.allclose(maps.sum((1, 2)), change(network, images, other), atol=0.03)


def test_network_without_a_mean_starts_at_black():
    network, images = trained(smooth)
    found = [
        explain(
            network, images, TARGETS, explainers.IntegratedGradients(kind="integrated_gradients", baseline=baseline)
        )
        for baseline in ("mean", "black")
    ]
    assert torch.equal(*found)


def test_passes_are_of_the_size_of_the_batch():
    network, images = trained(resnet)
    sizes = []
    handle = network.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    integrated_gradients(network, images, TARGETS, baseline=network.mean, steps=7)
    handle.remove()
    assert sizes == [5] * 7
