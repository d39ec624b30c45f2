"""Residual networks for small images: size, shapes, initialisation, and where pooling and normalisation happen."""

from math import sqrt

import pytest
import torch
from torch import Tensor, nn

from pipeline.models.resnet_cifar import build
from pipeline.settings.networks import ResnetCifar
from pipeline.training.streams import seeded

MEAN, STD = [0.3, 0.4, 0.5], [0.2, 0.25, 0.3]


def network(blocks: int = 1, channels=(4, 6, 12), classes: int = 10, mean=MEAN, std=STD) -> nn.Module:
    with seeded(0, "init"):
        settings = ResnetCifar(blocks=blocks, channels=channels)
        return build(settings, channels=len(mean), size=(8, 8), classes=classes, mean=mean, std=std)


def images(count: int = 4, side: int = 8) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0))


def by_hand(blocks: int, channels: tuple[int, ...], colours: int, classes: int) -> int:
    """Parameters, layer by layer: weights of convolutions, scale and shift of each normalisation, head."""
    total = colours * channels[0] * 9 + 2 * channels[0]
    inputs = channels[0]
    for stage, outputs in enumerate(channels):
        for block in range(blocks):
            total += inputs * outputs * 9 + 2 * outputs + outputs * outputs * 9 + 2 * outputs
            if block == 0 and (stage > 0 or inputs != outputs):
                total += inputs * outputs + 2 * outputs
            inputs = outputs
    return total + inputs * classes + classes


def test_resnet_20_has_its_parameters_and_layers():
    """432 + 32 of the first layer, 14 016, 51 648 and 205 696 of the stages, 650 of the head: 0.27 million."""
    ours = network(blocks=3, channels=(16, 32, 64))
    count = sum(weight.numel() for weight in ours.parameters())
    assert count == 432 + 32 + 14_016 + 51_648 + 205_696 + 650 == by_hand(3, (16, 32, 64), 3, 10)
    assert round(count / 1e6, 2) == 0.27
    layers = [layer for layer in ours.modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
    assert sum(isinstance(layer, nn.Linear) or layer.kernel_size == (3, 3) for layer in layers) == 20


@pytest.mark.parametrize("blocks", [1, 2])
@pytest.mark.parametrize("channels", [(4, 4, 12), (4, 6, 6), (8, 8, 8)])
@pytest.mark.parametrize("colours", [1, 3])
def test_parameters_of_other_sizes(blocks, channels, colours):
    ours = network(blocks, channels, classes=5, mean=MEAN[:colours], std=STD[:colours])
    assert sum(weight.numel() for weight in ours.parameters()) == by_hand(blocks, channels, colours, 5)


@pytest.mark.parametrize(("side", "left"), [(8, 2), (16, 4), (28, 7), (32, 8), (9, 3)])
def test_maps_are_a_quarter_of_the_side_and_not_negative(side, left):
    ours = network()
    maps = ours.maps(images(side=side))
    assert maps.shape == (4, 12, left, left)
    assert maps.min() >= 0 and maps.max() > 0
    assert ours(images(side=side)).shape == (4, 10)


def test_features_are_the_means_of_the_maps_and_logits_are_linear_in_them():
    ours = network().eval()
    maps, features = ours.maps(images()), ours.features(images())
    for image in range(4):
        for k in range(12):
            assert features[image, k].item() == pytest.approx(maps[image, k].mean().item(), rel=1e-5, abs=1e-7)
    expected = torch.stack([(ours.head.weight @ feature) + ours.head.bias for feature in features])
    assert torch.allclose(ours(images()), expected, atol=1e-6)


def test_features_are_single_precision_under_autocast():
    with torch.autocast("cpu", torch.bfloat16):
        ours = network()
        assert ours.maps(images()).dtype is torch.bfloat16
        assert ours.features(images()).dtype is torch.float32


def test_gating_maps_then_pooling_is_pooling_then_gating():
    ours = network().eval()
    gates = torch.rand(10, 12, generator=torch.Generator().manual_seed(2))
    labels = torch.tensor([3, 1, 3, 9])
    maps = ours.maps(images())
    gated_maps = torch.stack([torch.stack([maps[i, k] * gates[labels[i], k] for k in range(12)]) for i in range(4)])
    assert torch.allclose(gated_maps.mean((2, 3)), ours.features(images()) * gates[labels], atol=1e-6)


def test_convolutions_start_from_the_papers_normal_distribution():
    ours = network(blocks=3, channels=(16, 32, 64))
    convolutions = [layer for layer in ours.backbone.modules() if isinstance(layer, nn.Conv2d)]
    assert len(convolutions) == 21
    for layer in convolutions:
        expected = sqrt(2 / (layer.kernel_size[0] * layer.kernel_size[1] * layer.out_channels))
        weights, n = layer.weight.detach(), layer.weight.numel()
        assert abs(weights.std() / expected - 1) < 4 / sqrt(2 * n)
        assert abs(weights.mean()) < 4 * expected / sqrt(n)
        assert layer.bias is None
    norms = [layer for layer in ours.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert len(norms) == 21 and all((norm.weight == 1).all() and (norm.bias == 0).all() for norm in norms)


def test_normalisation_is_inside():
    inside, plain = network().eval(), network(mean=[0.0] * 3, std=[1.0] * 3).eval()
    outside = torch.stack([(images()[:, c] - MEAN[c]) / STD[c] for c in range(3)], dim=1)
    assert torch.allclose(inside(images()), plain(outside), atol=1e-5)
    assert not torch.allclose(inside(images()), plain(images()), atol=1e-2)


def test_mean_and_std_travel_with_the_weights_and_are_not_trained():
    ours, other = network(), network(mean=[0.0] * 3, std=[1.0] * 3)
    assert {"mean", "std"} <= ours.state_dict().keys()
    assert not {"mean", "std"} & {name for name, _ in ours.named_parameters()}
    other.load_state_dict(ours.state_dict())
    assert torch.equal(other.eval()(images()), ours.eval()(images()))


def test_block_adds_its_input_before_the_last_relu():
    block = network(channels=(4, 4, 4)).backbone[3].eval()
    x = torch.randn(2, 4, 5, 5, generator=torch.Generator().manual_seed(1))
    branch = block.norm2(block.conv2(block.norm1(block.conv1(x)).clamp(min=0)))
    assert torch.allclose(block(x), (x + branch).clamp(min=0), atol=1e-6)
