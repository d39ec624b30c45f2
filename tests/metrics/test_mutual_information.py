"""Mutual information of filters and classes: known values, the floor of noise, and the literal double loop."""

from math import log

import numpy as np
import pytest
from sklearn.feature_selection import mutual_info_classif

from pipeline.metrics.mutual_information import mutual_information_matrix, mutual_information_score

CLASSES = 10
LABELS = np.arange(500) % CLASSES


def entropy(share: float) -> float:
    return -share * log(share) - (1 - share) * log(1 - share)


def noise(filters: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((len(LABELS), filters)).astype(np.float32)


def test_matrix_is_the_literal_double_loop():
    features = noise(4)
    features[:, 0] += LABELS == 2
    features[:, 1] += LABELS
    features[:, 3] = 0.5
    ours = mutual_information_matrix(features, LABELS, CLASSES, neighbours=4)
    assert ours.shape == (4, CLASSES)
    for c in range(CLASSES):
        # scikit-learn adds its tiny noise to all columns at once, so one call takes all filters of a class.
        expected = mutual_info_classif(features, [int(y == c) for y in LABELS], n_neighbors=4, random_state=0)
        for k in range(4):
            assert ours[k, c] == expected[k]
    best = [max(ours[k, c] for c in range(CLASSES)) for k in range(4)]
    assert mutual_information_score(ours) == pytest.approx(sum(best) / 4)


def test_neighbours_matter():
    features = noise(2) + LABELS[:, None]
    few, many = (mutual_information_matrix(features, LABELS, CLASSES, neighbours) for neighbours in (1, 9))
    assert not np.allclose(few, many)


@pytest.mark.parametrize("spread", [0.0, 1e-3])
def test_perfect_filters_know_the_entropy_of_their_class(spread):
    features = np.eye(CLASSES)[LABELS] + spread * noise(CLASSES)
    matrix = mutual_information_matrix(features, LABELS, CLASSES)
    assert np.diag(matrix) == pytest.approx([entropy(0.1)] * CLASSES, abs=0.02)
    assert mutual_information_score(matrix) == pytest.approx(0.325, abs=0.02)
    assert (matrix.argmax(axis=1) == np.arange(CLASSES)).all()


def test_shuffled_labels_leave_only_the_floor():
    shuffled = np.random.default_rng(1).permutation(LABELS)
    matrix = mutual_information_matrix(noise(6), shuffled, CLASSES)
    assert matrix.min() >= 0
    assert 0 < mutual_information_score(matrix) < 0.03


def test_absent_and_only_classes_have_no_information():
    features = noise(3)
    matrix = mutual_information_matrix(features, np.where(LABELS == 4, 5, LABELS), CLASSES)
    assert (matrix[:, 4] == 0).all() and (matrix[:, 5] >= 0).all()
    assert (mutual_information_matrix(features, np.zeros(500, int), CLASSES) == 0).all()


def test_score_takes_the_best_class_of_each_filter():
    assert mutual_information_score(np.array([[0.1, 0.3], [0.2, 0.0], [0.0, 0.1]])) == pytest.approx(0.2)
