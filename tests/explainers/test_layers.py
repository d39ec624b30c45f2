"""Outputs of named modules: they are what the module returned, and no hook stays."""

from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from pipeline.errors import UserError
from pipeline.explainers.layers import captured


def network() -> nn.Module:
    torch.manual_seed(0)
    stem = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU())
    return nn.Sequential(OrderedDict(stem=stem, flat=nn.Flatten(), head=nn.Linear(48, 2))).eval()


class Odd(nn.Module):
    """Returns two tensors from one module and never calls another."""

    def __init__(self) -> None:
        super().__init__()
        self.pair = nn.LSTM(4, 3)
        self.idle = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        return self.pair(images)[0]


def hooks(network: nn.Module) -> int:
    return sum(len(module._forward_hooks) for module in network.modules())


def test_outputs_are_what_the_modules_return():
    net, images = network(), torch.rand(4, 2, 6, 6)
    with captured(net, ["stem.0", "stem", "flat"]) as outputs:
        logits = net(images)
    stem = relu(net.stem[0](images))
    assert torch.equal(outputs["stem"], stem) and torch.equal(outputs["flat"], stem.flatten(1))
    assert torch.equal(outputs["stem.0"], net.stem[0](images))
    assert torch.equal(logits, net(images))
    assert torch.autograd.grad(logits[0, 0], outputs["stem"])[0].any()


def test_last_forward_pass_counts():
    net, images = network(), torch.rand(4, 2, 6, 6)
    with captured(net, ["flat"]) as outputs:
        net(images)
        net(images[:2])
    assert len(outputs["flat"]) == 2


def test_frozen_networks_can_be_differentiated_by_their_layers():
    net, images = network().requires_grad_(False), torch.rand(4, 2, 6, 6)
    with captured(net, ["stem", "flat"]) as outputs:
        score = net(images)[:, 1].sum()
    gradients = torch.autograd.grad(score, [outputs["stem"], outputs["flat"]])
    assert torch.equal(gradients[0].flatten(1), gradients[1])
    assert torch.equal(gradients[1], net.head.weight[1].expand(4, -1))
    assert not any(weight.requires_grad for weight in net.parameters())


def test_without_gradients_outputs_have_none():
    net = network()
    with torch.no_grad(), captured(net, ["stem"]) as outputs:
        net(torch.rand(1, 2, 6, 6))
    assert not outputs["stem"].requires_grad


def test_no_hook_stays():
    net = network()
    with captured(net, ["stem", "head"]):
        assert hooks(net) == 2
        net(torch.rand(1, 2, 6, 6))
    assert hooks(net) == 0


def test_no_hook_stays_after_a_failure():
    net = network()
    with pytest.raises(RuntimeError, match="shape"), captured(net, ["stem", "head"]):
        net(torch.rand(1, 2, 9, 9))
    assert hooks(net) == 0
    with pytest.raises(UserError), captured(net, ["stem", "nobody"]):
        pass
    assert hooks(net) == 0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hed", "layers: unknown module 'hed'; did you mean 'head'?"),
        ("0", "layers: unknown module '0'; known: flat, head, stem, stem.0, stem.1"),
        ("stem.0.weight", r"layers: unknown module 'stem\.0\.weight'; did you mean 'stem\.0'?"),
    ],
)
def test_unknown_modules_are_named(name, message):
    with pytest.raises(UserError, match=message.replace("?", r"\?")), captured(network(), [name]):
        pass


@pytest.mark.parametrize(
    ("name", "message"), [("pair", "'pair' returns a tuple, expected a tensor"), ("idle", "'idle' took no part")]
)
def test_modules_without_a_tensor_are_named(name, message):
    net = Odd()
    with pytest.raises(UserError, match=message), captured(net, [name]):
        net(torch.rand(2, 5, 4))
    assert hooks(net) == 0
