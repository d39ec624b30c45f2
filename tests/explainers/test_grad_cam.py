"""Grad-CAM: the equation with loops, captum, finite differences of what it is differentiated by, and bad layers."""

import json

import pytest
import torch
from captum.attr import LayerGradCam
from torch import Tensor, nn
from torchvision.models import resnet18

from pipeline.errors import UserError
from pipeline.explainers.cam import cam
from pipeline.explainers.grad_cam import explain, grad_cam
from pipeline.models.classifier import GapClassifier
from pipeline.models.resnet_cifar import build
from pipeline.settings import parse_slice
from pipeline.settings.networks import ResnetCifar

TARGETS = torch.tensor([2, 0, 1, 2, 2])
#: The first stage has maps of 9×7, the second of 5×4, the last of 3×2.
LAYERS = ["backbone.3", "backbone.4", "backbone"]


def resnet() -> GapClassifier:
    settings = ResnetCifar(blocks=1, channels=(4, 4, 6))
    return build(settings, channels=2, size=(8, 8), classes=3, mean=[0.4] * 2, std=[0.2] * 2)


@pytest.fixture
def network() -> GapClassifier:
    """In evaluation mode, with running statistics that are not the first ones."""
    torch.manual_seed(0)
    net = resnet()
    net.train()(torch.rand(20, 2, 9, 7))
    return net.eval()


@pytest.fixture
def images() -> Tensor:
    return torch.rand(5, 2, 9, 7, generator=torch.Generator().manual_seed(1))


def settings(*layers: str):
    return parse_slice("explainer", json.dumps({"from": "grad_cam", "layers": layers}))


def literal(network: GapClassifier, image: Tensor, target: int, layer: str) -> Tensor:
    """Equations 1 and 2 of the paper, one image, one filter and one place at a time."""
    names = [name for name, _ in network.backbone.named_children()]
    below = names[: names.index(layer.rpartition(".")[2]) + 1] if "." in layer else names
    x = (image[None] - network.mean) / network.std
    for name in below:
        x = network.backbone.get_submodule(name)(x)
    activations = x.detach().requires_grad_()
    x = activations
    for name in names[len(below) :]:
        x = network.backbone.get_submodule(name)(x)
    network.head(x.mean((2, 3)))[0, target].backward()
    _, filters, height, width = activations.shape
    total = torch.zeros(height, width)
    for k in range(filters):
        alpha = sum(activations.grad[0, k, u, v] for u in range(height) for v in range(width)) / (height * width)
        total += alpha * activations[0, k].detach()
    return total.clamp(min=0)


@pytest.mark.parametrize("layer", LAYERS)
def test_maps_are_the_equation(network, images, layer):
    expected = [literal(network, image, int(y), layer) for image, y in zip(images, TARGETS, strict=True)]
    (maps,) = grad_cam(network, images, TARGETS, [layer])
    assert maps.shape == (5, *expected[0].shape) and maps.max() > 0 and (maps == 0).any()
    assert torch.allclose(maps, torch.stack(expected), rtol=1e-4, atol=1e-7)
    assert torch.equal(explain(network, images, TARGETS, settings(layer)), maps)


@pytest.mark.parametrize("layer", LAYERS)
def test_captum_agrees(network, images, layer):
    theirs = LayerGradCam(network, network.get_submodule(layer)).attribute(images, TARGETS, relu_attributions=True)
    (ours,) = grad_cam(network, images, TARGETS, [layer])
    assert torch.allclose(ours, theirs[:, 0], rtol=1e-5, atol=1e-7)


def test_networks_of_torchvision_are_explained():
    torch.manual_seed(0)
    network, images = resnet18(num_classes=4).eval(), torch.rand(2, 3, 64, 64)
    targets, layers = torch.tensor([3, 0]), ["layer2", "layer4"]
    for layer, ours in zip(layers, grad_cam(network, images, targets, layers), strict=True):
        theirs = LayerGradCam(network, network.get_submodule(layer)).attribute(images, targets, relu_attributions=True)
        assert torch.allclose(ours, theirs[:, 0], rtol=1e-4, atol=1e-7)


def test_several_layers_at_once_are_each_by_itself(network, images):
    together = grad_cam(network, images, TARGETS, LAYERS)
    for layer, maps in zip(LAYERS, together, strict=True):
        assert torch.allclose(maps, grad_cam(network, images, TARGETS, [layer])[0], rtol=1e-5, atol=1e-8)


