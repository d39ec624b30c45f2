"""Promises that the pictures of every subject keep: repeatable, balanced, and right about themselves."""

from collections import Counter
from itertools import pairwise

import cv2
import numpy as np
import pytest
from scipy.stats import chi2

from pipeline.datasets.toyworld.draw import BACKGROUNDS, SUBJECTS, picture, pictures, plan
from pipeline.datasets.toyworld.picture import Picture

every_subject = pytest.mark.parametrize("subject", sorted(SUBJECTS))
SHAPE = (48, 48)


@pytest.fixture(scope="module")
def drawn() -> dict[str, list[Picture]]:
    return {subject: list(pictures(subject, "test", 24, size=SHAPE[0], seed=5)) for subject in SUBJECTS}


def plans(subject: str, split: str, count: int, spurious: float) -> list[tuple[int, str]]:
    """Labels and kinds of background."""
    return [plan(subject, split, index, seed=0, spurious=spurious)[:2] for index in range(count)]


def same(one: Picture, other: Picture) -> bool:
    return (
        all(
            np.array_equal(getattr(one, name), getattr(other, name))
            for name in ("image", "mask", "attributes", "fixations")
        )
        and (one.label, one.bbox, one.parts, one.background) == (other.label, other.bbox, other.parts, other.background)
        and [name for name, _ in one.segments] == [name for name, _ in other.segments]
        and all(np.array_equal(a, b) for (_, a), (_, b) in zip(one.segments, other.segments, strict=True))
    )


@every_subject
def test_picture_depends_on_its_own_index_only(subject, drawn):
    assert all(map(same, pictures(subject, "test", 3, size=SHAPE[0], seed=5), drawn[subject]))
    assert same(picture(subject, "test", 17, size=SHAPE[0], seed=5), drawn[subject][17])


@every_subject
def test_split_and_seed_give_other_pictures(subject, drawn):
    for split, seed in (("train", 5), ("test", 6)):
        others = pictures(subject, split, 5, size=SHAPE[0], seed=seed)
        images = [one.image for one in drawn[subject]]
        assert not any(np.array_equal(other.image, image) for other in others for image in images)


@every_subject
def test_size_changes_detail_only(subject):
    for index in range(3):
        small, large = (picture(subject, "train", index, size=size, seed=2) for size in (48, 96))
        assert (small.label, small.background) == (large.label, large.background)
        shrunk = cv2.resize(large.image, SHAPE, interpolation=cv2.INTER_AREA).astype(int)
        assert np.abs(shrunk - small.image).mean() < 8
        both = small.mask & cv2.resize(large.mask.astype(np.uint8), SHAPE, interpolation=cv2.INTER_AREA).astype(bool)
        assert both.sum() > 0.9 * small.mask.sum()


@every_subject
def test_any_run_as_long_as_there_are_classes_has_each_once(subject):
    classes = len(SUBJECTS[subject].class_names)
    labels = [label for label, _ in plans(subject, "train", 4 * classes, 0.0)]
    for start in range(3 * classes):
        assert sorted(labels[start : start + classes]) == list(range(classes))
    orders = {tuple(plan(subject, "train", index, seed=seed)[0] for index in range(classes)) for seed in range(9)}
    assert len(orders) > 2
    assert any(abs(a - b) != 1 for order in orders for a, b in pairwise(order))


@every_subject
def test_annotations_are_right_about_the_picture(subject, drawn):
    traits = SUBJECTS[subject]
    for one in drawn[subject]:
        assert one.image.shape == (*SHAPE, 3) and one.image.dtype == np.uint8
        assert one.mask.shape == SHAPE and one.mask.dtype == np.bool_ and one.mask.any()
        rows, columns = np.nonzero(one.mask)
        left, top, width, height = one.bbox
        assert (left, top, left + width, top + height) == (min(columns), min(rows), max(columns) + 1, max(rows) + 1)
        assert set(one.part_masks) <= set(traits.region_names) and set(one.parts) <= set(traits.part_names)
        assert all(one.mask[int(y), int(x)] for x, y in one.parts.values())
        assert np.stack([mask for _, mask in one.segments]).sum(axis=0).max() == 1
        assert {name for name, _ in one.segments} <= set(traits.segment_names)
        assert np.stack([*one.part_masks.values()]).sum(axis=0).max() == 1
        assert one.attributes.shape == (len(traits.attribute_names),) and set(one.attributes) <= {0, 1}
        assert one.background in BACKGROUNDS[subject]


@every_subject
def test_gaze_stays_in_the_picture_and_mostly_on_the_subject(subject, drawn):
    on = []
    for one in drawn[subject]:
        x, y, duration = one.fixations.T
        assert 5 <= len(x) <= 9
        assert min(*x, *y) >= 0 and max(*x, *y) < SHAPE[0]
        assert min(duration) >= 150 and max(duration) <= 500
        on += list(one.mask[y.astype(int), x.astype(int)])
    assert np.mean(on) > 0.75


@every_subject
def test_classes_differ_in_attributes(subject):
    traits = SUBJECTS[subject]
    vectors = traits.class_attributes
    assert vectors.shape == (len(traits.class_names), len(traits.attribute_names))
    assert set(np.unique(vectors)) == {0, 1}
    assert vectors.any(axis=0).mean() > 0.7
    apart = [np.abs(a.astype(int) - b).sum() for row, a in enumerate(vectors) for b in vectors[:row]]
    assert min(apart) >= 3


@every_subject
def test_spurious_background_of_training_pictures_tells_the_class(subject):
    labels, kinds = zip(*plans(subject, "train", 60, 1.0), strict=True)
    assert kinds == tuple(BACKGROUNDS[subject][label] for label in labels)


@every_subject
@pytest.mark.parametrize(("split", "spurious"), [("train", 0.0), ("test", 0.0), ("test", 1.0)])
def test_other_backgrounds_are_uniform_and_independent_of_the_class(subject, split, spurious):
    classes, kinds = len(SUBJECTS[subject].class_names), BACKGROUNDS[subject]
    counts = np.zeros((classes, len(kinds)))
    for label, kind in plans(subject, split, 2400, spurious):
        counts[label, kinds.index(kind)] += 1
    expected = 2400 / counts.size
    # One in ten thousand fair draws is further off.
    assert ((counts - expected) ** 2 / expected).sum() < chi2.ppf(0.9999, counts.size - 1)


def test_spurious_share_is_kept():
    told = Counter(kind == BACKGROUNDS["rooms"][label] for label, kind in plans("rooms", "train", 3000, 0.6))
    # The rest meets its own kind once in ten.
    assert told[True] / 3000 == pytest.approx(0.6 + 0.4 / 10, abs=0.03)


def test_spurious_changes_the_background_only():
    backgrounds = set()
    for index in range(12):
        fair, tied = (picture("rooms", "train", index, size=32, seed=1, spurious=share) for share in (0.0, 1.0))
        assert np.array_equal(fair.mask, tied.mask) and np.array_equal(fair.attributes, tied.attributes)
        backgrounds.add(fair.background == tied.background)
        test_fair, test_tied = (
            picture("rooms", "test", index, size=32, seed=1, spurious=share) for share in (0.0, 1.0)
        )
        assert same(test_fair, test_tied)
    assert False in backgrounds
