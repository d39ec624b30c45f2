"""One signed step: the closed form on a linear classifier, the library, one image at a time, and no trace left."""

import json

import numpy as np
import pytest
import torch
from art.attacks.evasion import FastGradientMethod
from art.estimators.classification import PyTorchClassifier
from torch import nn
from victims import CLASSES, Linear, attacked, network, same_state, smooth, state

from pipeline.attacks.fgsm import attack, fgsm
from pipeline.attacks.gradient import direction
from pipeline.attacks.outcome import fooled, resistance
from pipeline.settings.attacks import Fgsm

TARGETED = [False, True]


def goals(labels: torch.Tensor, targeted: bool) -> torch.Tensor | None:
    return (labels + 1) % CLASSES if targeted else None


def test_linear_classifier_is_left_along_the_difference_of_its_rows():
    victim = Linear([[1.0, -2.0, 0.0, 3.0], [0.5, 1.0, 0.0, -1.0]], [0.0, 0.0])
    image = torch.tensor([0.5, 0.5, 0.5, 0.95]).view(1, 1, 2, 2)
    # Away from class 0 is down w₀ − w₁ = (0.5, −3, 0, 4), towards class 0 is up; the third value makes no difference.
    away = fgsm(victim, image, torch.tensor([0]), epsilon=0.1)
    assert away.flatten().tolist() == pytest.approx([0.4, 0.6, 0.5, 0.85])
    towards = fgsm(victim, image, torch.tensor([1]), torch.tensor([0]), epsilon=0.1)
    assert towards.flatten().tolist() == pytest.approx([0.6, 0.4, 0.5, 1.0])


@pytest.mark.parametrize("targeted", TARGETED)
def test_library_gives_the_same_images(targeted):
    victim, (images, labels) = network(), attacked()
    targets = goals(labels, targeted)
    ours = fgsm(victim, images, labels, targets, epsilon=0.031)
    art = PyTorchClassifier(
        victim, nn.CrossEntropyLoss(), images.shape[1:], CLASSES, clip_values=(0, 1), device_type="cpu"
    )
    wanted = np.eye(CLASSES)[(targets if targeted else labels).numpy()]
    theirs = FastGradientMethod(art, eps=0.031, targeted=targeted).generate(images.numpy(), wanted)
    # Where a gradient rounds to zero its sign may be either.
    assert (np.abs(ours.numpy() - theirs) < 1e-6).mean() > 0.995
    assert (ours != images).float().mean() > 0.9


@pytest.mark.parametrize("targeted", TARGETED)
def test_batch_is_one_image_at_a_time(targeted):
    victim, (images, labels) = smooth(), attacked()
    images, targets = images.double(), goals(labels, targeted)
    together = fgsm(victim, images, labels, targets, epsilon=0.05)
    for row in range(len(images)):
        image = images[row : row + 1].clone().requires_grad_()
        logits = victim(image)[0]
        probability = logits.exp()[(targets if targeted else labels)[row]] / logits.exp().sum()
        # The loss of the label goes up, the loss of the target down.
        (-probability.log() * (-1 if targeted else 1)).backward()
        by_hand = (images[row] + 0.05 * image.grad[0].sign()).clamp(0, 1)
        assert torch.allclose(together[row], by_hand, atol=1e-12)


@pytest.mark.parametrize("epsilon", [0.001, 0.031, 0.5, 2.0])
@pytest.mark.parametrize("targeted", TARGETED)
def test_images_stay_in_the_ball_and_in_range(epsilon, targeted):
    images, labels = attacked()
    images[:, :, :4] = images[:, :, :4].round()
    found = fgsm(network(), images, labels, goals(labels, targeted), epsilon=epsilon)
    assert (found - images).abs().max() <= epsilon + 1e-6
    assert found.min() >= 0 and found.max() <= 1 and found.dtype is torch.float32


@pytest.mark.parametrize("targeted", TARGETED)
def test_larger_balls_fool_more(targeted):
    victim, (images, labels) = network(), attacked(60)
    targets = goals(labels, targeted)
    rates = [
        fooled(victim(fgsm(victim, images, labels, targets, epsilon=epsilon)), labels, targets).float().mean().item()
        for epsilon in (0.0, 0.02, 0.06, 0.12)
    ]
    assert rates[0] < 0.2 and rates[0] < rates[1] < rates[-1] and rates[-1] > 0.5


def test_stage_passes_its_settings():
    victim, (images, labels) = network(), attacked()
    settings = Fgsm.model_validate(json.loads('{"from": "fgsm", "epsilon": 0.07}'))
    found = attack(victim, images, labels, None, settings, torch.Generator())
    assert torch.equal(found, fgsm(victim, images, labels, epsilon=0.07))


def test_attacking_leaves_no_trace():
    victim, (images, labels) = network(), attacked()
    before, copy = state(victim), images.clone()
    found = fgsm(victim, images, labels, epsilon=0.1)
    assert same_state(victim, before) and torch.equal(images, copy)
    assert not images.requires_grad and not found.requires_grad


def test_confident_networks_keep_the_gradient_of_their_own_class():
    # p = 1 in single precision; the part of the label would be lost, and with it the only part there is.
    victim = Linear([[40.0, 0.0], [0.0, 0.0]], [0.0, 0.0])
    image = torch.tensor([[[[1.0, 1.0]]]])
    gradient = direction(victim, image, torch.tensor([0]), None)
    assert victim(image).softmax(1)[0, 0] == 1
    assert gradient.flatten().tolist() == pytest.approx([-40 * np.exp(-40), 0], rel=1e-3)


def test_success_and_resistance_by_hand():
    logits = torch.log(torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]]))
    labels, targets = torch.tensor([0, 1]), torch.tensor([1, 2])
    assert fooled(logits, labels, None).tolist() == [False, True]
    assert fooled(logits, labels, targets).tolist() == [False, True]
    assert fooled(logits, torch.tensor([0, 0]), torch.tensor([2, 1])).tolist() == [False, False]
    assert resistance(logits, labels, None).tolist() == pytest.approx([0.7, 0.3])
    assert resistance(logits, labels, targets).tolist() == pytest.approx([0.8, 0.4])


def test_resistance_tells_certain_probabilities_apart():
    logits = torch.tensor([[30.0, 0.0, 0.0], [31.0, 0.0, 0.0]])
    assert (logits.softmax(1)[:, 0] == 1).all()
    for targets in (None, torch.tensor([2, 2])):
        first, second = resistance(logits, torch.tensor([0, 0]), targets).tolist()
        assert first < second
