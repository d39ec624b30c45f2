"""The lists of aPascal and aYahoo: a line an object."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.datasets.formats.attribute_data import AttributedObject, listed, read_names, read_objects
from pipeline.datasets.samples import BadSample
from pipeline.errors import UserError

CLASSES = ["person", "diningtable", "donkey"]
WORDS = st.text(st.characters(categories=("L", "N"), include_characters="._-"), min_size=1, max_size=8)
EDGES = st.one_of(st.integers(-5, 2000), st.floats(-5, 2000).map(lambda edge: round(edge, 3))).map(float)
BITS = st.lists(st.integers(0, 1), min_size=3, max_size=3)
LINES = st.lists(st.tuples(WORDS, st.sampled_from(CLASSES), st.tuples(EDGES, EDGES, EDGES, EDGES), BITS), min_size=1)


def read(text: str, attributes: int = 3) -> list[AttributedObject]:
    with TemporaryDirectory() as folder:
        file = Path(folder, "attribute_data", "list.txt")
        file.parent.mkdir()
        file.write_text(text)
        return read_objects(file, CLASSES, attributes)


@given(LINES)
def test_what_is_written_is_read(lines):
    objects = [AttributedObject(image, 1, name, box, np.uint8(bits)) for image, name, box, bits in lines]
    found = read("".join(item.line() + "\n" for item in objects))
    assert [(item.image, item.class_name, item.box, item.attributes.tolist()) for item in found] == lines
    images = [image for image, *_ in lines]
    assert [item.number for item in found] == [images[: row + 1].count(image) for row, image in enumerate(images)]


def test_a_line_by_hand():
    (item,) = read("2008_000008.jpg person 53 87 471 420 0 1 0\n")
    assert item.line() == "2008_000008.jpg person 53 87 471 420 0 1 0" and item.sample_id == "2008_000008.jpg#1"
    assert item.area == 419 * 334
    assert item.bounds((442, 500, 3), Path("a")) == (52, 86, 471, 420)
    assert item.attributes.dtype == np.uint8


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ("1 1 10 8", (0, 0, 10, 8)),  # the whole of an image 10 wide and 8 high
        ("0 0 99 99", (0, 0, 10, 8)),
        ("-3 2 4 3", (0, 1, 4, 3)),
        ("5 5 5 5", (4, 4, 5, 5)),  # one pixel
        ("2.2 2.8 9.4 7.9", (1, 2, 9, 8)),
    ],
)
def test_boxes_count_from_one_include_the_last_pixel_and_are_clipped(box, expected):
    (item,) = read(f"a.jpg person {box} 0 0 0")
    assert item.bounds((8, 10), Path("a.jpg")) == expected


@pytest.mark.parametrize("box", ["11 1 12 8", "1 9 10 9", "5 5 4 5", "-4 1 0 8"])
def test_a_box_without_pixels_is_a_bad_sample(box):
    (item,) = read(f"a.jpg person {box} 0 0 0")
    with pytest.raises(BadSample, match=f"in/a.jpg: box {box} of object 1 holds no pixel of 10×8"):
        item.bounds((8, 10), Path("in/a.jpg"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a.jpg person 1 2 3 4 0 1", "list.txt:1: 8 fields, expected 9"),
        ("a.jpg person 1 2 3 4 0 1 0 1", r"object 1 \(a.jpg\): attribute value '0 1', expected 0 or 1"),
        ("a.jpg person 1 2 3 4 0 1 2", "attribute value '2', expected 0 or 1"),
        ("a.jpg person 1 2 3 x 0 1 0", "box '1 2 3 x' is not four numbers"),
        ("a.jpg person 1 2 3 inf 0 1 0", "box '1 2 3 inf' is not four finite numbers"),
        ("a.jpg person 1 2 3 4 0 1 0\nb.jpg horse 1 2 3 4 0 1 0", r"object 2 \(b.jpg\): class 'horse' is not in"),
        ("\n", "list.txt: lists no objects"),
    ],
)
def test_malformed_lines_are_named_with_a_remedy(text, reason):
    with pytest.raises(
        UserError, match=f"{reason}.*; replace it by the official one in attribute_data.tar.gz"
    ) as caught:
        read(text)
    assert "list.txt" in str(caught.value) and "\n" not in str(caught.value)


def test_names(tmp_path):
    file = tmp_path / "attribute_names.txt"
    file.write_text("2D Boxy\nFurn. Leg\n\n")
    assert read_names(file) == ["2D Boxy", "Furn. Leg"]
    file.write_text("Tail\nTail\n")
    with pytest.raises(UserError, match=r"attribute_names\.txt: 'Tail' is listed twice"):
        read_names(file)
    file.write_text("")
    with pytest.raises(UserError, match=r"attribute_names\.txt: lists no names"):
        read_names(file)
    file.unlink()
    with pytest.raises(UserError, match=r"attribute_names\.txt: no such file"):
        read_names(file)


def test_classes_that_are_listed():
    objects = read("a.jpg donkey 1 1 2 2 0 0 0\nb.jpg person 1 1 2 2 0 0 0")
    assert listed(CLASSES, objects) == ["person", "donkey"]
