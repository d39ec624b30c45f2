"""ABN with annotations: the distance beside loops, and a step on the three terms."""

import json

import pytest
import torch
from masked import fitted, options, session
from pydantic import ValidationError
from torch.nn.functional import cross_entropy

from pipeline.methods.abn import distance
from pipeline.settings import parse_slice
from pipeline.settings.focusing import Abn


def test_the_distance_is_the_loop():
    generator = torch.Generator().manual_seed(0)
    attention, masks = torch.rand(3, 2, 2, generator=generator), torch.rand(3, 1, 4, 4, generator=generator)
    total = 0.0
    for image in range(3):
        squares = [
            (attention[image, u, v] - masks[image, 0, 2 * u : 2 * u + 2, 2 * v : 2 * v + 2].max()).item() ** 2
            for u in range(2)
            for v in range(2)
        ]
        total += sum(squares) ** 0.5
    assert distance(attention, masks).item() == pytest.approx(total / 3)


def test_a_step_is_that_on_the_three_terms():
    plainest = {"from": "sgd", "learning_rate": 0.1, "momentum": 0.0, "weight_decay": 0.0}
    settings = options("abn", weight=0.3, epochs=1, batch_size=32, optimiser=plainest)
    run, twin = fitted(settings), session(settings)
    for _ in twin.epochs(settings, torch.optim.SGD(twin.network.parameters(), 0.1)):
        ((images, labels, masks),) = twin.masked_batches("given")
    logits, attention_logits, attention = twin.network.branches(images)
    loss = cross_entropy(logits, labels) + cross_entropy(attention_logits, labels) + 0.3 * distance(attention, masks)
    loss.backward()
    for found, weight in zip(run.network.parameters(), twin.network.parameters(), strict=True):
        assert torch.allclose(found, weight - 0.1 * weight.grad, rtol=0, atol=1e-6)
    rows = {row["metric"]: row["value"] for row in run.history().to_pylist()}
    assert rows["loss"] == pytest.approx(loss.item(), rel=1e-5)
    # The accuracy is the perception branch's.
    assert rows["accuracy"] == pytest.approx((logits.argmax(1) == labels).float().mean().item())


def test_training_brings_the_map_to_the_mask():
    settings = options("abn", weight=10.0, epochs=20, optimiser={"from": "adamw", "learning_rate": 3e-2})
    curve = [row["value"] for row in fitted(settings, fill=255).history().to_pylist() if row["metric"] == "distance"]
    assert curve[-1] < 0.8 * curve[0]


def test_another_network_is_refused():
    with pytest.raises(ValidationError, match="abn"):
        Abn(kind="abn", network={"from": "resnet_cifar"})
    assert parse_slice("method", json.dumps({"from": "abn"})).network.kind == "abn"
