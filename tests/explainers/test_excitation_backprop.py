"""Excitation backprop: every connection by hand, zennit beside it, and what has no map."""

import json
from itertools import product

import pytest
import torch
import torchvision
from literal_excitation import Block, literal_map, made, plain, resnet
from torch import Tensor, nn
from zennit.composites import ExcitationBackprop as ZennitComposite

from pipeline.errors import UserError
from pipeline.explainers import excitation_backprop as module
from pipeline.explainers.excitation_backprop import enlarged, excitation_backprop, explain, winning_probabilities
from pipeline.explainers.maps import resized
from pipeline.settings import parse_slice

NEURONS = torch.tensor([2, 0])


@torch.no_grad()
@pytest.mark.parametrize("contrastive", [False, True])
def test_maps_are_every_connection_by_hand(contrastive):
    network, images = made(plain)
    maps = excitation_backprop(network, images, NEURONS, contrastive=contrastive)
    expected = torch.stack(
        [torch.stack([literal_map(network, image, k, contrastive) for k in NEURONS.tolist()]) for image in images]
    )
    assert torch.allclose(maps, expected, rtol=1e-9, atol=1e-12, equal_nan=True)
    assert 0 < maps[:, :, 0, 0].isnan().sum() < 8, "a toy that tells nothing; change it"


@pytest.mark.parametrize("contrastive", [False, True])
@pytest.mark.parametrize("layer", [0, 1, 2, 4, 5, 8, 10, 11])
def test_mass_is_one_at_every_layer_and_that_of_the_contrast_zero(layer, contrastive):
    network, images = made(plain)
    found = winning_probabilities(
        network, images, torch.arange(3), start="12", stop=str(layer), contrastive=contrastive
    )
    total = torch.zeros(4, 3) if contrastive else torch.ones(4, 3)
    assert torch.allclose(found.flatten(2).sum(2), total.double(), atol=1e-12)
    assert contrastive or found.min() >= 0
    assert found.abs().sum() > 1


@pytest.mark.parametrize("contrastive", [False, True])
@pytest.mark.parametrize("start", ["10", "12"])
def test_zennit_gives_the_same(contrastive, start):
    network, images = made(plain)
    found = winning_probabilities(network, images, NEURONS, start=start, contrastive=contrastive)
    first = network[:2](images).detach().requires_grad_()
    layer, below = network[int(start)], network[2 : int(start)]
    for row, neuron in enumerate(NEURONS.tolist()):
        hidden = below(first.detach())
        winners, losers = (hidden * (sign * layer.weight[neuron]).clamp(min=0) for sign in (1, -1))
        signals = winners / winners.sum(1, keepdim=True)
        if contrastive:
            signals = signals - losers / losers.sum(1, keepdim=True)
        with ZennitComposite(stabilizer=1e-12, zero_params=["bias"]).context(below) as changed:
            (expected,) = torch.autograd.grad(changed(first), first, signals.detach())
        assert torch.allclose(found[:, row], expected, rtol=1e-6, atol=1e-9) and expected.abs().sum() > 0.5


@pytest.mark.parametrize("make", [plain, Block, resnet])
@pytest.mark.parametrize("contrastive", [False, True])
def test_batch_of_neurons_and_images_is_one_at_a_time(make, contrastive):
    network, images = made(make)
    maps = excitation_backprop(network, images, NEURONS, contrastive=contrastive)
    one = [
        torch.cat([excitation_backprop(network, images[[i]], k[None], contrastive=contrastive) for k in NEURONS], dim=1)
        for i in range(4)
    ]
    assert torch.allclose(maps, torch.cat(one), atol=1e-7, equal_nan=True)
    each = torch.tensor([[0], [2], [1], [0]])
    own = excitation_backprop(network, images, each, contrastive=contrastive)
    everyone = excitation_backprop(network, images, torch.arange(3), contrastive=contrastive)
    assert torch.allclose(own[:, 0], everyone[range(4), each[:, 0]], atol=1e-7, equal_nan=True)


