"""What every network has: maps, activations, a readout, stages; and the way back from a checkpoint."""

import pytest
import torch
from networks import MEAN, NETWORKS, STD, built
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.models.classifier import Classifier, GapClassifier, linear_head, pooled
from pipeline.models.trained import network_of

STAGES = {
    "resnet_cifar": ["stem", "stage1", "stage2", "stage3", "head"],
    "resnet18": ["stem", "layer1", "layer2", "layer3", "layer4", "head"],
    "resnet50": ["stem", "layer1", "layer2", "layer3", "layer4", "head"],
    "convnet": ["block1", "block2", "block3", "block4", "head"],
    "abn": ["stem", "stage1", "stage2", "attention", "stage3", "head"],
    "alexnet_cifar": ["conv1", "conv2", "conv3", "conv4", "conv5", "tail"],
    "inception_resnet_v1": ["stem", "repeat_1", "mixed_6a", "repeat_2", "mixed_7a", "repeat_3", "head"],
}
#: What networks subtract and divide by that do not take the dataset's mean and deviation.
OWN = {"inception_resnet_v1": ([127.5 / 255] * 3, [128 / 255] * 3)}


@pytest.fixture(scope="module", params=NETWORKS)
def name(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def network(name) -> Classifier:
    """In evaluation mode, with running statistics of noise."""
    ours = built(NETWORKS[name][0])
    ours.train()(images(NETWORKS[name][1], 8))
    return ours.eval()


def images(side: int, count: int = 3) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_logits_are_the_readout_of_the_activations(network, name):
    x = images(NETWORKS[name][1])
    logits = network(x)
    assert logits.shape == (3, 10) and logits.dtype is torch.float32
    assert torch.equal(logits, network.readout(network.activations(x)))
    assert logits.std(0).min() > 0


@torch.no_grad()
def test_features_are_the_means_of_the_maps(network, name):
    x = images(NETWORKS[name][1])
    maps, features, filters = network.maps(x), network.features(x), network.last_convolution.out_channels
    assert maps.dim() == 4 and maps.shape[:2] == features.shape == (3, filters)
    assert maps.min() >= 0 and maps.max() > 0
    expected = [[sum(row.sum().item() for row in m) / m.numel() for m in image] for image in maps]
    assert torch.allclose(features, torch.tensor(expected), rtol=1e-4, atol=1e-6)
    assert torch.equal(network.activations(x), features if isinstance(network, GapClassifier) else maps)


@torch.no_grad()
def test_gating_the_maps_and_reading_them_out_is_gating_the_activations(network, name):
    """csg.md invariants 4 and 5, for maps that are gated one by one."""
    x = images(NETWORKS[name][1])
    gates = torch.rand(3, network.last_convolution.out_channels, generator=torch.Generator().manual_seed(2))
    maps, activations = network.maps(x), network.activations(x)
    gated = torch.stack([torch.stack([maps[i, k] * gates[i, k] for k in range(gates.shape[1])]) for i in range(3)])
    expected = network.head(gated.mean((2, 3))) if isinstance(network, GapClassifier) else network.tail(gated)
    shaped = gates.view(*gates.shape, *[1] * (activations.ndim - 2))
    assert torch.allclose(network.readout(activations * shaped), expected, rtol=1e-4, atol=1e-6)
    assert not torch.allclose(expected, network(x), rtol=1e-4, atol=1e-6)
    assert torch.equal(network.readout(activations * torch.ones_like(shaped)), network(x))


@torch.no_grad()
def test_activations_are_single_precision_under_autocast(network, name):
    x = images(NETWORKS[name][1], 1)
    with torch.autocast("cpu", torch.bfloat16):
        assert network.maps(x).dtype is torch.bfloat16
        assert network.features(x).dtype is network.activations(x).dtype is torch.float32


def test_stages_cover_every_parameter_once_in_forward_order(network, name):
    stages = network.stages()
    assert list(stages) == STAGES[name]
    inside = [weight for stage in stages.values() for weight in stage.parameters()]
    assert [id(weight) for weight in inside] == [id(weight) for weight in network.parameters()]
    assert all(any(True for _ in stage.parameters()) for stage in stages.values())
    layers = [layer for stage in stages.values() for layer in stage.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert len(layers) == sum(isinstance(layer, nn.BatchNorm2d) for layer in network.modules())


@torch.no_grad()
def test_stages_are_the_network_piece_by_piece(network, name):
    x = images(NETWORKS[name][1])
    *parts, last = network.stages().values()
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in OWN.get(name, (MEAN, STD)))
    maps = (x - mean) / std
    for part in parts:
        maps = part(maps)
    assert torch.equal(maps, network.maps(x))
    assert torch.equal(last(network.activations(x)), network(x))


def test_stages_are_not_kept(name):
    """To freeze a stage freezes the network's own layers, and no stage becomes a tensor of the checkpoint."""
    ours = built(NETWORKS[name][0])
    before = list(ours.state_dict())
    *_, penultimate, last = ours.stages().values()
    penultimate.requires_grad_(False)
    frozen = sum(not weight.requires_grad for weight in ours.backbone.parameters())
    assert frozen == sum(1 for _ in penultimate.parameters()) > 0
    assert all(weight.requires_grad for weight in last.parameters())
    assert list(ours.state_dict()) == before


def test_last_convolution_is_that_of_the_last_block(network, name):
    expected = {
        "resnet_cifar": lambda: network.backbone[8].conv2,
        "resnet18": lambda: network.backbone.layer4[1].conv2,
        "resnet50": lambda: network.backbone.layer4[2].conv3,
        "convnet": lambda: network.backbone[9],
        "abn": lambda: network.backbone[6].conv2,
        "alexnet_cifar": lambda: network.backbone.conv5,
        "inception_resnet_v1": lambda: network.backbone.repeat_3[4].conv2d,
    }
    assert network.last_convolution is expected[name]()


def test_no_network_has_notes_when_built(network):
    assert network.notes == []


def test_network_comes_back_from_its_checkpoint(network, name):
    block, side = NETWORKS[name]
    tensors = {f"network.{key}": tensor for key, tensor in network.state_dict().items()} | {"gates": torch.ones(1)}
    header = {
        "settings": {"network": block},
        "class_names": list("0123456789"),
        "input": {"channels": 3, "mean": [0.0] * 3, "std": [1.0] * 3, "height": side, "width": side},
    }
    again = network_of(tensors, header, torch.device("cpu"))
    assert not again.training
    assert torch.equal(again(images(side)), network(images(side)))


def test_networks_that_know_no_pretrained_weights_keep_theirs():
    ours = built(NETWORKS["alexnet_cifar"][0])
    before = {key: value.clone() for key, value in ours.state_dict().items()}
    ours.load_pretrained()
    assert all(torch.equal(value, before[key]) for key, value in ours.state_dict().items()) and not ours.notes


def test_linear_head_is_asked_for_by_name(network, name):
    if isinstance(network, GapClassifier):
        assert linear_head(network, "cam", "do something else") is network.head
        return
    message = "^cam needs a linear layer on pooled features, .* network Alexnet .*; do something else, or use a network"
    with pytest.raises(UserError, match=message):
        linear_head(network, "cam", "do something else")


@pytest.mark.parametrize(
    ("dtype", "order"), [(torch.float32, torch.contiguous_format), (torch.bfloat16, torch.channels_last)]
)
def test_the_gradient_of_pooled_maps_lies_in_memory_as_they_do(dtype, order):
    """Networks are trained in these two ways."""
    maps = torch.randn(2, 3, 4, 5).to(dtype).to(memory_format=order).requires_grad_()
    (gradient,) = torch.autograd.grad(pooled(maps.relu()).square().sum(), maps)
    assert gradient.is_contiguous(memory_format=order) and gradient.dtype == dtype
    assert torch.equal(pooled(maps), maps.float().mean((2, 3)))