def test_at_the_last_maps_it_is_the_positive_part_of_cam(network, images):
    activations = network.maps(images)
    expected = cam(activations, network.head.weight[TARGETS]).relu() / activations[0, 0].numel()
    assert torch.allclose(grad_cam(network, images, TARGETS, ["backbone"])[0], expected, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("size", [1, 2])
def test_batches_do_not_matter(network, images, size):
    block = settings(*LAYERS)
    parts = [explain(network, images[i : i + size], TARGETS[i : i + size], block) for i in range(0, 5, size)]
    assert torch.allclose(torch.cat(parts), explain(network, images, TARGETS, block), rtol=1e-4, atol=1e-6)


def test_several_layers_are_averaged_over_their_maxima(network, images):
    maps = explain(network, images, TARGETS, settings(*LAYERS))
    expected = torch.zeros(5, 9, 7)
    for row in range(5):
        for layer in LAYERS:
            one = grad_cam(network, images[row : row + 1], TARGETS[row : row + 1], [layer])[0].detach()
            one = one / one.max() if one.max() > 0 else one
            expected[row] += nn.functional.interpolate(one[None], size=(9, 7), mode="bilinear")[0, 0] / 3
    assert torch.allclose(maps, expected, rtol=1e-4, atol=1e-6)
    assert maps.dtype is torch.float32 and not maps.requires_grad
    assert maps.min() >= 0 and maps.max() <= 1


def test_layers_that_are_empty_stay_empty(network, images):
    with torch.no_grad():
        network.head.weight.copy_(-network.head.weight.abs())
    maps = explain(network, images, TARGETS, settings("backbone", "backbone.3"))
    (empty,) = grad_cam(network, images, TARGETS, ["backbone"])
    assert (empty == 0).all() and maps.isfinite().all()
    (other,) = grad_cam(network, images, TARGETS, ["backbone.3"])
    assert torch.allclose(maps.amax((1, 2)), (other.amax((1, 2)) > 0) / 2)


def test_nan_in_an_image_is_nan_in_its_map_only(network, images):
    spoilt = images.clone()
    spoilt[1, 0, 0, 0] = torch.nan
    maps = explain(network, spoilt, TARGETS, settings(*LAYERS))
    assert maps[1].isnan().any() and maps[[0, 2, 3, 4]].isfinite().all()


def smooth() -> nn.Module:
    """Double precision and no kinks but the last ReLU, so that finite differences are gradients."""
    torch.manual_seed(3)
    maps = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Softplus(), nn.Conv2d(3, 4, 2), nn.Softplus())
    return nn.Sequential(maps, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)).double().eval()


def test_maps_can_be_differentiated_by_the_parameters():
    network, images = smooth(), torch.rand(2, 2, 6, 6, dtype=torch.double)
    layers, targets = ["0.1", "0"], torch.tensor([1, 2])

    def total() -> Tensor:
        return sum(maps.square().sum() for maps in grad_cam(network, images, targets, layers, create_graph=True))

    total().backward()
    step = 1e-6
    for weights in network.parameters():
        with torch.no_grad():
            flat = weights.view(-1)
            before = flat[0].item()
            flat[0] = before + step
            up = total().item()
            flat[0] = before - step
            slope = (up - total().item()) / (2 * step)
            flat[0] = before
        found = 0.0 if weights.grad is None else weights.grad.view(-1)[0].item()
        assert found == pytest.approx(slope, rel=1e-4, abs=1e-9)
    # A missing graph through α is a head without gradient.
    assert network[3].weight.grad.abs().sum() > 0


def test_without_create_graph_the_head_gets_no_gradient(network, images):
    (maps,) = grad_cam(network, images, TARGETS, ["backbone"])
    maps.sum().backward()
    assert network.head.weight.grad is None


def test_explaining_leaves_no_trace(network, images):
    network.head.weight.requires_grad_(False)
    weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    before = images.clone()
    explain(network, images, TARGETS, settings(*LAYERS))
    assert torch.equal(images, before) and not images.requires_grad and images.grad is None
    assert all(torch.equal(tensor, weights[name]) for name, tensor in network.state_dict().items())
    assert [name for name, weight in network.named_parameters() if not weight.requires_grad] == ["head.weight"]
    assert all(weight.grad is None for weight in network.parameters()) and not network.training
    assert not any(module._forward_hooks for module in network.modules())


def test_frozen_networks_are_explained_alike_and_stay_frozen(network, images):
    expected = explain(network, images, TARGETS, settings(*LAYERS))
    network.requires_grad_(False)
    with torch.no_grad():
        assert torch.allclose(explain(network, images, TARGETS, settings(*LAYERS)), expected)
    assert not any(weight.requires_grad for weight in network.parameters())


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("backbon", "unknown module 'backbon'; did you mean 'backbone'"),
        ("head", "'head' gives no maps .* 2 dimensions"),
    ],
)
def test_bad_layers_are_named(network, images, layer, message):
    with pytest.raises(UserError, match=message):
        explain(network, images, TARGETS, settings(layer))
