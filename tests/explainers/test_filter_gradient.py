"""Gradient maps of filters: the steps with loops, SciPy's blur, and what the scale of the input does."""

import json
from math import sqrt

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d, gaussian_filter
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.explainers.filter_gradient import explain, filter_gradient
from pipeline.models.classifier import GapClassifier
from pipeline.models.resnet_cifar import build
from pipeline.settings import parse_slice
from pipeline.settings.networks import ResnetCifar

TARGETS = torch.tensor([2, 0, 1, 2, 2])
MEAN, STD = [0.4, 0.6], [0.2, 0.5]


def settings(**values):
    return parse_slice("explainer", json.dumps({"from": "filter_gradient", **values}))


@pytest.fixture
def network() -> GapClassifier:
    torch.manual_seed(0)
    net = build(ResnetCifar(blocks=1, channels=(4, 4, 6)), channels=2, size=(8, 8), classes=3, mean=MEAN, std=STD)
    net.train()(torch.rand(20, 2, 16, 12))
    return net.eval()


@pytest.fixture
def images() -> Tensor:
    return torch.rand(5, 2, 16, 12, generator=torch.Generator().manual_seed(1))


def literal(network: GapClassifier, image: Tensor, k: int, blur: float) -> np.ndarray:
    """csg.md E9 one image and one pixel at a time: the gradient with respect to the normalised input itself."""
    normalised = ((image[None] - network.mean) / network.std).requires_grad_()
    network.backbone(normalised)[0, k].mean().backward()
    gradient = normalised.grad[0].double().numpy()
    _, height, width = gradient.shape
    lengths = np.array([
        [sqrt(sum(gradient[c, u, v] ** 2 for c in range(len(gradient)))) for v in range(width)] for u in range(height)
    ])  # fmt: skip
    lengths /= sqrt(sum(lengths.ravel() ** 2) / lengths.size)
    sigma = blur * height / 128
    offsets = np.arange(-round(3 * sigma), round(3 * sigma) + 1)
    kernel = np.exp(-(offsets**2) / (2 * sigma**2))
    kernel /= kernel.sum()
    # SciPy calls the reflection that leaves out the edge itself "mirror".
    return correlate1d(correlate1d(lengths, kernel, 0, mode="mirror"), kernel, 1, mode="mirror")


@pytest.mark.parametrize("blur", [5.0, 12.0])
def test_maps_are_the_literal_steps(network, images, blur):
    filters = torch.tensor([[0, 3], [1, 1], [2, 5], [5, 4], [3, 0]])
    maps = filter_gradient(network, images, filters, blur=blur)
    assert maps.shape == (5, 2, 16, 12) and not maps.requires_grad
    for row in range(5):
        for column in range(2):
            expected = literal(network, images[row], int(filters[row, column]), blur)
            assert np.allclose(maps[row, column].numpy(), expected, rtol=1e-4, atol=1e-6)


def test_blur_is_that_of_scipy(network):
    """Its Gaussian ends where ours does if `truncate` says so."""
    images, filters = torch.rand(2, 2, 64, 64), torch.tensor([[1], [2]])
    sharp, blurred = (filter_gradient(network, images, filters, blur=blur)[:, 0] for blur in (1e-3, 8.0))
    for one, other in zip(sharp, blurred, strict=True):
        expected = gaussian_filter(one.double().numpy(), 4.0, mode="mirror", truncate=3.0)
        assert np.allclose(other.numpy(), expected, rtol=1e-4, atol=1e-6)


def test_root_mean_square_is_1_before_the_blur(network, images):
    maps = filter_gradient(network, images, torch.full((5, 1), 2), blur=1e-3)
    assert torch.allclose(maps.square().mean((2, 3)).sqrt(), torch.ones(5, 1))


class Plain(nn.Module):
    """A linear filter on the image itself, without normalisation."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weights = weights

    def features(self, images: Tensor) -> Tensor:
        return (images[:, None] * self.weights).sum((2, 3, 4))


class Normalising(Plain):
    def __init__(self, weights: Tensor) -> None:
        super().__init__(weights)
        self.register_buffer("std", torch.tensor(STD).view(1, 2, 1, 1))

    def features(self, images: Tensor) -> Tensor:
        return super().features(images / self.std)


def test_gradient_is_that_of_the_normalised_input():
    """A network that divides by std first has the maps of its inner network, at the normalised image."""
    weights = torch.randn(3, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    images, filters = torch.rand(2, 2, 8, 8), torch.tensor([[0, 2], [1, 0]])
    inner, whole = (filter_gradient(make(weights), images, filters) for make in (Plain, Normalising))
    assert torch.allclose(inner, whole, rtol=1e-5)


def test_scale_of_the_filter_does_not_matter():
    weights = torch.randn(1, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    images, filters = torch.rand(2, 2, 8, 8), torch.zeros(2, 1, dtype=torch.long)
    small, large = (filter_gradient(Plain(weights * scale), images, filters) for scale in (1e-3, 1e3))
    assert torch.allclose(small, large, rtol=1e-5)


def test_dead_filters_have_zero_maps(network, images):
    with torch.no_grad():
        network.backbone[5].norm2.weight[4] = 0
        network.backbone[5].norm2.bias[4] = -100
    maps = filter_gradient(network, images, torch.tensor([[4, 0]] * 5))
    assert (maps[:, 0] == 0).all() and (maps[:, 1] > 0).any()


def test_nan_in_an_image_is_nan_in_its_map_only(network, images):
    images[1] = torch.nan
    maps = explain(network, images, TARGETS, settings(filter=0))
    assert maps[1].isnan().all() and maps[[0, 2, 3, 4]].isfinite().all()


def test_filter_of_the_settings_is_shown(network, images):
    expected = filter_gradient(network, images, torch.full((5, 1), 3), blur=9.0)[:, 0]
    assert torch.equal(explain(network, images, TARGETS, settings(filter=3, blur=9.0)), expected)


def test_by_default_it_is_the_filter_that_adds_most(network, images):
    filters = (network.head.weight[TARGETS] * network.features(images)).argmax(1)
    maps = explain(network, images, TARGETS, settings())
    assert maps.shape == (5, 16, 12) and maps.dtype is torch.float32
    assert torch.equal(maps, filter_gradient(network, images, filters[:, None])[:, 0])
    assert filters.unique().numel() > 1


def test_batches_do_not_matter(network, images):
    parts = [explain(network, images[i : i + 2], TARGETS[i : i + 2], settings()) for i in (0, 2, 4)]
    assert torch.allclose(torch.cat(parts), explain(network, images, TARGETS, settings()), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("values", "message"),
    [({"filter": 6}, "filter: the network has no filter 6"), ({"blur": 60.0}, "blur: its kernel of 45 pixels")],
)
def test_bad_settings_are_named(network, images, values, message):
    with pytest.raises(UserError, match=message):
        explain(network, images, TARGETS, settings(**values))


def test_explaining_leaves_no_trace(network, images):
    before = images.clone()
    network.head.requires_grad_(False)
    explain(network, images, TARGETS, settings())
    assert torch.equal(images, before) and not images.requires_grad and images.grad is None
    assert all(weight.grad is None for weight in network.parameters()) and not network.training
    assert [weight.requires_grad for weight in network.head.parameters()] == [False, False]
    assert all(weight.requires_grad for weight in network.backbone.parameters())
