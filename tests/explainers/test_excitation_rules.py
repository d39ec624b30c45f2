"""How each kind of layer hands winning probabilities on."""

import pytest
import torch
from literal_excitation import Block, literal, made, plain
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from pipeline.explainers import excitation_rules as rules
from pipeline.explainers.excitation_backprop import excitation_backprop, winning_probabilities

NEURONS = torch.tensor([2, 0])


def test_no_bias_takes_part():
    network, images = made(plain)
    expected = excitation_backprop(network, images, NEURONS, start="12")
    nn.init.normal_(network[12].bias)  # of the neurons themselves: no activation below them changes
    assert torch.equal(excitation_backprop(network, images, NEURONS, start="12"), expected)
    values, signals = network[:2](images), torch.rand(3, *network[:3](images).shape, dtype=images.dtype)
    expected = rules.weigh(network[2], values, signals)
    nn.init.normal_(network[2].bias)
    assert torch.equal(rules.weigh(network[2], values, signals), expected)


@pytest.mark.parametrize("contrastive", [False, True])
def test_normalisation_is_folded_into_the_convolution(contrastive):
    network, images = made(lambda: nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Flatten(), nn.Linear(80, 3)
    ))  # fmt: skip
    assert (network[3].weight < 0).any() and (network[3].weight > 0).any()
    fused = nn.Sequential(*network[:2], fuse_conv_bn_eval(network[2], network[3]), *network[4:]).eval()
    # Started at the logits, and at single places of a normalised map, where the contrast meets the folded weights.
    for start, place in ((None, None), ("4", "3")):
        neurons = torch.arange(3) if start is None else torch.arange(0, 80, 7)
        ours = excitation_backprop(network, images, neurons, start=start, contrastive=contrastive)
        expected = excitation_backprop(fused, images, neurons, start=place, contrastive=contrastive)
        assert torch.allclose(ours, expected, atol=1e-12, equal_nan=True) and ours.nansum() > 10


def test_normalisation_after_anything_else_passes_what_it_does_not_turn():
    network = nn.Sequential(nn.ReLU(), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(4, 1, bias=False)).double()
    nn.init.ones_(network[3].weight)
    network[1].weight.data = torch.tensor([2.0, -1.0]).double()
    network[1].bias.data = torch.tensor([0.0, 5.0]).double()
    image = torch.tensor([[[[1.0, 3.0]], [[1.0, 1.0]]]]).double()
    found = winning_probabilities(network.eval(), image, torch.tensor([0]), contrastive=False)
    values = network[:3](image)[0]
    assert torch.allclose(found[0, 0, 0, 0], values[:2] / values.sum())
    assert (found[0, 0, 1] == 0).all()


def test_maximum_takes_all_and_average_shares():
    values = torch.tensor([[[[1.0, 2.0], [0.0, 5.0]], [[4.0, 1.0], [2.0, 1.0]]]])
    for pool, expected in (
        (nn.MaxPool2d(2), [[0, 0, 0, 1.0], [0, 0, 0, 0]]),
        (nn.AvgPool2d(2), [[1 / 8, 2 / 8, 0, 5 / 8], [0, 0, 0, 0]]),
        (nn.AdaptiveAvgPool2d(1), [[1 / 8, 2 / 8, 0, 5 / 8], [0, 0, 0, 0]]),
    ):
        network = nn.Sequential(nn.ReLU(), pool, nn.Flatten()).eval()
        found = winning_probabilities(network, values, torch.tensor([0]), contrastive=False)
        assert torch.allclose(found[0, 0].flatten(1), torch.tensor(expected))


@torch.no_grad()
def test_residual_sum_shares_in_proportion_to_what_is_positive():
    network, images = made(Block)
    first = torch.relu(network.norm0(network.stem(images)))
    branch = network.norm1(network.branch(first))
    last = torch.relu(branch + first)
    excited = last * network.head.weight[2].clamp(min=0)[:, None, None]
    top = excited / excited.sum((1, 2, 3), keepdim=True)
    by_branch, by_shortcut = branch.clamp(min=0), first
    shares = top / (by_branch + by_shortcut).clamp(min=1e-300)
    folded = fuse_conv_bn_eval(network.branch, network.norm1)
    expected = by_shortcut * shares + torch.stack(
        [literal(folded, values, signals) for values, signals in zip(first, by_branch * shares, strict=True)]
    )
    found = winning_probabilities(network, images, torch.tensor([2]), contrastive=False)
    assert torch.allclose(found[:, 0], expected, atol=1e-12)
    assert (branch < 0).any() and torch.allclose(expected.sum((1, 2, 3)), torch.ones(4).double())
    # Read inside the branch, only what went through the branch is there.
    inside = winning_probabilities(network, images, torch.tensor([2]), stop="norm1", contrastive=False)
    assert torch.allclose(inside[:, 0], by_branch * shares, atol=1e-12) and inside.sum() < 4


class Scaled(nn.Module):
    """A residual sum whose branch, which exchanges two neurons, counts 0.2."""

    def __init__(self) -> None:
        super().__init__()
        self.branch = nn.Linear(2, 2, bias=False)
        self.branch.weight.data = torch.tensor([[0.0, 1.0], [1.0, 0.0]])

    def forward(self, x: Tensor) -> Tensor:
        first = torch.relu(x)
        return self.branch(first) * 0.2 + first


def test_positive_factors_count_in_sums_and_hand_everything_on():
    found = winning_probabilities(Scaled().eval(), torch.tensor([[1.0, 3.0]]), torch.tensor([0]), contrastive=False)
    # Neuron 0 is 0.2 · 3 + 1.
    assert torch.allclose(found.flatten(), torch.tensor([1.0, 0.6]) / 1.6)
