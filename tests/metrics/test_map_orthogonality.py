"""O1 and O2 of maps: the literal covariance of every image, the ends of the range, and maps that are none."""

from math import log, sqrt

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.metrics.map_orthogonality import map_orthogonality, probabilities


def drawn(images: int = 5, features: int = 4, seed: int = 0) -> Tensor:
    return torch.rand(images, features, 6, 7, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) ** 3


def literal(maps: Tensor) -> tuple[float, float]:
    """Covariance image by image and pair by pair; a map that is None has none."""
    n = maps.shape[1]
    mean = np.zeros((n, n))
    for image in maps.numpy():
        flat = [one.ravel() / one.sum() if one.sum() > 0 else np.zeros(one.size) for one in image]
        for k in range(n):
            for j in range(n):
                mean[k, j] += np.mean((flat[k] - flat[k].mean()) * (flat[j] - flat[j].mean())) / len(maps)
    root = np.diag(1 / np.sqrt(np.diag(mean)))
    correlation = root @ mean @ root
    eigenvalues = np.maximum(np.linalg.eigvalsh(correlation), 1e-6)
    return sqrt((correlation**2).sum()) - sqrt(n), -sum(log(value) for value in eigenvalues)


def test_both_are_the_literal_covariances():
    maps = drawn()
    maps[1, 2] = 0  # no map on one of five images: the feature is live
    found = map_orthogonality(maps)
    o1, o2 = literal(maps)
    assert (found.o1.item(), found.o2.item(), found.live.item()) == (pytest.approx(o1), pytest.approx(o2), 4)
    assert found.o1_normalised.item() == pytest.approx(o1 / (4 - 2))
    # Each map sums to 1 on the same grid, so all pixels of all images at once give the same correlations.
    pooled = np.corrcoef(probabilities(drawn()).transpose(0, 1).reshape(4, -1).numpy())
    assert map_orthogonality(drawn()).o1.item() == pytest.approx(sqrt((pooled**2).sum()) - 2)


@pytest.mark.parametrize("features", [2, 3, 5])
def test_equal_maps_have_the_most(features):
    found = map_orthogonality(drawn(3, 1).expand(-1, features, -1, -1))
    assert found.o1.item() == pytest.approx(features - sqrt(features))
    assert found.o1_normalised.item() == pytest.approx(1)
    assert found.o2.item() == pytest.approx(-(features - 1) * log(1e-6) - log(features), rel=1e-6)


def test_uncorrelated_maps_have_none():
    waves = [torch.tensor(signs, dtype=torch.float64) for signs in ([1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1])]
    maps = torch.stack([1 + wave.view(2, 2) for wave in waves])[None]
    found = map_orthogonality(maps)
    assert [value.item() for value in found] == [pytest.approx(0, abs=1e-12)] * 3 + [3]


def test_order_scale_and_place_do_not_matter():
    maps, expected = drawn(), map_orthogonality(drawn())
    scales = torch.rand(5, 4, 1, 1, dtype=torch.float64) + 0.1
    for changed in (maps[:, [3, 1, 0, 2]], maps * scales, maps.flip(3).transpose(2, 3), maps[[4, 2, 3, 0, 1]]):
        assert [v.item() for v in map_orthogonality(changed)] == [pytest.approx(v.item()) for v in expected]
    assert map_orthogonality(maps.float()).o2.item() == pytest.approx(expected.o2.item(), rel=1e-4)


@pytest.mark.parametrize("bad", ["nan", "inf", "negative", "zero", "flat"])
def test_maps_that_are_none_make_a_feature_dead_when_they_are_half(bad):
    values = {"nan": torch.nan, "inf": torch.inf, "negative": -1.0}
    maps = drawn(4, 3)
    maps[:2, 1] = {"zero": 0.0, "flat": 2.0}.get(bad, 1.0)
    if bad in values:
        maps[:2, 1, 0, 0] = values[bad]
    found = map_orthogonality(maps)
    assert [v.item() for v in found] == [pytest.approx(v.item()) for v in map_orthogonality(maps[:, [0, 2]])]
    assert found.live == 2
    maps[0, 1] = drawn()[0, 0, :, :]  # with three of four it is live
    assert map_orthogonality(maps).live == 3 and map_orthogonality(maps).o2.isfinite()


def test_features_can_be_declared_dead():
    maps = drawn()
    live = torch.tensor([True, False, True, True])
    chosen = map_orthogonality(maps, live)
    assert [v.item() for v in chosen] == [pytest.approx(v.item()) for v in map_orthogonality(maps[:, live])]
    maps[:, 0] = 0
    assert map_orthogonality(maps, live).live == 2


@pytest.mark.parametrize(("images", "features"), [(3, 1), (3, 0), (0, 3)])
def test_less_than_two_features_have_no_orthogonality(images, features):
    found = map_orthogonality(drawn(images, features))
    assert found.o1.isnan() and found.o1_normalised.isnan() and found.o2.isnan()
    assert found.live == (features if images else 0)


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r"expected M×n×H×W and n, not \[\(4, 6, 7\)\]"):
        map_orthogonality(drawn()[0])
    with pytest.raises(ValueError, match=r"not \[\(5, 4, 6, 7\), \(3,\)\]"):
        map_orthogonality(drawn(), torch.ones(3, dtype=torch.bool))
