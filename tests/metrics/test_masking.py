"""Groups of filters and confusion matrices: loops, scikit-learn, and classes without images."""

import math

import pytest
import torch
from sklearn.metrics import confusion_matrix

from pipeline.metrics.masking import confusion, most_active

DRAWN = torch.Generator().manual_seed(0)
FEATURES, LABELS = torch.rand(40, 7, generator=DRAWN), torch.randint(0, 3, (40,), generator=DRAWN)
PREDICTED = torch.randint(0, 4, (40,), generator=DRAWN)


@pytest.mark.parametrize("count", [1, 3])
def test_groups_are_the_loop_over_classes_and_filters(count):
    found = most_active(FEATURES, LABELS, 3, count)
    for c in range(3):
        of_class = [row for row, label in zip(FEATURES.tolist(), LABELS.tolist(), strict=True) if label == c]
        means = [sum(row[k] for row in of_class) / len(of_class) for k in range(7)]
        assert set(found[c].nonzero()[:, 0].tolist()) == set(sorted(range(7), key=lambda k: -means[k])[:count])


def test_of_equal_filters_the_lowest_are_taken():
    features = torch.tensor([[0.0, 2.0, 2.0, 2.0], [5.0, 0.0, 0.0, 0.0]])
    found = most_active(features, torch.tensor([0, 1]), 2, 2)
    assert found.tolist() == [[False, True, True, False], [True, True, False, False]]


def test_class_without_images_has_no_filter():
    assert most_active(FEATURES, LABELS, 5, 2).sum(1).tolist() == [2, 2, 2, 0, 0]


def test_more_filters_than_there_are_is_all():
    assert most_active(FEATURES, LABELS, 3, 100).all()


def test_feature_that_is_nan_counts_where_it_is_known():
    features = FEATURES.clone()
    features[0, 3], features[:, 5] = math.nan, math.nan
    found = most_active(features, LABELS, 3, 7)
    assert found[:, 3].all() and not found[:, 5].any()


def test_confusion_is_the_count_by_hand():
    found = confusion(LABELS, PREDICTED, 4)
    pairs = list(zip(LABELS.tolist(), PREDICTED.tolist(), strict=True))
    for y in range(3):
        for p in range(4):
            assert found[y, p].item() == pytest.approx(pairs.count((y, p)) / sum(label == y for label, _ in pairs))
    assert found[3].isnan().all()
    expected = confusion_matrix(LABELS, PREDICTED, normalize="true")
    assert torch.allclose(found[:3], torch.from_numpy(expected)[:3])


def test_perfect_and_constant_predictions():
    assert torch.equal(confusion(LABELS, LABELS, 3), torch.eye(3, dtype=torch.float64))
    assert confusion(LABELS, torch.full_like(LABELS, 1), 3).tolist() == [[0, 1, 0]] * 3


def test_without_images_nothing_is_known():
    none = torch.zeros(0, dtype=torch.long)
    assert confusion(none, none, 2).isnan().all() and confusion(none, none, 2).shape == (2, 2)
    assert not most_active(torch.zeros(0, 4), none, 2, 1).any()


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"labels \(40,\) and predicted \(39,\) must be N each"):
        confusion(LABELS, PREDICTED[1:], 4)
