"""Every explainer on a network of each family, with and without global average pooling."""

import json

import pytest
import torch
from networks import NETWORKS, built
from torch import Tensor, nn

from pipeline import registry
from pipeline.errors import UserError
from pipeline.explainers.excitation_backprop import winning_probabilities
from pipeline.settings import parse_slice

#: What keeps explainers with many steps short.
SHORT = {
    "smooth_grad": {"draws": 2},
    "sparsified_smooth_grad": {"draws": 2},
    "sparse_moreau_grad": {"draws": 2, "steps": 2, "average": 1, "sparsity": 0},
    "integrated_gradients": {"steps": 2},
}
TARGETS = torch.tensor([1, 7])
POOLED = [name for name in NETWORKS if name != "alexnet_cifar"]


@pytest.fixture(scope="module", params=NETWORKS)
def name(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def network(name) -> nn.Module:
    """In evaluation mode, with running statistics of noise."""
    ours = built(NETWORKS[name][0])
    ours.train()(images(name, 8))
    return ours.eval()


def images(name: str, count: int = 2) -> Tensor:
    side = NETWORKS[name][1]
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(1))


def explained(network: nn.Module, name: str, explainer: str, **values) -> Tensor:
    settings = parse_slice("explainer", json.dumps({"from": explainer} | SHORT.get(explainer, {}) | values))
    return registry.load("explainer", explainer)(network, images(name), TARGETS, settings).detach()


@pytest.mark.parametrize("explainer", registry.TABLES["explainer"])
def test_every_image_has_a_map_or_a_reason(network, name, explainer):
    if name not in POOLED and explainer in ("cam", "activation_map", "filter_gradient"):
        with pytest.raises(UserError, match=r"^(cam|filter: null) needs a linear layer on pooled .* network Alexnet"):
            explained(network, name, explainer)
        return
    if name == "abn" and explainer == "excitation_backprop":
        with pytest.raises(UserError, match="excitation_backprop: no rule for 'mul' of the network"):
            explained(network, name, explainer)
        return
    if name != "abn" and explainer == "attention":
        with pytest.raises(UserError, match=r"explainer 'attention': the network .* has no attention branch"):
            explained(network, name, explainer)
        return
    maps = explained(network, name, explainer)
    assert maps.dim() == 3 and len(maps) == 2 and maps.isfinite().all()
    # Grad-CAM may find nothing for an image, so that one of two maps is zero.
    assert maps.std() > 0 and not torch.equal(maps[0], maps[1])
    assert all(weight.grad is None for weight in network.parameters())


@pytest.mark.parametrize("explainer", ["activation_map", "filter_gradient"])
def test_a_filter_by_number_needs_no_linear_layer(network, name, explainer):
    maps = explained(network, name, explainer, filter=2)
    assert maps.isfinite().all() and len(maps) == 2
    if explainer == "activation_map":
        assert torch.equal(maps, network.maps(images(name)).detach()[:, 2])


def test_grad_cam_of_the_backbone_weighs_the_last_maps(network, name):
    maps = network.maps(images(name)).detach().requires_grad_()
    activations = maps.mean((2, 3)) if name in POOLED else maps
    network.readout(activations).gather(1, TARGETS[:, None]).sum().backward(inputs=[maps])
    expected = torch.stack([
        sum(slope.mean() * values for slope, values in zip(*image, strict=True)).clamp(min=0)
        for image in zip(maps.grad, maps.detach(), strict=True)
    ])  # fmt: skip
    assert torch.allclose(explained(network, name, "grad_cam"), expected, rtol=1e-3, atol=1e-7)


def test_winning_probabilities_pass_every_layer(network, name):
    """Without contrast all probability arrives at the last maps: nothing is lost in dropout, pools and reshapes."""
    found = winning_probabilities(network, images(name), torch.tensor([3]), stop="backbone", contrastive=False)
    assert found.shape[:2] == (2, 1) and found.min() >= 0
    assert torch.allclose(found.flatten(1).sum(1), torch.ones(2), atol=1e-4)


def test_grad_cam_of_an_inner_stage(name, network):
    if name == "convnet":
        pytest.skip("its maps are all of one size")
    layers = {
        "resnet_cifar": "backbone.5", "abn": "backbone.4", "alexnet_cifar": "backbone.pool1",
        "inception_resnet_v1": "backbone.conv2d_4b",
    }  # fmt: skip
    layer = layers.get(name, "backbone.layer2")
    maps = explained(network, name, "grad_cam", layers=[layer])
    assert maps.shape[1] > network.maps(images(name)).shape[2]
    assert maps.min() >= 0 and maps.max() > 0