def test_head_is_the_network_that_goes_on_with_it():
    network, images = made(plain)
    torch.manual_seed(6)
    head = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 6), nn.ReLU()).double().eval()
    whole = nn.Sequential(*network[:12], *head).eval()
    neurons = torch.arange(6)
    expected = excitation_backprop(whole, images, neurons)
    assert torch.equal(
        excitation_backprop(network, images, neurons, start="11", head=head).nan_to_num(), expected.nan_to_num()
    )
    assert 0 < expected.isnan().sum() < expected.numel()
    at_pool = excitation_backprop(network, images, neurons, start="11", head=head, stop="4")
    assert at_pool.shape == (4, 6, 3, 3)


@pytest.mark.parametrize(
    "make", [lambda: torchvision.models.resnet18(num_classes=5), lambda: vgg11(), lambda: googlenet()],
    ids=["resnet18", "vgg11", "googlenet"],
)  # fmt: skip
def test_networks_of_torchvision_keep_the_mass(make):
    torch.manual_seed(0)
    network = make().eval()
    images = torch.rand(2, 3, 48, 48)
    found = winning_probabilities(network, images, torch.tensor([3, 1]), contrastive=False)
    assert torch.allclose(found.flatten(2).sum(2), torch.ones(2, 2), atol=1e-4)
    maps = excitation_backprop(network, images, torch.tensor([3, 1]))
    assert torch.allclose(maps.sum((2, 3)), torch.ones(2, 2), atol=1e-5) and not torch.equal(maps[0, 0], maps[0, 1])


def vgg11() -> nn.Module:
    """With narrower linear layers: the original's have a hundred million weights."""
    network = torchvision.models.vgg11(init_weights=False, num_classes=5)
    network.classifier[0], network.classifier[3] = nn.Linear(512 * 49, 16), nn.Linear(16, 16)
    network.classifier[6] = nn.Linear(16, 5)
    return network


def googlenet() -> nn.Module:
    return torchvision.models.googlenet(num_classes=5, aux_logits=False, init_weights=False)


def test_dead_neurons_and_those_without_contrast_have_no_map():
    network = nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(2, 4, bias=False), nn.ReLU()).eval()
    network[2].weight.data = torch.tensor([[1.0, -2.0], [1.0, 2.0], [-1.0, -1.0], [-1.0, 3.0]])
    images = torch.tensor([[[[3.0, 1.0]]], [[[1.0, 1.0]]]])
    alive = excitation_backprop(network, images, torch.arange(4))[..., 0, 0].isnan().logical_not()
    assert alive.tolist() == [[True, False, False, False], [False, False, False, True]]
    # The output before the ReLU has a map although it is negative, as a logit may be.
    before = excitation_backprop(network, images, torch.arange(4), start="2")
    assert before[1, 0, 0].tolist() == [1, 0] and before[0, 3, 0].tolist() == [0, 1]
    plain = excitation_backprop(network, images, torch.arange(4), contrastive=False)
    assert plain[0, 1, 0].tolist() == pytest.approx([3 / 5, 2 / 5]) and plain[0, 2].isnan().all()


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_image_without_numbers_harms_no_other(bad):
    network, images = made(plain)
    expected = excitation_backprop(network, images, torch.tensor([2]), start="12")
    images[1, 0, 3, 3] = bad
    maps = excitation_backprop(network, images, torch.tensor([2]), start="12")
    assert maps[1].isnan().all() and torch.equal(maps[[0, 2, 3]], expected[[0, 2, 3]])


def test_enlarged_maps_are_those_of_the_sum_that_was_enlarged_first():
    found = torch.rand(2, 3, 4, 5, dtype=torch.float64) - 0.3
    found[0, 1] = torch.nan
    clamped = found.clamp(min=0)
    maps = enlarged(clamped / clamped.sum((2, 3), keepdim=True), (9, 12))
    for image, neuron in product(range(2), range(3)):
        expected = resized(clamped[image, neuron][None], (9, 12))[0]
        assert torch.allclose(maps[image, neuron], expected / expected.sum(), equal_nan=True)
    assert maps[0, 1].isnan().all() and maps[0, 0].sum() == pytest.approx(1)


