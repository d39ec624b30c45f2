"""CUB's text files: whatever was written is read, in any order, with gaps and ragged lines."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.datasets.cub import OFFICIAL
from pipeline.datasets.formats.cub_lists import UNMARKED, Lists, Photo, read_image_attributes, read_lists

NUMBERS = st.lists(st.integers(1, 10**6), min_size=1, max_size=12, unique=True)
COORDINATE = st.floats(-10, 1e5, allow_nan=False)


@given(data=st.data(), numbers=NUMBERS, classes=NUMBERS, parts=NUMBERS, seed=st.integers(0, 99))
@settings(max_examples=40)
def test_lists_in_any_order_give_back_what_was_written(data, numbers, classes, parts, seed, tmp_path_factory):
    labels = {number: data.draw(st.sampled_from(sorted(classes))) for number in numbers}
    train = {number: data.draw(st.booleans()) for number in numbers}
    boxes = {number: data.draw(st.tuples(*[COORDINATE] * 4)) for number in numbers}
    places = {
        (number, part): data.draw(st.none() | st.tuples(COORDINATE, COORDINATE)) for number in numbers for part in parts
    }
    folder = tmp_path_factory.mktemp("lists")

    def shuffled(lines: list[str]) -> str:
        random.Random(seed).shuffle(lines)
        return "\n".join(lines) + "\n" * (seed % 3)

    for name, lines in {
        "images": [f"{number} a b/{number}.jpg" for number in numbers],
        "classes": [f"{number} {number:03d}.Some_{number}" for number in classes],
        "parts/parts": [f"{number} part {number}\r" for number in parts],
        "image_class_labels": [f"{number} {label}" for number, label in labels.items()],
        "train_test_split": [f"{number}   {int(value)} " for number, value in train.items()],
        "bounding_boxes": [f"{number} {' '.join(map(repr, box))}" for number, box in boxes.items()],
        "parts/part_locs": [
            f"{number} {part} {place[0]!r} {place[1]!r} 1" if place else f"{number} {part} 0.0 0.0 0"
            for (number, part), place in places.items()
        ],
    }.items():
        file = folder / f"{name}.txt"
        file.parent.mkdir(exist_ok=True)
        file.write_text(shuffled(lines))
    assert read_lists(folder, "replace it") == Lists(
        class_names=[f"Some {number}" for number in sorted(classes)],
        part_names=[f"part {number}" for number in sorted(parts)],
        photos=[
            Photo(
                number=number, file=f"a b/{number}.jpg", label=sorted(classes).index(labels[number]),
                train=train[number], bbox=boxes[number],
                parts={
                    row: places[number, part] for row, part in enumerate(sorted(parts)) if places[number, part]
                },
            )
            for number in sorted(numbers)
        ],
    )  # fmt: skip


@given(data=st.data(), numbers=NUMBERS, count=st.integers(1, 5), absent=st.booleans())
@settings(max_examples=40)
def test_ragged_attribute_lines_equal_the_literal_reading(data, numbers, count, absent, tmp_path_factory):
    pairs = [(number, attribute) for number in sorted(numbers) for attribute in range(1, count + 1)]
    lines = []
    for number, attribute in data.draw(st.permutations(pairs))[: data.draw(st.integers(1, len(pairs)))]:
        present, certainty = data.draw(st.integers(0, 1)), data.draw(st.integers(1, 4))
        rest = data.draw(st.sampled_from(["", " 1.509", " 0  1.509", " 0 0 0 3", " 0 0 0 0 0 0 7.5 "]))
        gap = data.draw(st.sampled_from([" ", "  ", "\t"]))
        lines.append(f"{number} {attribute}{gap}{present} {certainty}{rest}")
    file = tmp_path_factory.mktemp("ragged") / "image_attribute_labels.txt"
    file.write_text(data.draw(st.sampled_from(["\n", "\r\n", "\n\n"])).join(lines), newline="")
    expected = np.full((len(numbers), count), UNMARKED)
    for line in lines:
        number, attribute, present, certainty = map(int, line.split()[:4])
        expected[sorted(numbers).index(number), attribute - 1] = 0 if absent and certainty == 1 else present
    found = read_image_attributes(file, sorted(numbers), count, "replace it", absent=absent)
    assert found.dtype == np.uint8 and (found == expected).all()


@pytest.mark.real_data
def test_the_official_lists(unpacked):
    folder = unpacked("cub200_annotations_full.tar.gz") / "CUB_200_2011"
    lists = read_lists(folder, "replace it")
    train = sum(photo.train for photo in lists.photos)
    assert {"train": train, "test": len(lists.photos) - train} == OFFICIAL
    assert len(lists.class_names) == 200 and len(lists.part_names) == 15
    assert lists.class_names[0] == "Black footed Albatross" and lists.part_names[6] == "left eye"
    lines = (folder / "parts/part_locs.txt").read_text().splitlines()
    assert len(lines) == 176_820
    assert sum(len(photo.parts) for photo in lists.photos) == sum(line.endswith(" 1") for line in lines)
    first = lists.photos[0]
    assert (first.number, first.label, first.train, first.bbox) == (1, 0, False, (60, 27, 325, 304))
    assert 0 not in first.parts and first.parts[1] == (312, 182)
