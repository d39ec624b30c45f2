"""Losses class by class and image by image, and their gradients by autograd."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from pipeline.training.losses import gradient, mean_loss

LOGITS = torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 3, 1, 2, 2, 0])


def of_image(loss: str, z: list[float], y: int) -> float:
    if loss == "squared_error":
        return sum((value - (j == y)) ** 2 for j, value in enumerate(z)) / 2
    return torch.tensor(z, dtype=torch.float64).exp().sum().log().item() - z[y]


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_loss_is_a_sum_over_classes_and_a_mean_over_images(loss):
    values = [of_image(loss, z, y) for z, y in zip(LOGITS.tolist(), LABELS.tolist(), strict=True)]
    assert mean_loss(loss, LOGITS, LABELS).item() == pytest.approx(sum(values) / 6, rel=1e-12)


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_gradient_is_that_of_each_image_by_itself(loss):
    logits = LOGITS.clone().requires_grad_()
    (expected,) = torch.autograd.grad(6 * mean_loss(loss, logits, LABELS), logits)
    assert torch.allclose(gradient(loss, LOGITS, LABELS), expected, rtol=0, atol=1e-14)


def test_squared_error_of_the_targets_themselves_is_zero():
    assert mean_loss("squared_error", torch.eye(4)[LABELS], LABELS) == 0
    assert mean_loss("squared_error", torch.zeros(6, 4), LABELS) == 0.5


def test_cross_entropy_is_torchs_to_the_bit():
    assert torch.equal(mean_loss("cross_entropy", LOGITS.float(), LABELS), cross_entropy(LOGITS.float(), LABELS))


def test_another_loss_is_an_error():
    with pytest.raises(ValueError, match="unknown loss 'hinge'"):
        mean_loss("hinge", LOGITS, LABELS)
