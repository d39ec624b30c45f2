"""Annotated subsets: nested, stratified, of the published sizes, and drawn anew by every seed."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pipeline.annotators.subsets import annotated, split

SHARES = (0.01, 0.05, 0.1, 0.2, 0.5, 1.0)


def labels(*counts: int) -> Tensor:
    """So many images of each class, mixed."""
    found = torch.cat([torch.full((count,), label) for label, count in enumerate(counts)])
    return found[torch.randperm(len(found), generator=torch.Generator().manual_seed(3))]


@given(counts=st.lists(st.integers(1, 80), min_size=1, max_size=8), seed=st.integers(0, 5))
def test_a_larger_share_has_what_a_smaller_one_has(counts, seed):
    of = labels(*counts)
    before: set[int] = set()
    for share in SHARES:
        rows = annotated(of, share, seed).tolist()
        assert rows == sorted(set(rows)) and before <= set(rows)
        assert len(rows) == min(len(of), max(10, round(share * len(of))))
        before = set(rows)
    assert len(before) == len(of)


@pytest.mark.parametrize("share", SHARES[1:])
def test_classes_have_their_part(share):
    of = labels(300, 200, 100, 400)
    found = of[annotated(of, share, 0)].bincount(minlength=4).tolist()
    assert found == pytest.approx([300 * share, 200 * share, 100 * share, 400 * share], abs=1)


def test_every_class_is_there_where_ten_images_are_annotated():
    of = labels(*[100] * 10)
    assert of[annotated(of, 0.01, 0)].bincount().tolist() == [1] * 10


def test_seeds_draw_other_images():
    of = labels(100, 100)
    assert set(annotated(of, 0.1, 0).tolist()) != set(annotated(of, 0.1, 1).tolist())
    assert torch.equal(annotated(of, 0.1, 0), annotated(of, 0.1, 0))


def test_images_are_held_out_only_where_there_are_enough():
    rows = torch.arange(100, 160)
    kept, held_out = split(rows, 0.1, 50, seed=0)
    assert len(held_out) == 6 and sorted([*kept.tolist(), *held_out.tolist()]) == rows.tolist()
    for share, least in ((0.1, 61), (0.0, 50)):
        kept, held_out = split(rows, share, least, seed=0)
        assert torch.equal(kept, rows) and len(held_out) == 0
