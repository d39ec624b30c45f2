"""The attention map: that of the branch, and what its gate did to the prediction."""

import json

import pytest
import torch
from networks import NETWORKS, built

from pipeline.explainers.attention import explain
from pipeline.settings import parse_slice

SETTINGS = parse_slice("explainer", json.dumps({"from": "attention"}))
IMAGES = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def network():
    ours = built(NETWORKS["abn"][0])
    ours.train()(IMAGES)
    return ours.eval()


def test_maps_are_what_the_gate_multiplies_by(network):
    met = {}
    gate = network.backbone.attention
    gate.register_forward_hook(lambda module, inputs, output: met.update(before=inputs[0], after=output))
    network(IMAGES)
    maps = explain(network, IMAGES, torch.tensor([0, 1, 2]), SETTINGS)
    expected = met["after"] / met["before"] - 1
    used = met["before"].abs() > 1e-3
    assert used.any()
    assert torch.allclose(expected[used], maps[:, None].expand_as(expected)[used], atol=1e-3)
    assert maps.dim() == 3 and not maps.requires_grad and 0 < maps.min() < maps.max() < 1


def test_the_target_does_not_matter(network):
    first, second = (explain(network, IMAGES, torch.full((3,), c), SETTINGS) for c in (0, 1))
    assert torch.equal(first, second)
