"""Purity and adjusted Rand index: counting by hand, perfect and single bins, and what chance gives."""

import math
from collections import Counter
from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics.cluster import contingency_matrix

from pipeline.metrics.clustering import adjusted_rand, chance_purity, purity

THINGS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=1, max_size=12)


@given(things=THINGS)
def test_purity_is_the_count_by_hand(things):
    labels, bins = (torch.tensor(part) for part in zip(*things, strict=True))
    counts = [Counter(label for label, place in things if place == bin_) for bin_ in range(5)]
    assert purity(labels, bins).item() == sum(max(count.values(), default=0) for count in counts) / len(things)
    assert purity(labels, bins) == contingency_matrix(labels, bins).max(axis=0).sum() / len(things)


@given(things=THINGS, seed=st.integers(0, 99))
def test_many_groupings_at_once_are_each_by_itself(things, seed):
    labels = torch.tensor([label for label, _ in things])
    bins = torch.randint(4, (2, 3, len(things)), generator=torch.Generator().manual_seed(seed))
    found = purity(labels, bins)
    assert found.shape == (2, 3)
    assert found.tolist() == [[purity(labels, grouping).item() for grouping in row] for row in bins]


def test_ends_of_purity():
    batch = torch.tensor([0, 0, 0, 1, 1, 1, 2, 2, 3, 3])
    assert purity(batch, (batch + 1) % 4) == 1
    assert purity(batch, torch.zeros_like(batch)) == 0.3
    assert purity(batch, torch.arange(10)) == 1
    assert purity(batch[:0], batch[:0]).isnan()


def test_chance_is_the_mean_over_every_way_to_throw():
    labels = torch.tensor([0, 0, 1, 1])
    every = [purity(labels, torch.tensor(bins)).item() for bins in product(range(3), repeat=4)]
    found = chance_purity(labels, 3, torch.Generator().manual_seed(0))
    assert found == pytest.approx(sum(every) / len(every), abs=0.01)
    assert found == chance_purity(labels, 3, torch.Generator().manual_seed(0))
    assert found != chance_purity(labels, 3, torch.Generator().manual_seed(1))
    assert math.isnan(chance_purity(labels[:0], 3, torch.Generator()))


def pairs(labels: list[int], bins: list[int]) -> float:
    """Hubert and Arabie 1985: pairs together in both, beyond what the sizes of the groups let expect."""
    n = len(labels)
    together = [sum(math.comb(count, 2) for count in Counter(group).values()) for group in
                (list(zip(labels, bins, strict=True)), labels, bins)]  # fmt: skip
    both, one, other = together
    expected = one * other / math.comb(n, 2)
    return (both - expected) / ((one + other) / 2 - expected)


def test_adjusted_rand_counts_pairs():
    labels, bins = [0, 0, 0, 1, 1, 2, 2, 2], [1, 1, 0, 0, 0, 2, 2, 1]
    assert adjusted_rand(torch.tensor(labels), torch.tensor(bins)) == pytest.approx(pairs(labels, bins))
    assert adjusted_rand(torch.tensor(labels), torch.tensor([2, 2, 2, 0, 0, 1, 1, 1])) == 1
    assert math.isnan(adjusted_rand(torch.zeros(0), torch.zeros(0)))


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="as many as bins"):
        purity(torch.zeros(3, dtype=int), torch.zeros(4, dtype=int))
    with pytest.raises(ValueError, match="must be n each"):
        adjusted_rand(torch.zeros(3), torch.zeros(4))
