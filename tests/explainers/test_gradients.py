"""What all explainers of gradients keep: batches, dead and bad images, the network's state, and second derivatives."""

import json
from collections.abc import Callable
from functools import partial

import pytest
import torch
from gradient_toys import TARGETS, generator, resnet, smooth, trained
from torch import Tensor, nn

from pipeline.explainers.input_gradient import input_gradient
from pipeline.explainers.input_x_gradient import input_x_gradient
from pipeline.explainers.integrated_gradients import integrated_gradients
from pipeline.explainers.smooth_grad import smooth_grad
from pipeline.explainers.sparse_moreau_grad import sparse_moreau_grad
from pipeline.explainers.sparsified_gradient import sparsified_gradient
from pipeline.explainers.sparsified_smooth_grad import sparsified_smooth_grad
from pipeline.registry import load
from pipeline.settings import parse_slice

#: Settings of small size by explainer; two rows are two kinds of groups.
SETTINGS = [
    {"from": "input_gradient"},
    {"from": "input_x_gradient"},
    {"from": "integrated_gradients", "steps": 3},
    {"from": "integrated_gradients", "steps": 3, "baseline": "black"},
    {"from": "smooth_grad", "draws": 3},
    {"from": "sparsified_gradient"},
    {"from": "sparsified_smooth_grad", "draws": 3},
    {"from": "sparse_moreau_grad", "draws": 2, "steps": 4, "average": 2},
    {"from": "sparse_moreau_grad", "draws": 2, "steps": 4, "average": 2, "patch": 4},
]
MOREAU = {"noise": 0.1, "draws": 2, "steps": 3, "average": 2, "step": 0.3, "smoothing": 1.0, "sparsity": 0.03}
#: The function behind each, with all but the network, images and targets.
FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "input_gradient": input_gradient,
    "input_x_gradient": input_x_gradient,
    "integrated_gradients": partial(integrated_gradients, baseline=torch.tensor(0.3).double(), steps=3),
    "smooth_grad": partial(smooth_grad, noise=0.2, draws=2),
    "sparsified_gradient": partial(sparsified_gradient, keep=0.4),
    "sparsified_smooth_grad": partial(sparsified_smooth_grad, noise=0.2, draws=2, keep=0.6, cap=0.3),
    "sparse_moreau_grad": partial(sparse_moreau_grad, **MOREAU),
    "sparse_moreau_grad, groups": partial(sparse_moreau_grad, **MOREAU, patch=4),
}
RANDOM = {"smooth_grad", "sparsified_smooth_grad", "sparse_moreau_grad", "sparse_moreau_grad, groups"}

explained = pytest.mark.parametrize("settings", SETTINGS, ids=json.dumps)
computed = pytest.mark.parametrize("name", FUNCTIONS)


