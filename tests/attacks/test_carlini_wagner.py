"""Smallest changes: the known distance to a linear boundary, failures, and independence of the batch."""

import json

import pytest
import torch
from victims import CLASSES, Linear, attacked, network, same_state, state

from pipeline.attacks.carlini_wagner import attack
from pipeline.attacks.outcome import fooled
from pipeline.settings.attacks import CarliniWagner

#: w₀ − w₁ = (1, 2, −2, 0) has the norm 3.
BOUNDARY = Linear([[0.5, 2.0, -1.0, 0.7], [-0.5, 0.0, 1.0, 0.7]], [0.1, 0.0])


def found(victim, images, labels, targets=None, **settings) -> torch.Tensor:
    block = CarliniWagner.model_validate(json.loads(json.dumps({"from": "carlini_wagner", **settings})))
    return attack(victim, images, labels, targets, block, torch.Generator())


@pytest.mark.parametrize("targeted", [False, True])
def test_distance_to_a_linear_boundary_is_margin_over_norm(targeted):
    images = torch.tensor([[0.5, 0.6, 0.4, 0.5], [0.5, 0.55, 0.5, 0.9], [0.6, 0.5, 0.4, 0.1]]).view(3, 1, 2, 2)
    logits = BOUNDARY(images).detach()
    labels = logits.argmax(1)
    changed = found(
        BOUNDARY, images, labels, 1 - labels if targeted else None, searches=6, steps=80, learning_rate=0.05
    )
    assert fooled(BOUNDARY(changed), labels, 1 - labels if targeted else None).all()
    expected = (logits[:, 0] - logits[:, 1]).abs() / 3
    distances = (changed - images).flatten(1).norm(dim=1)
    assert (distances >= expected - 1e-4).all()
    assert distances.tolist() == pytest.approx(expected.tolist(), rel=0.05)
    # The shortest way is along w₀ − w₁, which leaves the last value alone.
    assert (changed - images)[:, 0, 1, 1].abs().max() < 1e-3


def test_confidence_asks_for_more():
    images, labels = torch.tensor([0.5, 0.6, 0.4, 0.5]).view(1, 1, 2, 2), torch.tensor([0])
    near, far = (
        found(BOUNDARY, images, labels, searches=6, steps=100, confidence=confidence) for confidence in (0.0, 0.5)
    )
    margins = [(BOUNDARY(image)[0, 1] - BOUNDARY(image)[0, 0]).item() for image in (near, far)]
    assert 0 <= margins[0] < 0.1 and 0.5 <= margins[1] < 0.6


def test_image_comes_back_where_nothing_is_found():
    # Class 0 whatever the image, except for a black one, by which foolbox marks its failures.
    victim = Linear([[10.0, 10.0, 10.0, 10.0], [0.0, 0.0, 0.0, 0.0]], [0.0, 0.01])
    images = torch.stack([torch.full((1, 2, 2), 0.9), torch.full((1, 2, 2), 5e-4)])
    labels = victim(images).argmax(1)
    assert labels.tolist() == [0, 0] and victim(torch.zeros(1, 1, 2, 2)).argmax() == 1
    changed = found(victim, images, labels, searches=2, steps=20)
    assert torch.equal(changed[0], images[0])
    assert found(victim, torch.zeros(1, 1, 2, 2), torch.tensor([1]), searches=1, steps=2).sum() == 0


def test_small_changes_fool_a_trained_network_and_leave_no_trace():
    victim, (images, labels) = network(), attacked(6)
    right = victim(images).argmax(1) == labels
    images, labels = images[right], labels[right]
    before, copy = state(victim), images.clone()
    targets = (labels + 1) % CLASSES
    changed = found(victim, images, labels, targets, steps=40, searches=3)
    success = fooled(victim(changed), labels, targets)
    assert success.float().mean() > 0.6
    assert same_state(victim, before) and torch.equal(images, copy) and not changed.requires_grad
    assert changed.min() >= 0 and changed.max() <= 1 and changed.dtype is torch.float32
    assert torch.equal(changed[~success], images[~success])
    assert (changed - images).flatten(1).norm(dim=1).max() < 3


def test_batch_does_not_matter():
    victim, (images, labels) = network(), attacked(3)
    together = found(victim, images, labels, steps=15, searches=2)
    alone = [found(victim, images[row : row + 1], labels[row : row + 1], steps=15, searches=2) for row in range(3)]
    assert torch.allclose(together, torch.cat(alone), atol=1e-4)
