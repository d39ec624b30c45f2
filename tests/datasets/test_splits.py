"""Splits by seed and name."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.datasets.splits import interleaved, random_split, train_count

NAMES = st.lists(st.text(max_size=5), min_size=2, max_size=40, unique=True)
SHARES = st.sampled_from([0.1, 0.2, 0.3, 0.5, 0.7, 0.9])


@pytest.mark.parametrize(
    ("count", "share", "expected"),
    [
        (2644, 0.3, 1850),  # aYahoo and AwA2 as published
        (37322, 0.3, 26125),
        (10, 0.9, 1),  # floor((1 - 0.9) · 10) is 0 in binary
        (30, 0.1, 27),
        (2, 0.01, 1),
        (2, 0.99, 1),
        (1, 0.3, 0),
    ],
)
def test_train_count(count, share, expected):
    assert train_count(count, share) == expected


@given(NAMES, SHARES, st.integers(0, 3))
def test_a_split_is_complete_and_of_the_right_size(names, share, seed):
    train, test = random_split(names, share, seed)
    assert sorted(train + test) == list(range(len(names)))
    whole = math.floor((1 - Fraction(str(share))) * len(names))
    assert len(train) == min(max(whole, 1), len(names) - 1)


@given(NAMES, SHARES, st.randoms())
def test_the_order_of_the_names_does_not_matter(names, share, random):
    mixed = random.sample(names, len(names))
    found = [[order[row] for row in rows] for order in (names, mixed) for rows in random_split(order, share, 0)]
    assert found[:2] == found[2:]


@given(NAMES, SHARES)
def test_one_more_name_moves_at_most_one(names, share):
    before, after = (set(random_split(some, share, 0)[0]) for some in (names[:-1] or names, names))
    assert len(before - after) <= 1


def test_seeds_differ_and_the_order_is_random():
    names = [f"{number:03d}" for number in range(100)]
    (first, _), (second, _) = (random_split(names, 0.5, seed) for seed in (0, 1))
    assert first != sorted(first) and 10 < len(set(first) & set(second)) < 40


@given(st.lists(st.sampled_from("abcdef"), min_size=2, max_size=40), SHARES)
def test_groups_stay_together(groups, share):
    train, test = random_split(groups, share, 0)
    assert sorted(train + test) == list(range(len(groups)))
    assert not {groups[row] for row in train} & {groups[row] for row in test}
    wanted = train_count(len(groups), share)
    last = groups[train[-1]]
    assert wanted <= len(train) < wanted + groups.count(last)


def test_one_of_each_class_in_turn():
    assert interleaved([["a1", "a2", "a3"], [], ["b1"], ["c1", "c2"]]) == ["a1", "b1", "c1", "a2", "c2", "a3"]
