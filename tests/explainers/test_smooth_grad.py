"""SmoothGrad: the literal loop over images and draws, captum, closed forms, and the noise itself."""

import pytest
import torch
from captum.attr import NoiseTunnel, Saliency
from gradient_toys import TARGETS, generator, linear, resnet, slope, smooth, trained
from torch import Tensor, nn

from pipeline.explainers.input_gradient import input_gradient
from pipeline.explainers.smooth_grad import explain, noisy_copies, smooth_grad
from pipeline.settings.explainers import SmoothGrad
from pipeline.training.streams import stream


def literal(network: nn.Module, images: Tensor, noise: float, draws: int) -> Tensor:
    source = generator()
    shared = [torch.randn(1, *images.shape[1:], generator=source, dtype=images.dtype)[0] for _ in range(draws)]
    means = []
    for image, target in zip(images, TARGETS, strict=True):
        sigma = noise * (image.max() - image.min())
        slopes = [slope(network, image + sigma * draw, target) for draw in shared]
        means.append(sum(slopes) / draws)
    return torch.stack(means)


@pytest.mark.parametrize("make", [smooth, resnet])
def test_attributions_are_the_literal_loop(make):
    network, images = trained(make)
    found = smooth_grad(network, images, TARGETS, noise=0.15, draws=6, generator=generator())
    assert torch.allclose(found, literal(network, images, 0.15, 6), rtol=1e-4, atol=1e-6)


def test_captum_finds_the_same_with_the_same_noise():
    network, images = trained(resnet)
    image, target = images[:1], TARGETS[:1]
    sigma = (0.2 * (image.max() - image.min())).item()
    torch.manual_seed(3)
    tunnel = NoiseTunnel(Saliency(network))
    expected = tunnel.attribute(
        image.clone().requires_grad_(), nt_samples=5, nt_samples_batch_size=1, stdevs=sigma, target=target, abs=False
    )
    found = smooth_grad(network, image, target, noise=0.2, draws=5, generator=generator(3))
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert not torch.allclose(found, input_gradient(network, image, target), rtol=0.1)


def test_signs_are_averaged_not_magnitudes():
    class Bowl(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return (images - 0.5).flatten(1).square().sum(1, keepdim=True).expand(-1, 3)

    images = torch.full((1, 1, 4, 4), 0.5)
    images[0, 0, 0, 0], images[0, 0, 3, 3] = 0, 1
    found = smooth_grad(Bowl(), images, TARGETS[:1], noise=0.3, draws=2000, generator=generator())
    assert torch.allclose(found, 2 * (images - 0.5), atol=0.06)


def test_linear_logit_does_not_feel_noise():
    network, weights = linear()
    images = torch.rand(5, 2, 6, 6, dtype=torch.float64)
    found = smooth_grad(network, images, TARGETS, noise=2.0, draws=3, generator=generator())
    assert torch.allclose(found, weights[TARGETS])


def test_vanishing_noise_leaves_the_input_gradient():
    network, images = trained(smooth)
    found = smooth_grad(network, images, TARGETS, noise=1e-9, draws=3, generator=generator())
    assert torch.allclose(found, input_gradient(network, images, TARGETS), rtol=1e-6, atol=1e-9)


def test_flat_image_has_no_range_and_no_noise():
    images = torch.stack([torch.full((2, 6, 6), 0.3), torch.rand(2, 6, 6, generator=generator())])
    for copies in noisy_copies(images, 0.5, 3, generator()):
        assert torch.equal(copies[0], images[0]) and (copies[1] != images[1]).all()


def test_noise_is_a_share_of_the_range_of_the_image():
    images = torch.rand(2, 3, 20, 20, generator=generator()) * torch.tensor([1.0, 0.1]).view(2, 1, 1, 1)
    noise = torch.stack([copies - images for copies in noisy_copies(images, 0.2, 50, generator())])
    ranges = images.amax((1, 2, 3)) - images.amin((1, 2, 3))
    assert torch.allclose(noise.std((0, 2, 3, 4)), 0.2 * ranges, rtol=0.02)
    assert noise.mean().abs() < 0.002
    assert not torch.equal(noise[0], noise[1])


def test_one_draw_serves_all_images():
    images = torch.rand(3, 2, 6, 6, dtype=torch.float64, generator=generator())
    ranges = (images.amax((1, 2, 3)) - images.amin((1, 2, 3))).view(3, 1, 1, 1)
    for copies in noisy_copies(images, 0.2, 3, generator()):
        draws = (copies - images) / (0.2 * ranges)
        assert torch.allclose(draws[0], draws[1]) and torch.allclose(draws[0], draws[2])


def test_stage_draws_from_the_stream_of_its_name():
    network, images = trained(resnet)
    settings = SmoothGrad(kind="smooth_grad", noise=0.1, draws=3, channels="signed")
    expected = smooth_grad(
        network, images, TARGETS, noise=0.1, draws=3, generator=stream(0, "explain", "smooth_grad")
    ).sum(1)
    assert torch.equal(explain(network, images, TARGETS, settings), expected)