def explain(settings: dict, network: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    return load("explainer", settings["from"])(network, images, targets, parse_slice("explainer", json.dumps(settings)))


def attributions(name: str, network: nn.Module, images: Tensor, *, create_graph: bool) -> Tensor:
    draws = {"generator": generator()} if name in RANDOM else {}
    return FUNCTIONS[name](network, images, TARGETS[: len(images)], **draws, create_graph=create_graph)


@explained
def test_maps_do_not_depend_on_the_batch(settings):
    network, images = trained(resnet)
    maps = explain(settings, network, images, TARGETS)
    assert maps.shape == (5, 6, 6) and maps.dtype is torch.float32 and maps.std() > 0
    alone = torch.cat([explain(settings, network, images[row : row + 1], TARGETS[row : row + 1]) for row in range(5)])
    assert torch.allclose(maps, alone, rtol=1e-3, atol=1e-6)
    turned = explain(settings, network, images.flip(0), TARGETS.flip(0)).flip(0)
    assert torch.allclose(maps, turned, rtol=1e-3, atol=1e-6)


@explained
def test_maps_are_of_the_target(settings):
    network, images = trained(resnet)
    maps, others = (explain(settings, network, images, targets) for targets in (TARGETS, (TARGETS + 1) % 3))
    assert not torch.allclose(maps, others, rtol=0.1)


@explained
@pytest.mark.parametrize("channels", ["magnitude", "signed", "norm"])
def test_dead_networks_have_zero_maps(settings, channels):
    network, images = trained(resnet)
    network.backbone[0].weight.data.zero_()
    network.backbone[1].bias.data.fill_(-1)
    maps = explain(settings | {"channels": channels}, network, images, TARGETS)
    assert (maps == 0).all()


@explained
def test_dead_image_has_a_zero_map_beside_others(settings):
    class Bright(nn.Module):
        """Sees only what is brighter than one half."""

        def forward(self, images: Tensor) -> Tensor:
            return (images - 0.5).relu().square().sum((1, 2, 3))[:, None].expand(-1, 3)

    images = torch.rand(5, 2, 6, 6, generator=generator())
    images[1] = 0.25
    maps = explain(settings, Bright(), images, TARGETS)
    assert (maps[1] == 0).all() and maps[0].max() > 0 and maps.isfinite().all()


@explained
@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_bad_image_harms_no_other(settings, bad):
    network, images = trained(resnet)
    expected = explain(settings, network, images, TARGETS)
    images[2, 1, 3, 3] = bad
    maps = explain(settings, network, images, TARGETS)
    rest = [0, 1, 3, 4]
    assert maps[2].isnan().all()
    assert torch.allclose(maps[rest], expected[rest], rtol=1e-3, atol=1e-6)


@explained
def test_network_that_diverged_has_no_maps(settings):
    network, images = trained(resnet)
    network.head.bias.data[0] = torch.nan
    assert explain(settings, network, images, TARGETS).isnan().all((1, 2)).tolist() == [
        t == 0 for t in TARGETS.tolist()
    ]


@explained
@pytest.mark.parametrize("gradients", [True, False], ids=["gradients on", "gradients off"])
def test_explaining_leaves_no_trace(settings, gradients):
    network, images = trained(resnet)
    network.head.weight.requires_grad_(False)
    pixels, state = images.clone(), {name: tensor.clone() for name, tensor in network.state_dict().items()}
    needs = [weight.requires_grad for weight in network.parameters()]
    numbers = torch.get_rng_state()
    with torch.set_grad_enabled(gradients):
        maps = explain(settings, network, images, TARGETS)
        assert torch.is_grad_enabled() == gradients
    assert not maps.requires_grad
    assert torch.equal(images, pixels) and not images.requires_grad and images.grad is None
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())
    assert all(weight.grad is None for weight in network.parameters())
    assert [weight.requires_grad for weight in network.parameters()] == needs
    assert not any(module.training or module._forward_hooks or module._backward_hooks for module in network.modules())
    assert torch.equal(torch.get_rng_state(), numbers)


@explained
def test_explaining_again_gives_the_same(settings):
    network, images = trained(resnet)
    assert torch.equal(*(explain(settings, network, images, TARGETS) for _ in range(2)))


@computed
def test_graph_changes_no_value_and_is_made_on_demand(name):
    network, images = trained(smooth)
    plain = attributions(name, network, images.requires_grad_(), create_graph=False)
    graph = attributions(name, network, images, create_graph=True)
    assert plain.shape == images.shape and not plain.requires_grad and graph.requires_grad
    assert torch.allclose(plain, graph)


@computed
def test_derivative_in_the_images_is_that_of_finite_differences(name):
    network, images = trained(smooth)
    assert torch.autograd.gradcheck(
        lambda pixels: attributions(name, network, pixels, create_graph=True),
        images[:2].requires_grad_(),
        fast_mode=True,
    )


@computed
def test_derivative_in_the_parameters_is_that_of_finite_differences(name):
    network, images = trained(smooth)
    direction = torch.randn(images.shape, dtype=images.dtype, generator=generator(1))
    weight = network[1].weight

    def total() -> Tensor:
        return (attributions(name, network, images, create_graph=True) * direction).sum()

    found = torch.autograd.grad(total(), weight)[0]
    way, step = torch.randn(weight.shape, dtype=weight.dtype, generator=generator(2)), 1e-6
    ends = []
    for sign in (1, -1):
        weight.data += sign * step * way
        ends.append(total().item())
        weight.data -= sign * step * way
    assert (found * way).sum().item() == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-4)


@computed
def test_images_of_a_graph_stay_in_it(name):
    """An attack differentiates through what made the image."""
    network, images = trained(smooth)
    brightness = torch.tensor(0.9, dtype=images.dtype, requires_grad=True)
    attributions(name, network, brightness * images, create_graph=True).abs().sum().backward()
    assert brightness.grad.isfinite() and brightness.grad != 0
