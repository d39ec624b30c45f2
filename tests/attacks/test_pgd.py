"""Projected signed steps: the literal loop, the library, and how a random start is drawn."""

import json

import numpy as np
import pytest
import torch
from art.attacks.evasion import ProjectedGradientDescent
from art.estimators.classification import PyTorchClassifier
from torch import nn
from victims import CLASSES, attacked, network, same_state, smooth, state

from pipeline.attacks.fgsm import fgsm
from pipeline.attacks.outcome import fooled
from pipeline.attacks.pgd import attack, pgd
from pipeline.settings.attacks import Pgd

TARGETED = [False, True]


def goals(labels: torch.Tensor, targeted: bool) -> torch.Tensor | None:
    return (labels + 1) % CLASSES if targeted else None


def block(**settings) -> Pgd:
    return Pgd.model_validate(json.loads(json.dumps({"from": "pgd", **settings})))


@pytest.mark.parametrize("targeted", TARGETED)
def test_library_gives_the_same_images(targeted):
    victim, (images, labels) = network(), attacked()
    targets = goals(labels, targeted)
    ours = pgd(victim, images, labels, targets, epsilon=0.031, step=2 / 255, steps=7)
    art = PyTorchClassifier(
        victim, nn.CrossEntropyLoss(), images.shape[1:], CLASSES, clip_values=(0, 1), device_type="cpu"
    )
    wanted = np.eye(CLASSES)[(targets if targeted else labels).numpy()]
    theirs = ProjectedGradientDescent(art, eps=0.031, eps_step=2 / 255, max_iter=7, targeted=targeted, verbose=False)
    # Where a gradient rounds to zero its sign may be either.
    assert (np.abs(ours.numpy() - theirs.generate(images.numpy(), wanted)) < 1e-6).mean() > 0.99


@pytest.mark.parametrize("targeted", TARGETED)
def test_batch_is_the_literal_loop_over_images(targeted):
    victim, (images, labels) = smooth(), attacked(4)
    images, targets = images.double(), goals(labels, targeted)
    together = pgd(victim, images, labels, targets, epsilon=0.05, step=0.02, steps=5)
    for row, image in enumerate(images):
        moved = image.clone()
        for _ in range(5):
            point = moved[None].clone().requires_grad_()
            loss = -victim(point).log_softmax(1)[0, (targets if targeted else labels)[row]]
            loss.backward()
            moved = moved + (-0.02 if targeted else 0.02) * point.grad[0].sign()
            for place in np.ndindex(*image.shape):
                moved[place] = min(max(moved[place], image[place] - 0.05, 0), image[place] + 0.05, 1)
        assert torch.allclose(together[row], moved, atol=1e-12)


def test_one_whole_step_is_fgsm():
    victim, (images, labels) = network(), attacked()
    assert torch.equal(
        pgd(victim, images, labels, epsilon=0.04, step=0.04, steps=1), fgsm(victim, images, labels, epsilon=0.04)
    )


@pytest.mark.parametrize("random_start", [False, True])
@pytest.mark.parametrize("targeted", TARGETED)
def test_images_stay_in_the_ball_and_in_range(random_start, targeted):
    victim, (images, labels) = network(), attacked()
    images[:, :, :4] = images[:, :, :4].round()
    settings = block(epsilon=0.06, step=0.05, random_start=random_start)
    found = attack(victim, images, labels, goals(labels, targeted), settings, torch.Generator().manual_seed(0))
    assert (found - images).abs().max() <= 0.06 + 1e-6
    assert found.min() >= 0 and found.max() <= 1


def test_steps_and_larger_balls_fool_more():
    victim, (images, labels) = network(), attacked(60)

    def rate(epsilon: float, steps: int) -> float:
        found = pgd(victim, images, labels, epsilon=epsilon, step=epsilon / 3, steps=steps)
        return fooled(victim(found), labels, None).float().mean().item()

    rates = [rate(epsilon, 7) for epsilon in (0.005, 0.02, 0.06)]
    assert rates[0] < rates[1] < rates[2] and rates[2] > 0.5
    assert rate(0.04, 7) > rate(0.04, 1)


def test_random_start_is_uniform_in_the_ball_and_drawn_from_the_generator():
    victim = network()
    images, labels = torch.full((40, 3, 8, 8), 0.5), torch.zeros(40, dtype=torch.long)
    settings = block(epsilon=0.1, step=1e-9, steps=1, random_start=True)

    def started(seed: int) -> torch.Tensor:
        return attack(victim, images, labels, None, settings, torch.Generator().manual_seed(seed)) - images

    first = started(1)
    assert torch.equal(first, started(1)) and not torch.equal(first, started(2))
    counts = torch.histc(first, bins=10, min=-0.1, max=0.1) / first.numel()
    assert counts.tolist() == pytest.approx([0.1] * 10, abs=0.02)


def test_random_start_does_not_depend_on_the_batch():
    victim, (images, labels) = network(), attacked()
    settings = block(epsilon=0.05, random_start=True)
    together = attack(victim, images, labels, None, settings, torch.Generator().manual_seed(3))
    generator = torch.Generator().manual_seed(3)
    parts = [attack(victim, images[row], labels[row], None, settings, generator) for row in torch.arange(12).split(5)]
    assert torch.allclose(together, torch.cat(parts), atol=1e-6)


def test_attacking_leaves_no_trace():
    victim, (images, labels) = network(), attacked()
    before, copy = state(victim), images.clone()
    found = attack(victim, images, labels, None, block(random_start=True), torch.Generator())
    assert same_state(victim, before) and torch.equal(images, copy) and not found.requires_grad
