"""Mutual information of filters and classes: scikit-learn, the literal definition, known values, the floor of noise."""

from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import digamma
from sklearn.feature_selection import mutual_info_classif

from pipeline.metrics import mutual_information
from pipeline.metrics.mutual_information import mutual_information_matrix, mutual_information_score

CLASSES = 10
LABELS = np.arange(500) % CLASSES


def entropy(share: float) -> float:
    return -share * log(share) - (1 - share) * log(1 - share)


def noise(filters: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((len(LABELS), filters)).astype(np.float32)


def prepared(features: np.ndarray) -> np.ndarray:
    """As scikit-learn does it: divided by the standard deviation, then noise for all columns at once."""
    values = features.astype(np.float64)
    deviation = values.std(axis=0)
    values /= np.where(deviation > 10 * np.finfo(float).eps, deviation, 1)
    draws = np.random.RandomState(0).standard_normal(size=values.shape)
    return values + 1e-10 * np.maximum(1, np.abs(values).mean(axis=0)) * draws


def literal(values: list[float], inside: list[bool], k: int) -> float:
    """Ross 2014, equation 2, point by point; points alone with their label are left out, and k is what there is."""
    counts = {label: inside.count(label) for label in set(inside)}
    kept = [i for i, label in enumerate(inside) if counts[label] > 1]
    if len({inside[i] for i in kept}) < 2:
        return 0.0
    total = 0.0
    for i in kept:
        n = counts[inside[i]]
        fellows = sorted(abs(values[i] - values[j]) for j in kept if j != i and inside[j] == inside[i])
        nearest = min(k, n - 1)
        distance = fellows[nearest - 1]
        gaps = [abs(values[i] - values[j]) for j in kept]
        m = sum(gap < distance or gap == 0 for gap in gaps)
        total += digamma(nearest) - digamma(n) - digamma(m)
    return max(0.0, digamma(len(kept)) + total / len(kept))


def features_of(seed: int, size: int, labels: np.ndarray) -> np.ndarray:
    """Noise, a filter that knows the label, a ReLU with many exact zeros, few values, a constant, a dead filter."""
    draws = np.random.default_rng(seed).normal(size=(size, 6))
    draws[:, 1] += labels
    draws[:, 2] = np.maximum(draws[:, 2] + 0.3 * labels - 1, 0)
    draws[:, 3] = np.round(draws[:, 3])
    draws[:, 4] = 5
    draws[:, 5] = 0
    return draws.astype(np.float32)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**20), size=st.integers(30, 200), classes=st.integers(2, 6), k=st.integers(1, 5),
    skew=st.sampled_from([1, 3]),
)  # fmt: skip
def test_matrix_is_that_of_scikit_learn(seed, size, classes, k, skew):
    labels = (np.random.default_rng(seed).random(size) ** skew * classes).astype(int)
    features = features_of(seed, size, labels)
    ours = mutual_information_matrix(features, labels, classes, k)
    for c in range(classes):
        # Groups of at most 2k + 1 are left to the literal definition: scikit-learn's distances in them lose digits.
        if min((labels == c).sum(), (labels != c).sum()) > 2 * k + 1:
            expected = mutual_info_classif(features, labels == c, n_neighbors=k, random_state=0)
            assert ours[:, c] == pytest.approx(expected, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(
    labels=st.lists(st.sampled_from([0, 0, 0, 0, 1, 2, 2, 3]), min_size=2, max_size=24), seed=st.integers(0, 2**20),
    k=st.integers(1, 4),
)  # fmt: skip
def test_matrix_is_the_literal_definition_whatever_the_size_of_a_class(labels, seed, k):
    features = features_of(seed, len(labels), np.array(labels))
    ours = mutual_information_matrix(features, np.array(labels), 5, k)
    for filter_, column in enumerate(prepared(features).T.tolist()):
        expected = [literal(column, [label == c for label in labels], k) for c in range(5)]
        assert ours[filter_] == pytest.approx(expected, abs=1e-12)


def test_equal_points_and_equal_distances_count_as_in_the_definition():
    """Below the noise, which hardly ever leaves two values or distances the same."""
    values = np.random.default_rng(0).integers(0, 12, (40, 5)).astype(float)
    labels = np.random.default_rng(1).integers(0, 3, 40)
    for k in (1, 3):
        ours = mutual_information._informations(values.T, labels, np.bincount(labels), k)
        expected = [[literal(column, list(labels == c), k) for c in range(3)] for column in values.T.tolist()]
        assert ours == pytest.approx(np.array(expected), abs=1e-12)


@pytest.mark.parametrize(("block", "threads"), [(1, 1), (1200, 2), (10**6, 3)])
def test_blocks_and_threads_change_nothing(monkeypatch, block, threads):
    features = features_of(0, 500, LABELS)
    expected = mutual_information_matrix(features, LABELS, CLASSES)
    monkeypatch.setattr(mutual_information, "BLOCK", block)
    assert (mutual_information_matrix(features, LABELS, CLASSES, threads=threads) == expected).all()


def test_features_stay_as_they_are():
    features = noise(3).astype(np.float64)
    before = features.copy()
    mutual_information_matrix(features, LABELS, CLASSES)
    assert (features == before).all()


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
    assert mutual_information_matrix(np.zeros((0, 3)), np.zeros(0, int), 2).tolist() == [[0, 0]] * 3


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_filters_that_are_not_finite_are_nan_and_harm_no_other(bad):
    features = noise(4)
    expected = mutual_information_matrix(features, LABELS, CLASSES)
    features[7, 2] = bad
    found = mutual_information_matrix(features, LABELS, CLASSES)
    assert np.isnan(found[2]).all()
    assert (found[[0, 1, 3]] == expected[[0, 1, 3]]).all()
    assert mutual_information_score(found) == pytest.approx(expected[[0, 1, 3]].max(axis=1).mean())
    assert np.isnan(mutual_information_score(found[2:3]))


def test_shapes_and_labels_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"features \(500, 2\) and labels \(499,\) must be N×K and N"):
        mutual_information_matrix(noise(2), LABELS[1:], CLASSES)
    with pytest.raises(ValueError, match=r"labels must lie in 0\.\.8, found 0\.\.9"):
        mutual_information_matrix(noise(2), LABELS, 9)


def test_score_takes_the_best_class_of_each_filter():
    assert mutual_information_score(np.array([[0.1, 0.3], [0.2, 0.0], [0.0, 0.1]])) == pytest.approx(0.2)