def settings(**values):
    return parse_slice("explainer", json.dumps({"from": "excitation_backprop", **values}))


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_explaining_is_the_targets_map_without_nan(monkeypatch, chunk):
    network, images = made(plain)
    targets = torch.tensor([2, 0, 1, 0])
    monkeypatch.setattr(module, "CHUNK", chunk)
    maps = explain(network, images, targets, settings())
    expected = excitation_backprop(network, images, torch.arange(3))[range(4), targets]
    assert maps.dtype is torch.float32 and torch.allclose(maps, expected.nan_to_num().float(), atol=1e-6)
    empty = expected.isnan().flatten(1).any(1)
    assert torch.allclose(maps.sum((1, 2)), 1.0 - empty.float()) and 0 < empty.sum() < 4
    other = explain(network, images, targets, settings(start="11", neuron=3, stop="4", contrastive=False))
    same = excitation_backprop(network, images, torch.tensor([3]), start="11", stop="4", contrastive=False)
    assert torch.allclose(other, same[:, 0].nan_to_num().float(), atol=1e-6)


@pytest.mark.parametrize("make", [plain, Block, resnet])
def test_explaining_leaves_no_trace(make):
    network, images = made(make)
    before, pixels = {name: value.clone() for name, value in network.state_dict().items()}, images.clone()
    logits = network(images)
    next(network.parameters()).requires_grad_(False)
    wanted = [weight.requires_grad for weight in network.parameters()]
    explain(network, images, torch.tensor([0, 1, 2, 0]), settings())
    assert torch.equal(images, pixels) and torch.equal(network(images), logits)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert [weight.requires_grad for weight in network.parameters()] == wanted
    assert all(weight.grad is None for weight in network.parameters()) and not network.training
    assert not any(layer._forward_hooks or layer._backward_hooks for layer in network.modules())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": "13x"}, r"start: unknown module '13x'; did you mean '13'"),
        ({"stop": "relu"}, r"stop: unknown module 'relu'"),
        ({"start": "4", "stop": "11"}, r"the neuron does not depend on '11'"),
        ({"start": "7"}, r"'7' is not the output of a Linear or Conv2d .*contrastive: false"),
        ({"start": "1"}, r"'1' is not the output of a Linear or Conv2d"),
        ({"stop": "10"}, r"the output of '10' is not B×C×h×w"),
        ({"head": nn.Tanh().eval()}, r"'tanh' is not the output of a Linear"),
        ({"head": nn.Tanh().eval(), "contrastive": False}, r"no rule for 'tanh' of the network; there are rules"),
        ({"start": "0"}, r"there is no ReLU below the neuron"),
    ],
)  # fmt: skip
def test_what_cannot_be_explained_is_named(options, message):
    network, images = made(plain)
    with pytest.raises(UserError, match=message):
        excitation_backprop(network, images, NEURONS, **options)


@pytest.mark.parametrize("neuron", [3, -1])
def test_neurons_that_do_not_exist_are_named(neuron):
    network, images = made(plain)
    with pytest.raises(UserError, match=rf"neuron {neuron}: the output that it should be in has 3 neurons"):
        excitation_backprop(network, images, torch.tensor([neuron]))


def test_wrong_shapes_and_training_mode_are_named():
    network, images = made(plain)
    with pytest.raises(ValueError, match=r"expected n or 4×n numbers for 4 images, not \(3, 1\)"):
        excitation_backprop(network, images, torch.zeros(3, 1, dtype=torch.long))
    network[8].train()
    with pytest.raises(ValueError, match="evaluation mode"):
        excitation_backprop(network, images, NEURONS)


class Branching(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


class Weighted(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.add(x, x, alpha=-1)


class Shifted(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + 1


class Negated(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * -2


class Squared(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * x


class Several(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (Branching(), "Branching cannot be traced"),
        (Several(), "Several gives several outputs"),
        (Weighted(), "no rule for 'add'"),
        (Shifted(), "no rule for 'add'"),
        (Negated(), "no rule for 'mul'"),
        (Squared(), "no rule for 'mul'"),
    ],
)  # fmt: skip
def test_networks_that_cannot_be_followed_are_named(head, message):
    network, images = made(plain)
    with pytest.raises(UserError, match=message):
        excitation_backprop(network, images, NEURONS, head=head.eval(), contrastive=False)
