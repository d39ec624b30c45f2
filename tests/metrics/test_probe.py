"""Linear probes: separable and random attributes, the machine by hand, and attributes of one class."""

import math

import pytest
import torch
from sklearn.svm import LinearSVC
from torch import Tensor

from pipeline.metrics.probe import linear_probe


def drawn(seed: int, images: int) -> tuple[Tensor, Tensor]:
    """Features of very different scales, one constant, and attributes: a clear one, a noisy one, one of chance."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(images, 5, generator=generator) * torch.tensor([1, 1e-3, 1e3, 1, 0]) + 2
    blur = torch.randn(images, generator=generator)
    marks = [features[:, 1] > 2, features[:, 0] + blur > 3, torch.rand(images, generator=generator) < 0.2]
    return features, torch.stack(marks, dim=1).to(torch.uint8)


TRAIN, TEST = drawn(0, 300), drawn(1, 200)


def test_probe_is_the_machine_on_standardised_features_by_hand():
    probe = linear_probe(*TRAIN, *TEST, regularisation=0.5)
    mean, deviation = TRAIN[0].double().mean(0), TRAIN[0].double().std(0, correction=0)
    train, test = (((part - mean) / deviation.where(deviation > 0, 1)).numpy() for part in (TRAIN[0], TEST[0]))
    for i in range(3):
        machine = LinearSVC(C=0.5, dual=False).fit(train, TRAIN[1][:, i].numpy())
        by_hand = (machine.predict(test) == TEST[1][:, i].numpy()).mean()
        assert probe.accuracy[i].item() == pytest.approx(by_hand, abs=0.006)  # one image: solvers stop early
    assert probe.accuracy[0] > 0.97 and probe.majority[0] < 0.6


def test_probe_of_chance_is_no_better_than_the_majority():
    probe = linear_probe(*TRAIN, *TEST)
    assert probe.accuracy[2].item() == pytest.approx(probe.majority[2].item(), abs=0.03)
    zeros = [row[2] == 0 for row in TEST[1].tolist()]
    assert probe.majority[2].item() == pytest.approx(sum(zeros) / 200)


def test_scale_and_place_of_features_do_not_matter():
    scale, shift = torch.tensor([3.0, 0.1, 10.0, 7.0, 1.0]), torch.tensor([1.0, 0.0, -5.0, 0.0, 9.0])
    expected = linear_probe(*TRAIN, *TEST)
    found = linear_probe(TRAIN[0] * scale + shift, TRAIN[1], TEST[0] * scale + shift, TEST[1])
    assert torch.allclose(found.accuracy, expected.accuracy, atol=0.006)


def test_attributes_of_one_class_have_no_probe_but_a_majority():
    known, seen = TRAIN[1].clone(), TEST[1].clone()
    known[:, 0], known[:, 1], seen[:, 0] = 1, 0, 1
    probe = linear_probe(TRAIN[0], known, TEST[0], seen)
    assert probe.accuracy[:2].isnan().all()
    assert probe.majority[0] == 1
    assert probe.majority[1].item() == pytest.approx((seen[:, 1] == 0).float().mean().item())
    assert probe.accuracy[2] == linear_probe(*TRAIN, *TEST).accuracy[2]


def test_majority_is_that_of_training():
    known = torch.tensor([[1, 0]] * 3 + [[0, 1]])
    seen = torch.tensor([[0, 0], [1, 1]] + [[0, 1]] * 3)
    probe = linear_probe(torch.arange(4.0)[:, None], known, torch.arange(5.0)[:, None], seen)
    assert probe.majority.tolist() == pytest.approx([0.2, 0.2])


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_features_that_are_not_finite_are_named(bad):
    features = TEST[0].clone()
    features[3, 2] = bad
    with pytest.raises(ValueError, match="not finite"):
        linear_probe(*TRAIN, features, TEST[1])


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="must be N×K and N×d"):
        linear_probe(TRAIN[0], TRAIN[1][1:], *TEST)
    with pytest.raises(ValueError, match="must be N×K and N×d"):
        linear_probe(*TRAIN, TEST[0][:0], TEST[1][:0])
    with pytest.raises(ValueError, match="as many features"):
        linear_probe(TRAIN[0][:, 1:], TRAIN[1], *TEST)
