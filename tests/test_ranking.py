"""Largest entries: how many a share is, and which ones they are."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ranking import counted, largest, rank


@pytest.mark.parametrize(
    ("whole", "share", "expected"),
    [(100, 0.29, 29), (1000, 0.001, 1), (10, 0.19, 1), (10, 0.01, 0), (72, 0.1, 7), (3, 1.0, 3), (150528, 0.1, 15052)],
)
def test_shares_round_down(whole, share, expected):
    assert counted(share, torch.tensor([whole, 0])).tolist() == [expected, 0]
    assert rank(share, whole) == max(1, expected), "at least one"


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_other_shares_are_refused(share):
    with pytest.raises(ValueError, match=r"share must be in 0\.\.1"):
        counted(share, torch.tensor(10))


@given(
    rows=st.lists(st.lists(st.integers(0, 3), min_size=5, max_size=5), min_size=1, max_size=4),
    counts=st.lists(st.integers(0, 5), min_size=4, max_size=4),
)
def test_mask_is_the_literal_sort_with_ties(rows, counts):
    expected = []
    for row, count in zip(rows, counts, strict=False):
        order = sorted(range(5), key=lambda place: (-row[place], place))
        expected.append([place in order[:count] for place in range(5)])
    found = largest(torch.tensor(rows).float(), torch.tensor(counts[: len(rows)]))
    assert found.tolist() == expected
