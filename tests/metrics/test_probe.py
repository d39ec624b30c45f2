"""Linear probes: separable and random attributes, the machine and the choice of C by hand, attributes of one class."""

import math

import numpy as np
import pytest
import torch
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from torch import Tensor

from pipeline.metrics import probe
from pipeline.metrics.probe import held_out_right, linear_probe


def drawn(seed: int, images: int) -> tuple[Tensor, Tensor]:
    """Features of very different scales, one constant, and attributes: a clear one, a noisy one, one of chance."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(images, 5, generator=generator) * torch.tensor([1, 1e-3, 1e3, 1, 0]) + 2
    blur = torch.randn(images, generator=generator)
    marks = [features[:, 1] > 2, features[:, 0] + blur > 3, torch.rand(images, generator=generator) < 0.2]
    return features, torch.stack(marks, dim=1).to(torch.uint8)


TRAIN, TEST = drawn(0, 300), drawn(1, 200)


def test_probe_is_the_machine_on_standardised_features_by_hand():
    found = linear_probe(*TRAIN, *TEST, regularisation=0.5)
    mean, deviation = TRAIN[0].double().mean(0), TRAIN[0].double().std(0, correction=0)
    train, test = (((part - mean) / deviation.where(deviation > 0, 1)).numpy() for part in (TRAIN[0], TEST[0]))
    for i in range(3):
        machine = LinearSVC(C=0.5, dual=False).fit(train, TRAIN[1][:, i].numpy())
        by_hand = (machine.predict(test) == TEST[1][:, i].numpy()).mean()
        assert found.accuracy[i].item() == pytest.approx(by_hand, abs=0.006)  # one image: solvers stop early
    assert found.accuracy[0] > 0.97 and found.majority[0] < 0.6


def test_probe_of_chance_is_no_better_than_the_majority():
    found = linear_probe(*TRAIN, *TEST)
    assert found.accuracy[2].item() == pytest.approx(found.majority[2].item(), abs=0.03)
    zeros = [row[2] == 0 for row in TEST[1].tolist()]
    assert found.majority[2].item() == pytest.approx(sum(zeros) / 200)


def test_scale_and_place_of_features_do_not_matter():
    scale, shift = torch.tensor([3.0, 0.1, 10.0, 7.0, 1.0]), torch.tensor([1.0, 0.0, -5.0, 0.0, 9.0])
    expected = linear_probe(*TRAIN, *TEST)
    found = linear_probe(TRAIN[0] * scale + shift, TRAIN[1], TEST[0] * scale + shift, TEST[1])
    assert torch.allclose(found.accuracy, expected.accuracy, atol=0.006)


def test_attributes_of_one_class_have_no_probe_but_a_majority():
    known, seen = TRAIN[1].clone(), TEST[1].clone()
    known[:, 0], known[:, 1], seen[:, 0] = 1, 0, 1
    found = linear_probe(TRAIN[0], known, TEST[0], seen)
    assert found.accuracy[:2].isnan().all()
    assert found.majority[0] == 1
    assert found.majority[1].item() == pytest.approx((seen[:, 1] == 0).float().mean().item())
    assert found.accuracy[2] == linear_probe(*TRAIN, *TEST).accuracy[2]


def test_majority_is_that_of_training():
    known = torch.tensor([[1, 0]] * 3 + [[0, 1]])
    seen = torch.tensor([[0, 0], [1, 1]] + [[0, 1]] * 3)
    found = linear_probe(torch.arange(4.0)[:, None], known, torch.arange(5.0)[:, None], seen)
    assert found.majority.tolist() == pytest.approx([0.2, 0.2])


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


# The choice of C.

CANDIDATES = (10.0, 0.0003, 0.03)


def chosen_by_hand(features: np.ndarray, marks: np.ndarray, groups: list, folds: int) -> float:
    """The smallest of those with which most images are right while held out."""
    right = dict.fromkeys(sorted(CANDIDATES), 0)
    for train, held_out in GroupKFold(folds).split(features, groups=groups):
        assert not {groups[row] for row in train} & {groups[row] for row in held_out}
        for strength in right:
            machine = LinearSVC(C=strength, random_state=0, max_iter=10_000)
            machine = make_pipeline(StandardScaler(), machine).fit(features[train], marks[train])
            right[strength] += (machine.predict(features[held_out]) == marks[held_out]).sum()
    assert len(set(right.values())) > 1
    return min(strength for strength in right if right[strength] == max(right.values()))


@pytest.mark.parametrize("people", [None, 40])
def test_strength_is_the_best_on_held_out_groups(people):
    generator = torch.Generator().manual_seed(3)
    features = torch.randn(90, 40, generator=generator)
    noise = torch.randn(90, 2, generator=generator)
    marks = (features[:, :2] + torch.tensor([0.2, 3.0]) * noise > 0).to(torch.uint8)
    groups = people and [f"person {number}" for number in torch.randint(people, (90,), generator=generator)]
    found = linear_probe(features, marks, features, marks, CANDIDATES, groups, folds=4)
    each = groups or list(range(90))
    expected = [chosen_by_hand(features.double().numpy(), marks[:, i].numpy(), each, 4) for i in range(2)]
    assert found.regularisation.tolist() == expected
    for i, strength in enumerate(expected):
        assert found.accuracy[i] == linear_probe(features, marks, features, marks, strength).accuracy[i]


def test_images_of_a_group_do_not_vouch_for_each_other():
    """Each image comes twice: beside its copy it is learnt by heart, which a strong C is best at; without it not."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(41, 60, generator=generator).repeat(2, 1)
    marks = torch.randint(2, (41, 1), generator=generator).repeat(2, 1).numpy()[:, 0]
    apart, together = (probe._folds(features.numpy(), groups, 5) for groups in (None, [row % 41 for row in range(82)]))
    assert held_out_right(apart, marks, 1.0) > 70 and held_out_right(together, marks, 1.0) < 60


def test_a_single_strength_is_not_chosen_and_has_no_folds():
    assert linear_probe(*TRAIN, *TEST, regularisation=0.5, folds=10_000).regularisation.tolist() == [0.5] * 3


def test_a_rare_attribute_may_be_held_out_as_a_whole():
    known = TRAIN[1].clone()
    known[:, 0] = 0
    known[5, 0] = 1
    found = linear_probe(TRAIN[0], known, *TEST, regularisation=(0.01, 1.0))
    assert found.regularisation[0] == 0.01 and found.accuracy.isfinite().all()


def test_fewer_groups_than_folds_are_named():
    with pytest.raises(ValueError, match="n_splits=5 greater than the number of groups: 2"):
        linear_probe(*TRAIN, *TEST, regularisation=(0.1, 1.0), groups=["a", "b"] * 150)
