"""Signed steps along momentum: its two limits, the literal loop, the library."""

import json

import numpy as np
import pytest
import torch
from art.attacks.evasion import MomentumIterativeMethod
from art.estimators.classification import PyTorchClassifier
from torch import nn
from victims import CLASSES, Linear, attacked, network, same_state, smooth, state

from pipeline.attacks.fgsm import fgsm
from pipeline.attacks.mi_fgsm import attack, mi_fgsm
from pipeline.attacks.pgd import pgd
from pipeline.settings.attacks import MiFgsm


def test_without_momentum_it_is_the_basic_iterative_method():
    victim, (images, labels) = network(), attacked()
    found = mi_fgsm(victim, images, labels, epsilon=0.07, steps=7, decay=0.0)
    assert torch.allclose(found, pgd(victim, images, labels, epsilon=0.07, step=0.01, steps=7), atol=1e-7)
    assert not torch.allclose(found, mi_fgsm(victim, images, labels, epsilon=0.07, steps=7, decay=1.0), atol=1e-3)


def test_one_step_is_fgsm():
    victim, (images, labels) = network(), attacked()
    found = mi_fgsm(victim, images, labels, epsilon=0.04, steps=1)
    assert torch.equal(found, fgsm(victim, images, labels, epsilon=0.04))


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("decay", [0.5, 1.0])
def test_batch_is_the_literal_loop_over_images(targeted, decay):
    victim, (images, labels) = smooth(), attacked(4)
    images, classes = images.double(), (labels + 1) % CLASSES if targeted else labels
    together = mi_fgsm(victim, images, labels, classes if targeted else None, epsilon=0.1, steps=5, decay=decay)
    for row, image in enumerate(images):
        moved, momentum = image.clone(), torch.zeros_like(image)
        for _ in range(5):
            point = moved[None].clone().requires_grad_()
            (-victim(point).log_softmax(1)[0, classes[row]]).backward()
            momentum = decay * momentum + point.grad[0] / sum(abs(value) for value in point.grad.flatten())
            moved = (moved + (-1 if targeted else 1) * 0.02 * momentum.sign()).clamp(0, 1)
            moved = torch.maximum(torch.minimum(moved, image + 0.1), image - 0.1)
        assert torch.allclose(together[row], moved, atol=1e-12)


def test_library_gives_the_same_images():
    victim, (images, labels) = network(), attacked()
    ours = mi_fgsm(victim, images, labels, epsilon=0.05, steps=5, decay=0.7)
    art = PyTorchClassifier(
        victim, nn.CrossEntropyLoss(), images.shape[1:], CLASSES, clip_values=(0, 1), device_type="cpu"
    )
    theirs = MomentumIterativeMethod(art, eps=0.05, eps_step=0.01, decay=0.7, max_iter=5, verbose=False)
    # Where a gradient rounds to zero its sign may be either.
    assert (np.abs(ours.numpy() - theirs.generate(images.numpy(), np.eye(CLASSES)[labels])) < 1e-6).mean() > 0.99


def test_settings_reach_the_function_and_images_stay_in_range():
    victim, (images, labels) = network(), attacked()
    settings = MiFgsm.model_validate(json.loads('{"from": "mi_fgsm", "epsilon": 0.2, "steps": 4, "decay": 0.3}'))
    found = attack(victim, images, labels, None, settings, torch.Generator())
    assert torch.equal(found, mi_fgsm(victim, images, labels, epsilon=0.2, steps=4, decay=0.3))
    assert found.min() >= 0 and found.max() <= 1 and (found - images).abs().max() <= 0.2 + 1e-6


def test_tiny_gradients_count_as_much_as_large_ones():
    image, label = torch.tensor([[[[0.9, 0.2]]]]), torch.tensor([0])
    for scale in (1.0, 30.0):  # at 30 the gradient is below 1e-15
        victim = Linear([[scale, -scale], [-scale, scale]], [0.0, 0.0])
        found = mi_fgsm(victim, image, label, epsilon=0.1, steps=2)
        assert found.flatten().tolist() == pytest.approx([0.8, 0.3])


def test_flat_network_leaves_images_and_harms_no_other():
    victim = Linear([[1.0, 0.0], [0.0, 0.0]], [0.0, 0.0])
    victim.layer.weight.data.zero_()
    images = torch.rand(3, 1, 1, 2)
    assert torch.equal(mi_fgsm(victim, images, torch.zeros(3, dtype=torch.long), epsilon=0.1, steps=3), images)


def test_attacking_leaves_no_trace():
    victim, (images, labels) = network(), attacked()
    before, copy = state(victim), images.clone()
    found = mi_fgsm(victim, images, labels, epsilon=0.1, steps=2)
    assert same_state(victim, before) and torch.equal(images, copy) and not found.requires_grad
