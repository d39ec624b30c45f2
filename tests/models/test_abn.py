"""Attention branch networks: shapes of both branches, the gate, what begins as the trunk, and pretrained weights."""

import pytest
import torch
from networks import built
from safetensors.torch import save_file

PLAIN = {"from": "convnet", "channels": [4, 5, 6, 7]}
ABN = {"from": "abn", "trunk": PLAIN}


def images(side: int = 12) -> torch.Tensor:
    return torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
@pytest.mark.parametrize("depth", [18, 50])
def test_both_branches_of_a_resnet_have_their_shapes(depth):
    network = built({"from": "abn", "trunk": {"from": "resnet", "depth": depth}}).eval()
    logits, attention_logits, attention = network.branches(images(224)[:1])
    assert logits.shape == attention_logits.shape == (1, 10) and attention.shape == (1, 14, 14)
    assert attention.min() >= 0 and attention.max() <= 1


@torch.no_grad()
def test_the_prediction_is_the_perception_branchs():
    network = built(ABN).eval()
    logits, attention_logits, _ = network.branches(images())
    assert torch.equal(network(images()), logits) and not torch.allclose(logits, attention_logits)


@torch.no_grad()
def test_the_branches_are_the_equations():
    network = built(ABN)
    network.train()(images())
    network.eval()
    stages, gate = network.stages(), network.backbone.attention
    x = (images() - network.mean) / network.std
    for name in ("block1", "block2", "block3"):
        x = stages[name](x)
    q = gate.scores(gate.stage(x))
    a = gate.map(q)
    assert q.shape == (2, 10, 6, 6) and q.min() >= 0 and a.shape == (2, 1, 6, 6) and a.min() < a.max()
    expected = network.head(stages["block4"](x * (1 + a)).mean((2, 3)))
    logits, attention_logits, attention = network.branches(images())
    assert torch.allclose(logits, expected, atol=1e-6) and torch.equal(attention, a[:, 0])
    assert torch.allclose(attention_logits, gate.classifier(q).mean((2, 3)), atol=1e-6)


def test_a_closed_gate_leaves_the_trunk():
    """Networks of one seed start alike; a map of 0 multiplies by 1."""
    network, trunk = built(ABN).eval(), built(PLAIN).eval()
    network.backbone.attention.map[1].bias.data.fill_(-100)
    assert torch.allclose(network(images()), trunk(images()), atol=1e-6)


def test_the_attention_branch_begins_as_the_last_stage_with_stride_1():
    network = built({"from": "abn", "trunk": {"from": "resnet_cifar", "blocks": 1}})
    copied, last = network.backbone.attention.stage.state_dict(), network.stages()["stage3"].state_dict()
    assert all(torch.equal(copied[name], last[name]) for name in last)
    maps = torch.rand(1, 32, 8, 8)
    assert network.backbone.attention.stage(maps).shape == (1, 64, 8, 8)
    assert network.stages()["stage3"](maps).shape == (1, 64, 4, 4)
    assert not {id(weight) for weight in network.backbone.attention.parameters()} & {
        id(weight) for weight in network.stages()["stage3"].parameters()
    }


def test_pretrained_weights_reach_trunk_and_attention_branch(tmp_path):
    trunk = built({"from": "resnet"})
    file = tmp_path / "weights.safetensors"
    weights = {
        name: tensor + 0.25 for name, tensor in trunk.backbone.state_dict().items() if tensor.is_floating_point()
    }
    save_file(weights, file)
    network = built({"from": "abn", "trunk": {"from": "resnet", "pretrained": str(file)}})
    network.load_pretrained()
    assert torch.equal(network.backbone.conv1.weight, weights["conv1.weight"])
    name = "layer4.0.conv1.weight"
    assert torch.equal(network.backbone.layer4[0].conv1.weight, weights[name])
    assert torch.equal(network.backbone.attention.stage[0][0].conv1.weight, weights[name])


def test_the_file_of_the_trunk_is_the_networks():
    from pipeline.settings.networks import AttentionBranch

    assert AttentionBranch(trunk={"from": "resnet", "pretrained": "w.pth"}).pretrained_file == "w.pth"
    assert AttentionBranch().pretrained_file is None
