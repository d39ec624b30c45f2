"""Cascading randomisation: which stages there are, what starts again and what stays, and how likeness decays."""

from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import efficientnet_b0, resnet18

from pipeline.metrics.randomisation import cascade, likeness, stages
from pipeline.metrics.similarity import display_map, rank_correlation, ssim
from pipeline.models.resnet_cifar import build
from pipeline.settings.networks import ResnetCifar

STAGES = ["head", "backbone.5", "backbone.4", "backbone.3", "backbone.0"]


def resnet() -> nn.Module:
    """A network in evaluation mode whose weights and running statistics are not those of a new one."""
    torch.manual_seed(0)
    settings = ResnetCifar(blocks=1, channels=(4, 4, 6))
    network = build(settings, channels=2, size=(8, 8), classes=3, mean=[0.4] * 2, std=[0.2] * 2)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(torch.randn_like(weight))
        network.train()(torch.rand(20, 2, 8, 8))
    return network.eval()


def state(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def test_stages_of_a_residual_network():
    network = resnet()
    found = stages(network)
    assert [name for name, _ in found] == STAGES
    assert found[-1][1] == [network.backbone[0], network.backbone[1]]
    assert found[1][1] == [network.backbone[5]]


def test_stages_of_other_networks():
    names = [name for name, _ in stages(resnet18())]
    assert names == ["fc", *[f"layer{layer}.{block}" for layer in (4, 3, 2, 1) for block in (1, 0)], "conv1"]
    # normat.md section 8.6: classifier, last convolution, blocks 16 to 1, stem.
    names = [name for name, _ in stages(efficientnet_b0())]
    assert len(names) == 19 and (names[0], names[1], names[-1]) == ("classifier.1", "features.8", "features.0")


def test_backbone_that_is_no_sequence_has_its_children_as_stages():
    backbone = OrderedDict(low=nn.Conv2d(1, 2, 3), norm=nn.BatchNorm2d(2), high=nn.Conv2d(2, 2, 3))

    class Backbone(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name, layer in backbone.items():
                self.add_module(name, layer)

    network = nn.Module()
    network.backbone, network.head = Backbone(), nn.Linear(2, 2)
    assert [name for name, _ in stages(network)] == ["head", "backbone.high", "backbone.low"]


def test_each_step_changes_its_stage_and_keeps_those_before():
    network = resnet()
    before = state(network)
    seen: dict[str, Tensor] = before
    for (name, modules), (found, changed) in zip(stages(network), cascade(network, 5), strict=True):
        assert found == name and not changed.training and changed is not network
        inside = {id(weight) for module in modules for weight in module.parameters()}
        own = {key for key, weight in network.named_parameters() if id(weight) in inside}
        now = state(changed)
        assert own and {key for key in now if not torch.equal(now[key], seen[key])} == own
        seen = now
    assert all(torch.equal(tensor, before[key]) for key, tensor in network.state_dict().items())
    names = {name for name, _ in network.named_parameters()}
    assert all(torch.equal(seen[key], before[key]) == (key not in names) for key in before)


def test_layers_start_as_pytorch_initialises_them_and_statistics_stay():
    network = resnet()
    *_, (_, changed) = cascade(network, 0)
    norm, trained = changed.backbone[1], network.backbone[1]
    assert (norm.weight == 1).all() and (norm.bias == 0).all()
    assert torch.equal(norm.running_mean, trained.running_mean) and (norm.running_mean != 0).all()
    assert torch.equal(norm.running_var, trained.running_var)
    weights = changed.backbone[5].conv2.weight
    assert weights.abs().max() <= (6 * 9) ** -0.5 and weights.std() > 0.3 * (6 * 9) ** -0.5


def test_statistics_alone_would_change_maps_without_a_weight():
    network, pixels = resnet(), torch.rand(6, 2, 16, 16)
    original = gradient(network, pixels)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
    assert likeness(original, gradient(network, pixels)).ssim.mean() < 0.7


def test_same_seed_same_weights_and_the_global_generator_is_left_alone():
    network = resnet()
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    first, again, other = (state([changed for _, changed in cascade(network, seed)][-1]) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])


def test_parameters_that_cannot_start_again_are_named():
    class Scale(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.factor = nn.Parameter(torch.ones(1))

    with pytest.raises(ValueError, match="Scale has parameters but no reset_parameters"):
        list(cascade(nn.Sequential(Scale(), nn.Linear(2, 2)), 0))
    with pytest.raises(ValueError, match=r"parameters of no child .* factor"):
        stages(Scale())


def gradient(network: nn.Module, pixels: Tensor) -> Tensor:
    pixels = pixels.clone().requires_grad_()
    return torch.autograd.grad(network(pixels)[:, 0].sum(), pixels)[0].abs().sum(1)


def test_likeness_is_ssim_on_the_scale_of_the_original():
    original, changed = torch.randn(3, 12, 12), torch.randn(3, 12, 12)
    found = likeness(original, changed)
    shown = display_map(original[:, None])
    assert torch.equal(found.ssim, ssim(shown, display_map(changed[:, None], scale_of=original[:, None])))
    assert torch.equal(found.rank_correlation, rank_correlation(original, changed))
    faded = likeness(original, 1e-6 * original)
    assert (faded.ssim < 0.1).all() and torch.allclose(faded.rank_correlation, torch.ones(3, dtype=torch.float64))
    assert torch.allclose(likeness(original, original).ssim, torch.ones(3, dtype=torch.float64))


def test_likeness_to_nothing_is_nan_and_of_nothing_is_low():
    original, changed = torch.randn(4, 12, 12), torch.randn(4, 12, 12)
    expected = likeness(original, changed)
    original[1], changed[2], changed[3, 0, 0] = 0, 0, float("nan")
    found = likeness(original, changed)
    assert found.ssim.isnan().tolist() == [False, True, False, True]
    assert found.rank_correlation.isnan().tolist() == [False, True, True, True]
    assert found.ssim[0] == expected.ssim[0] and found.ssim[2] < 0.1


def test_maps_decay_down_the_cascade():
    network, pixels = resnet(), torch.rand(20, 2, 16, 16)
    original = gradient(network, pixels)
    curve = [likeness(original, gradient(changed, pixels)).ssim.nanmean().item() for _, changed in cascade(network, 0)]
    assert curve[-1] < 0.2 and curve[-1] < curve[0] < 1
