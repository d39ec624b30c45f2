"""Rooms: what is listed is what is painted."""

import numpy as np
import pytest

from pipeline.datasets.toyworld.draw import pictures
from pipeline.datasets.toyworld.rooms import EXTRAS, MISSING, NAMES, RESTING, ROOMS, SUBJECT

SHELL = {"wall", "floor", "ceiling"}


@pytest.fixture(scope="module")
def drawn():
    return list(pictures("rooms", "test", 120, size=48, seed=2))


def test_categories_are_the_ten():
    assert list(ROOMS) == [
        "bathroom", "bedroom", "conference_room", "dining_room", "home_office", "hotel_room", "kitchen", "living_room",
        "office", "waiting_room",
    ]  # fmt: skip


def test_attributes_are_the_things_that_are_seen(drawn):
    for picture in drawn:
        seen = {name for name, _ in picture.segments} - SHELL
        assert seen == {name for name, value in zip(NAMES, picture.attributes, strict=True) if value}
        assert seen == set(picture.part_masks)
        for name in seen:
            union = np.logical_or.reduce([mask for thing, mask in picture.segments if thing == name])
            # Things of one name that touch may share a pixel of which none has half.
            assert not (union & ~picture.part_masks[name]).any()


def test_mask_is_the_furniture_that_makes_the_category(drawn):
    missing = 0
    for picture in drawn:
        makes = set(ROOMS[SUBJECT.class_names[picture.label]])
        seen = {name for name, _ in picture.segments} - SHELL
        lost = makes - seen
        hosts = {name for name in lost if name not in RESTING or RESTING[name][0] not in lost}
        assert len(hosts) <= 1 and seen - makes <= set(EXTRAS)
        missing += len(hosts)
        own = np.logical_or.reduce([mask for name, mask in picture.segments if name in makes])
        others = [mask for name, mask in picture.segments if name not in makes]
        assert not (own & ~picture.mask).any() and not any((mask & picture.mask).any() for mask in others)
    assert missing / len(drawn) == pytest.approx(MISSING, abs=0.12)


def test_whole_picture_is_segmented(drawn):
    for picture in drawn:
        assert {"wall", "floor"} <= {name for name, _ in picture.segments}
        # What is left are pixels of which nothing has half.
        assert np.logical_or.reduce([mask for _, mask in picture.segments]).mean() > 0.97
