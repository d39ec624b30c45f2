"""CUB-200-2011: its miniature against what was drawn, subsets made by hand, gaze, and every list that is malformed."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from reading import read_all

from pipeline.datasets.cub import prepare
from pipeline.datasets.formats.gaze import heat_map
from pipeline.datasets.samples import BadSample, Sample
from pipeline.datasets.toyworld.draw import SUBJECTS, pictures
from pipeline.datasets.toyworld.picture import Picture
from pipeline.datasets.toyworld.trees import cub as tree
from pipeline.errors import UserError
from pipeline.settings.datasets import Cub

SIZE = 64
CREATURES = SUBJECTS["creatures"]


def chosen(**values) -> Cub:
    return Cub(kind="cub", **({"size": SIZE} | values))


@pytest.fixture(scope="module")
def drawn() -> dict[str, list[Picture]]:
    return {
        split: list(pictures("creatures", split, count, size=SIZE, seed=3))
        for split, count in (("train", 24), ("test", 12))
    }


@pytest.fixture(scope="module")
def miniature(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cub")
    tree.write(folder, chosen(miniature={"train": 24, "test": 12, "size": SIZE, "seed": 3}))
    return folder


@pytest.fixture
def copy(tmp_path) -> Path:
    """Three photographs, 40×30, with numbers that have gaps; two birds and an attribute more than classes need."""
    (tmp_path / "CUB_200_2011/images/x").mkdir(parents=True)
    for number in (7, 19, 448):
        pixels = np.full((30, 40, 3), number % 256, np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"CUB_200_2011/images/x/{number}.jpg")
    for name, text in {
        "images": "19 x/19.jpg\n7 x/7.jpg\n448 x/448.jpg\n",
        "classes": "10 010.Red_Kite\n9 009.Wren\n4 004.Absent_Bird\n",
        "image_class_labels": "7 10\n19 9\n448 10\n",
        "train_test_split": "7 1\n448 1\n19 0\n",
        "bounding_boxes": "7 5.0 3.0 30.0 20.0\n19 0 0 4 30\n448 8 5 33 26\n",
        "parts/parts": "1 back\r\n2 left eye\r\n",
        "parts/part_locs": (
            "7 1 20.0 15.0 1\n7 2 0.0 0.0 0\n19 1 2.0 9.0 1\n19 2 34.9 29.5 1\n448 1 0 0 0\n448 2 0 0 0\n"
        ),
        "attributes": "1 a::x\n2 a::y\n",
        "attributes/image_attribute_labels": (
            "7 1 1 4 1.2\n7 2 1 1 0.3\n19 2 1 2 0  1.509\n19 1 0 1 3\n448 1 0 3 1\n448 2 1 4 0 0 2\n"
        ),
        "attributes/class_attribute_labels_continuous": "0.0 100.0\n50.0 49.9\n80 12.5\n",
    }.items():
        put(tmp_path, name, text)
    return tmp_path


def put(folder: Path, name: str, text: str) -> Path:
    file = folder / "CUB_200_2011" / f"{name}.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def by_id(folder: Path, **values) -> dict[str, Sample]:
    train, test = read_all(prepare(folder, chosen(**values)))
    return {sample.sample_id: sample for sample in train + test}


# The tree in miniature


def test_the_miniature_gives_what_was_drawn(miniature, drawn):
    prepared = prepare(miniature, chosen(gaze=True))
    train, test = read_all(prepared)
    assert [name.lower() for name in prepared.class_names] == list(CREATURES.class_names)
    assert prepared.names == {"parts": list(CREATURES.part_names), "attributes": list(CREATURES.attribute_names)}
    assert prepared.columns == ("bbox", "parts", "attributes", "gaze") and not prepared.notices
    numbers = {"train": range(1, 25), "test": range(25, 37)}
    for split, samples in (("train", train), ("test", test)):
        assert {int(sample.sample_id) for sample in samples} == set(numbers[split])
        for sample in samples:
            picture = drawn[split][int(sample.sample_id) - numbers[split][0]]
            assert sample.label == picture.label
            # Apart from JPEG's loss.
            assert np.abs(sample.image.astype(int) - picture.image).mean() < 6
            assert sample.bbox == pytest.approx(picture.bbox, abs=0.1)
            parts = {CREATURES.part_names[part]: place for part, place in sample.parts.items()}
            assert parts.keys() == picture.parts.keys()
            for name, place in parts.items():
                assert place == pytest.approx(picture.parts[name], abs=0.1)
            assert sample.attributes.tolist() == picture.attributes.tolist()
            assert (sample.gaze == heat_map(np.floor(picture.fixations), SIZE, SIZE)).all()


def test_the_first_few_are_of_all_classes(miniature):
    prepared = prepare(miniature, chosen())
    for reads in (prepared.train, prepared.test):
        assert {read().label for read in islice(reads, 12)} == set(range(12))


def test_attributes_that_were_not_visible_can_be_absent(miniature, drawn):
    marked, absent = by_id(miniature), by_id(miniature, invisible="absent")
    unseen = {sample_id: np.zeros_like(sample.attributes) for sample_id, sample in marked.items()}
    for line in (miniature / "CUB_200_2011/attributes/image_attribute_labels.txt").read_text().splitlines():
        number, attribute, _, certainty, _ = line.split()
        unseen[number][int(attribute) - 1] = certainty == "1"
    for row, picture in enumerate(drawn["train"] + drawn["test"], start=1):
        found, hidden = absent[str(row)].attributes, unseen[str(row)]
        assert found.tolist() == (picture.attributes & ~hidden & 1).tolist()
    assert sum((marked[name].attributes & hidden).sum() for name, hidden in unseen.items()) > 0


def test_attributes_of_the_class(miniature):
    for sample in by_id(miniature, attributes="class").values():
        assert sample.attributes.tolist() == CREATURES.class_attributes[sample.label].tolist()


def test_neither_attributes_nor_gaze(miniature):
    prepared = prepare(miniature, chosen(attributes="none"))
    assert prepared.columns == ("bbox", "parts") and prepared.names.keys() == {"parts"}
    assert next(iter(prepared.train))().attributes is None


def test_every_official_list_is_there_and_each_fixation_in_one_run(miniature, drawn):
    files = {file.relative_to(miniature).as_posix() for file in miniature.rglob("*.txt")}
    assert files == {
        "attributes.txt",
        *(f"CUB_GHA/data_5runs/Fixation_run{run}.txt" for run in range(1, 6)),
        *(
            f"CUB_200_2011/{name}.txt"
            for name in (
                "images", "classes", "image_class_labels", "train_test_split", "bounding_boxes", "parts/parts",
                "parts/part_locs", "parts/part_click_locs", "attributes/certainties",
                "attributes/image_attribute_labels", "attributes/class_attribute_labels_continuous",
            )
        ),
    }  # fmt: skip
    looks = [
        tuple(map(int, line.split(",")[start : start + 3]))
        for file in sorted(miniature.glob("CUB_GHA/data_5runs/*"))
        for line in file.read_text().splitlines()
        for start in range(3, len(line.split(",")), 3)
        if line.startswith("1,")
    ]
    assert sorted(looks) == sorted(map(tuple, drawn["train"][0].fixations.astype(int).tolist()))


# A copy by hand


def test_a_subset_by_hand(copy):
    prepared = prepare(copy, chosen(size=30, fit="crop"))
    train, test = read_all(prepared)
    assert prepared.class_names == ["Wren", "Red Kite"]
    assert prepared.notices == ["2 of 3 classes occur in the files; labels count those only"]
    assert prepared.names == {"parts": ["back", "left eye"], "attributes": ["a::x", "a::y"]}
    assert [(s.sample_id, s.label, s.source) for s in train + test] == [
        ("7", 1, "CUB_200_2011/images/x/7.jpg"),
        ("448", 1, "CUB_200_2011/images/x/448.jpg"),
        ("19", 0, "CUB_200_2011/images/x/19.jpg"),
    ]
    kite, _, wren = train + test
    # The square in the middle begins five pixels from the left.
    assert kite.bbox == (0, 3, 30, 20) and kite.parts == {0: (15, 15)}
    # Nothing of the wren is in it but its left eye.
    assert wren.bbox is None and wren.parts == {1: pytest.approx((29.9, 29.5))}
    assert [s.attributes.tolist() for s in (kite, wren)] == [[1, 1], [0, 1]]


def test_boxes_that_stick_out_are_cut(copy):
    # 8 + 33 is one pixel beyond the photograph, 5 + 26 too.
    assert by_id(copy, size=80, fit="stretch")["448"].bbox == pytest.approx((16, 5 * 80 / 30, 64, 25 * 80 / 30))


def test_class_attributes_follow_the_majority_and_the_order_of_numbers(copy):
    found = by_id(copy, attributes="class")
    assert found["19"].attributes.tolist() == [1, 0]  # 009.Wren is in the second row
    assert found["7"].attributes.tolist() == [1, 0]  # 010.Red_Kite in the third


@pytest.mark.parametrize("place", ["attributes.txt", "CUB_200_2011/attributes/attributes.txt"])
def test_attribute_names_lie_where_copies_have_them(copy, place):
    (copy / "CUB_200_2011/attributes.txt").rename(copy / place)
    assert prepare(copy, chosen()).names["attributes"] == ["a::x", "a::y"]


def test_the_grey_photographs_can_be_left_out(copy):
    prepared = prepare(copy, chosen(grey=False))
    assert [read().sample_id for read in prepared.train] == ["7"]
    assert "1 grey photographs were left out" in prepared.notices


def test_a_photograph_that_lacks_an_attribute_is_left_to_on_error(copy):
    put(copy, "attributes/image_attribute_labels", "7 1 1 4 1\n19 2 0 4 1\n19 1 0 4 1\n448 1 0 3 1\n448 2 1 4 0\n")
    good, bad = [], []
    for read in prepare(copy, chosen()).train:
        try:
            good.append(read().sample_id)
        except BadSample as error:
            bad.append(str(error))
    assert good == ["448"] and len(bad) == 1
    assert "x/7.jpg" in bad[0] and "lacks 1 of its attributes" in bad[0]


def test_a_truncated_photograph(copy):
    file = copy / "CUB_200_2011/images/x/7.jpg"
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(BadSample, match=r"x/7\.jpg: not a whole image"):
        next(iter(prepare(copy, chosen()).train))()


# Gaze


@pytest.mark.parametrize("place", ["CUB_GHA", "CUB_200_2011/CUB_GHA"])
def test_finished_heat_maps_come_before_fixations(copy, place):
    maps = copy / place
    maps.mkdir(exist_ok=True)
    for number in (7, 19, 448):
        Image.fromarray(np.full((30, 40), number % 250, np.uint8)).save(maps / f"{number}.jpg", quality=95)
    found = by_id(copy, gaze=True, size=30)
    assert [np.unique(found[name].gaze).tolist() for name in ("7", "19", "448")] == [[7], [19], [198]]


@pytest.mark.parametrize("place", ["CUB_GHA", "CUB_200_2011/CUB_GHA"])
def test_fixations_are_of_the_original_photograph(copy, place):
    (copy / place / "data_5runs").mkdir(parents=True)
    for run in range(1, 6):
        # The original was three times as large; image 1 is not in this copy.
        lines = (
            f"7,120,90,{30 * run - 30},45,{100 * run}\r\n19,120,90,60,30,200\r\n448,120,90,0,0,1\r\n1,500,375,3,4,9\r\n"
        )
        (copy / place / f"data_5runs/Fixation_run{run}.txt").write_text(lines)
    found = by_id(copy, gaze=True, fit="pad", size=40)
    looks = np.array([[10.0 * run, 15, 100 * run + 100] for run in range(5)])
    # Padding puts five rows of zeros above and below.
    assert (found["7"].gaze[5:35] == heat_map(looks, 30, 40)).all() and not found["7"].gaze[:5].any()
    assert np.unravel_index(found["19"].gaze.argmax(), (40, 40)) == (15, 20)


def test_gaze_that_is_missing_or_wrong(copy):
    maps = copy / "CUB_GHA"
    maps.mkdir()
    Image.fromarray(np.zeros((30, 40), np.uint8)).save(maps / "19.jpg")
    Image.fromarray(np.zeros((30, 39), np.uint8)).save(maps / "448.jpg")
    Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(maps / "7.jpg")
    kite, other = prepare(copy, chosen(gaze=True)).train
    with pytest.raises(BadSample, match=r"7\.jpg: is no grey image"):
        kite()
    with pytest.raises(BadSample, match=r"448\.jpg: is 39×30 pixels, its photograph is 40×30 pixels"):
        other()
    (maps / "7.jpg").unlink()
    with pytest.raises(BadSample, match=r"CUB_GHA/7\.jpg: no such file"):
        kite()


def test_a_photograph_without_fixations(copy):
    (copy / "CUB_GHA/data_5runs").mkdir(parents=True)
    for run in range(1, 6):
        (copy / f"CUB_GHA/data_5runs/Fixation_run{run}.txt").write_text("19,120,90,60,30,200\n")
    with pytest.raises(BadSample, match="data_5runs: no file there has a line for image 7"):
        next(iter(prepare(copy, chosen(gaze=True)).train))()


# Lists


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("images", "7 x/7.jpg\n7 x/8.jpg\n", r"images\.txt: '7' is listed twice"),
        ("images", "7 x/7.jpg\n007 x/8.jpg\n", r"images\.txt: '007 x/8\.jpg' does not begin with a number of its own"),
        ("images", "7 x/7.jpg\nseven x/7.jpg\n", r"images\.txt: 'seven x/7\.jpg' does not begin with a number"),
        ("images", "7 ../../7.jpg\n", r"images\.txt: image 7 is '\.\./\.\./7\.jpg', which lies outside images/"),
        ("images", "7\n", r"images\.txt:1: 1 fields, expected 2"),
        ("images", "7 x/7.jpg\n19 x/19.jpg\n", r"image_class_labels\.txt: image 448 is not in images\.txt"),
        ("image_class_labels", "7 10\n448 10\n", r"image_class_labels\.txt: has no line for image 19 of images\.txt"),
        ("image_class_labels", "7 10\n19 9\n19 9\n", r"image_class_labels\.txt: image 19 is listed twice"),
        ("image_class_labels", "7 10\n19 11\n448 9\n", r"image_class_labels\.txt: image 19 has 11, which is none of 3"),
        ("train_test_split", "7 1\n19 2\n448 0\n", r"train_test_split\.txt: image 19 has 2, which is none of 2"),
        ("bounding_boxes", "7 1 2 3\n", r"bounding_boxes\.txt:1: 4 fields, expected 5"),
        ("bounding_boxes", "7 1 2 3 x\n", r"bounding_boxes\.txt: '7 1 2 3 x' is not 5 numbers"),
        ("bounding_boxes", "7 1 nan 3 4\n", r"bounding_boxes\.txt: '7 1 nan 3 4' is not 5 numbers"),
        ("bounding_boxes", "7.5 1 2 3 4\n", r"bounding_boxes\.txt: image 7\.5 is not in images\.txt"),
        ("parts/part_locs", "7 3 1 2 1\n", r"part_locs\.txt: image 7: '3 1 2 1' is not a part of parts\.txt"),
        ("parts/part_locs", "7 1 1 2 5\n", r"part_locs\.txt: image 7: '1 1 2 5' is not a part"),
        ("parts/part_locs", "7 1 1 2 1\n7 1 3 4 1\n", r"part_locs\.txt: image 7: '1 3 4 1' .* comes twice"),
        ("parts/part_locs", "7 1 1 2 1\n448 1 3 4 1\n", r"part_locs\.txt: has no line for image 19"),
        ("attributes", "1 a::x\n2\n", r"attributes\.txt:2: 1 fields, expected 2"),
        ("attributes/image_attribute_labels", "8 1 1 4 0\n", r"labels\.txt: image 8 is not in images\.txt"),
        ("attributes/image_attribute_labels", "7 3 1 4 0\n", r"labels\.txt: '7 3 1 4' has an attribute beyond 1\.\.2"),
        ("attributes/image_attribute_labels", "7 0 1 4 0\n", r"labels\.txt: '7 0 1 4' has an attribute beyond 1\.\.2"),
        ("attributes/image_attribute_labels", "7 1 2 4 0\n", r"labels\.txt: '7 1 2 4' .* neither 0 nor 1"),
        ("attributes/image_attribute_labels", "7 1 1 4 0\n7 1 1 4 0\n", r"labels\.txt: has two lines for the same"),
        ("attributes/image_attribute_labels", "7 1 1 4 0\n7 2 1\n", r"labels\.txt:2: does not begin with four whole"),
        ("attributes/image_attribute_labels", "\n7 1 1 4\n7 b 1 4\n", r"labels\.txt:3: does not begin with four whole"),
        ("attributes/image_attribute_labels", "7 1 1 99999999999\n", r"labels\.txt: is no list of attributes"),
        ("attributes/image_attribute_labels", "", r"labels\.txt: is empty"),
    ],
)  # fmt: skip
def test_malformed_lists(copy, name, text, message):
    put(copy, name, text)
    with pytest.raises(UserError, match=message + ".*; delete .*CUB_200_2011 to have the official"):
        prepare(copy, chosen())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2\n3 4\n", "continuous.txt: 2 rows, expected one for each of 3 classes"),
        ("1 2\n3\n5 6\n", "continuous.txt:2: 1 fields, expected 2"),
        ("1 2\n3 y\n5 6\n", "continuous.txt: '3 y' is not 2 numbers"),
    ],
)
def test_malformed_class_attributes(copy, text, message):
    put(copy, "attributes/class_attribute_labels_continuous", text)
    with pytest.raises(UserError, match=message):
        prepare(copy, chosen(attributes="class"))


@pytest.mark.parametrize(
    "name",
    ["images", "classes", "image_class_labels", "train_test_split", "bounding_boxes", "parts/parts", "parts/part_locs",
     "attributes", "attributes/image_attribute_labels"],
)  # fmt: skip
def test_a_list_that_is_missing(copy, name):
    file = copy / f"CUB_200_2011/{name}.txt"
    file.unlink()
    with pytest.raises(UserError, match=f"{file.name}: no such file"):
        prepare(copy, chosen())
