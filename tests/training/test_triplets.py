"""The triplet loss, by a loop over anchors and positives and in closed form, and the batches that it is taken over."""

import pytest
import torch
from torch import Tensor

from pipeline.training.streams import stream
from pipeline.training.triplets import identity_batches, triplet_losses


def literal_triplets(embeddings: Tensor, labels: list[int], margin: float) -> list[float]:
    """Anchor by anchor, positive by positive, the negative looked for in a list."""
    unit = [vector / vector.norm() for vector in embeddings]
    far = [[(one - other).square().sum().item() for other in unit] for one in unit]
    found = []
    for a, label in enumerate(labels):
        positives = [p for p, other in enumerate(labels) if other == label and p != a]
        negatives = [far[a][n] for n, other in enumerate(labels) if other != label]
        losses = []
        for p in positives if negatives else ():
            behind = [distance for distance in negatives if distance > far[a][p]]
            losses.append(max(0.0, far[a][p] - (min(behind) if behind else max(negatives)) + margin))
        found.append(sum(losses) / len(losses) if losses else 0.0)
    return found


@pytest.mark.parametrize("margin", [0.05, 0.2, 1.0])
def test_triplet_loss_is_the_literal_one(margin):
    embeddings = torch.randn(14, 3, dtype=torch.float64, generator=stream(0, "e")) * torch.arange(1, 15)[:, None]
    labels = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 3, 0])
    losses = triplet_losses(embeddings, labels, margin)
    assert losses.tolist() == pytest.approx(literal_triplets(embeddings, labels.tolist(), margin), abs=1e-12)
    assert (losses[:12] > 0).any() and losses[12] == 0


@pytest.mark.parametrize(
    ("angles", "labels", "expected"),
    [
        # Positive at 60°, |a − p|² = 1; negatives at 90° and 180°, |a − n|² = 2 and 4: none within the margin.
        ([0, 60, 90, 180], [0, 0, 1, 1], 0.0),
        # Positive at 90°; the negative at 60° is nearer, the next behind at 120° has |a − n|² = 3.
        ([0, 90, 60, 120], [0, 0, 1, 1], 0.0),
        # Positive at 120°; all negatives are nearer, the farthest of them at 90°.
        ([0, 120, 60, 90], [0, 0, 1, 1], 3 - 2 + 0.2),
    ],
    ids=["easy", "semi-hard", "hard"],
)
def test_triplet_loss_of_angles(angles, labels, expected):
    turned = torch.deg2rad(torch.tensor(angles, dtype=torch.float64))
    embeddings = 7 * torch.stack([turned.cos(), turned.sin()], dim=1)
    assert triplet_losses(embeddings, torch.tensor(labels), 0.2)[0].item() == pytest.approx(expected, abs=1e-12)


def test_triplet_gradient_is_that_of_finite_differences():
    embeddings = torch.randn(9, 4, dtype=torch.float64, generator=stream(0, "e")).requires_grad_()
    labels = torch.arange(9) % 3
    assert torch.autograd.gradcheck(lambda values: triplet_losses(values, labels, 0.5), embeddings)


@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [0, 1, 2, 3]], ids=["no negatives", "no positives"])
def test_batch_without_triplets_has_neither_loss_nor_gradient(labels):
    embeddings = torch.randn(4, 3, generator=stream(0, "e")).requires_grad_()
    losses = triplet_losses(embeddings, torch.tensor(labels), 0.2)
    losses.sum().backward()
    assert (losses == 0).all() and (embeddings.grad == 0).all()


# Batches.


def test_every_image_with_another_of_its_class_is_in_one_batch():
    labels = torch.tensor([0] * 9 + [1] + [2] * 2 + [3] * 3 + [4] * 5)[torch.randperm(20, generator=stream(0, "order"))]
    found = identity_batches(labels, 2, 4, stream(0, "batches"))
    assert sorted(torch.cat(found).tolist()) == [row for row, label in enumerate(labels.tolist()) if label != 1]
    # Nine images are two groups of four and five; the others are a group each, so that there are five.
    assert len(found) == 3
    for rows in found:
        counts = labels[rows].bincount()
        assert 1 <= (counts > 0).sum() <= 2 and all(count != 1 for count in counts)


def test_batches_are_drawn_anew_from_another_stream():
    labels = torch.arange(40) % 5
    first, again, other = (identity_batches(labels, 3, 4, stream(seed, "batches")) for seed in (0, 0, 1))
    assert all(torch.equal(one, two) for one, two in zip(first, again, strict=True))
    assert not torch.equal(torch.cat(first), torch.cat(other))
    assert {len(rows) for rows in first} == {12, 4} and all(len(labels[rows].unique()) <= 3 for rows in first)
