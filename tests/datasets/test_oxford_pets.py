"""Oxford-IIIT Pet: its miniature, the real subset, and lists, trimaps and boxes that are wrong."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from reading import read_all

from pipeline.datasets.oxford_pets import Pet, prepare, read_pets
from pipeline.datasets.samples import BadSample, Sample
from pipeline.datasets.toyworld.draw import SUBJECTS, pictures
from pipeline.datasets.toyworld.trees import oxford_pets as tree
from pipeline.errors import UserError
from pipeline.settings.datasets import OxfordPets

SIZE = 64
NAMES = SUBJECTS["creatures"].class_names


def chosen(**values) -> OxfordPets:
    return OxfordPets(kind="oxford_pets", **({"size": SIZE} | values))


@pytest.fixture(scope="module")
def miniature(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pets")
    tree.write(folder, chosen(miniature={"train": 24, "test": 12, "size": SIZE, "seed": 5}))
    return folder


@pytest.fixture
def copy(tmp_path) -> Path:
    """Three photographs, 40×30, the last one the only test image; a head on the first and two on the second."""
    base = tmp_path / "oxford-iiit-pet"
    for place in ("images", "annotations/trimaps", "annotations/xmls"):
        (base / place).mkdir(parents=True)
    trimap = np.full((30, 40), 2, np.uint8)
    trimap[5:20, 10:30], trimap[8:17, 13:27] = 3, 1
    for number, name in enumerate(("Sphynx_2", "pug_10", "Sphynx_1")):
        Image.fromarray(np.full((30, 40), 50 * number, np.uint8)).save(base / f"images/{name}.jpg")
        Image.fromarray(trimap).save(base / f"annotations/trimaps/{name}.png")
    (base / "images/._pug_10.jpg").write_bytes(b"left by a file manager")
    (base / "annotations/trainval.txt").write_text("pug_10 26 2 19\nSphynx_2 34 1 12\n")
    (base / "annotations/test.txt").write_text("Sphynx_1 34 1 12\n")
    (base / "annotations/xmls/Sphynx_2.xml").write_text(xml((11, 6, 30, 20)))
    (base / "annotations/xmls/pug_10.xml").write_text(xml((1, 1, 4, 4), (21, 11, 40, 30)))
    return tmp_path


def xml(*boxes: tuple[int, int, int, int]) -> str:
    objects = "".join(
        f"<object><name>cat</name><bndbox><xmin>{left}</xmin><ymin>{top}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax>"
        "</bndbox></object>"
        for left, top, right, bottom in boxes
    )
    return f"<annotation>{objects}</annotation>"


def by_id(folder: Path, **values) -> dict[str, Sample]:
    train, test = read_all(prepare(folder, chosen(**values)))
    return {sample.sample_id: sample for sample in train + test}


# The tree in miniature


def test_the_miniature_gives_what_was_drawn(miniature):
    prepared = prepare(miniature, chosen())
    train, test = read_all(prepared)
    assert prepared.columns == ("mask", "bbox")
    # In alphabetical order, cats with a capital: those with ears or a mask.
    assert prepared.class_names == sorted(
        (name.capitalize() if name.startswith(("eared", "masked")) else name for name in NAMES), key=str.lower
    )
    seen = dict.fromkeys(NAMES, 0)
    for split, samples in (("train", train), ("test", test)):
        found = {sample.sample_id.lower(): sample for sample in samples}
        for picture in pictures("creatures", split, len(samples), size=SIZE, seed=5):
            name = NAMES[picture.label]
            seen[name] += 1
            sample = found.pop(f"{name.replace(' ', '_')}_{seen[name]}")
            assert prepared.class_names[sample.label].lower() == name
            assert np.abs(sample.image.astype(int) - picture.image).mean() < 6
            assert sample.mask.dtype == bool and (sample.mask == picture.mask).all()
            assert sample.bbox == (head_box(picture.part_masks) if split == "train" else None)
        assert not found


def head_box(masks: dict[str, np.ndarray]) -> tuple[float, ...]:
    rows, columns = np.nonzero(
        sum(masks[name].astype(int) for name in ("head", "beak", "eye", "crest") if name in masks)
    )
    return columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1


def test_trimaps_of_the_miniature_have_a_ring(miniature):
    for file in (miniature / "oxford-iiit-pet/annotations/trimaps").iterdir():
        trimap = np.array(Image.open(file))
        assert set(np.unique(trimap)) == {1, 2, 3}
        animal, background = trimap == 1, trimap == 2
        # No background next to the animal, above, below or beside it.
        for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
            assert not (animal & np.roll(background, step, axis))[1:-1, 1:-1].any()


def test_species(miniature):
    prepared = prepare(miniature, chosen(labels="species"))
    train, test = read_all(prepared)
    assert prepared.class_names == ["cat", "dog"] and not prepared.notices
    for sample in train + test:
        assert sample.label == (not sample.sample_id[0].isupper())


def test_the_first_few_are_of_all_classes(miniature):
    prepared = prepare(miniature, chosen())
    for reads in (prepared.train, prepared.test):
        assert {read().label for read in islice(reads, 12)} == set(range(12))


# A copy by hand


def test_a_subset_by_hand(copy):
    prepared = prepare(copy, chosen(fit="stretch", size=80))
    train, test = read_all(prepared)
    assert prepared.class_names == ["pug", "Sphynx"]
    assert prepared.notices == ["2 of 37 classes occur in the files; labels count those only"]
    assert [(s.sample_id, s.label, s.source) for s in train + test] == [
        ("pug_10", 0, "oxford-iiit-pet/images/pug_10.jpg"),
        ("Sphynx_2", 1, "oxford-iiit-pet/images/Sphynx_2.jpg"),
        ("Sphynx_1", 1, "oxford-iiit-pet/images/Sphynx_1.jpg"),
    ]
    pug, sphynx, tested = train + test
    assert [s.image.shape for s in train] == [(80, 80, 3)] * 2
    assert np.unique(pug.image) == [50]
    # Columns 13..26 twice as wide; rows 8..16 stretched to 80/30.
    rows, columns = np.nonzero(pug.mask)
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (26, 53, 21, 44)
    # From 1 with both ends: 11..30 is twenty wide from 10. The larger head of two counts.
    assert sphynx.bbox == pytest.approx((20, 5 * 80 / 30, 40, 15 * 80 / 30))
    assert pug.bbox == pytest.approx((40, 10 * 80 / 30, 40, 20 * 80 / 30))
    assert tested.bbox is None


def test_a_head_outside_the_frame_has_no_box(copy):
    (copy / "oxford-iiit-pet/annotations/xmls/Sphynx_2.xml").write_text(xml((1, 1, 5, 20)))
    assert by_id(copy, fit="crop")["Sphynx_2"].bbox is None


# What can be wrong


def read_one(folder: Path, image: str) -> Sample:
    prepared = prepare(folder, chosen())
    return {"pug_10": prepared.train[0], "Sphynx_2": prepared.train[1]}[image]()


@pytest.mark.parametrize(
    ("name", "pixels", "message"),
    [
        ("annotations/trimaps/pug_10.png", np.ones((40, 30), np.uint8), "is 30×40 pixels, its photograph is 40×30"),
        ("annotations/trimaps/pug_10.png", np.zeros((30, 40), np.uint8), "has other values than 1, 2 and 3"),
        ("annotations/trimaps/pug_10.png", np.ones((30, 40, 3), np.uint8), "so is no trimap"),
        ("annotations/trimaps/pug_10.png", None, "no such file"),
        ("images/pug_10.jpg", None, "no such file"),
    ],
)
def test_files_that_do_not_belong_together(copy, name, pixels, message):
    file = copy / "oxford-iiit-pet" / name
    file.unlink()
    if pixels is not None:
        Image.fromarray(pixels).save(file)
    with pytest.raises(BadSample, match=f"{name}: .*{message}"):
        read_one(copy, "pug_10")
    assert read_one(copy, "Sphynx_2").sample_id == "Sphynx_2"


@pytest.mark.parametrize("name", ["images/pug_10.jpg", "annotations/trimaps/pug_10.png"])
def test_truncated_files(copy, name):
    file = copy / "oxford-iiit-pet" / name
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(BadSample, match=f"{name}: not a whole image"):
        read_one(copy, "pug_10")


def test_bad_boxes(copy):
    file = copy / "oxford-iiit-pet/annotations/xmls/pug_10.xml"
    file.write_text("<annotation></annotation>")
    with pytest.raises(BadSample, match=r"xmls/pug_10\.xml: has no object"):
        read_one(copy, "pug_10")
    file.write_text('<!DOCTYPE a [<!ENTITY b "c">]>' + xml((1, 1, 2, 2)))
    with pytest.raises(BadSample, match=r"xmls/pug_10\.xml"):
        read_one(copy, "pug_10")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pug_10 26 2\n", r"trainval\.txt:1: 3 fields, expected 4"),
        ("pug_10 38 2 1\n", r"trainval\.txt: 'pug_10 38 2 1' is not an image, a class 1\.\.37 and a species 1 or 2"),
        ("pug_10 0 2 1\n", r"trainval\.txt: 'pug_10 0 2 1' is not"),
        ("pug_10 26 3 1\n", r"trainval\.txt: 'pug_10 26 3 1' is not"),
        ("pug_10 x 2 1\n", r"trainval\.txt: 'pug_10 x 2 1' is not"),
        ("../pug_10 26 2 1\n", r"trainval\.txt: '\.\./pug_10 26 2 1' is not"),
        ("pug_10 34 2 1\n", r"annotations: image Sphynx_1 is of class 34, as those named 'pug' are"),
        ("pug 26 2 1\n", r"annotations: image pug is of class 26"),
    ],
)
def test_malformed_lists(copy, text, message):
    (copy / "oxford-iiit-pet/annotations/trainval.txt").write_text(text)
    with pytest.raises(UserError, match=message + ".*; delete .*annotations to have the official annotations.tar.gz"):
        prepare(copy, chosen())


def test_a_list_that_is_missing(copy):
    (copy / "oxford-iiit-pet/annotations/test.txt").unlink()
    with pytest.raises(UserError, match=r"annotations/test\.txt: no such file"):
        prepare(copy, chosen())


# Real files


@pytest.mark.real_data
def test_the_official_rows(unpacked):
    folder = unpacked("oxford-iiit-pet.tar") / "oxford-iiit-pet/annotations"
    pets = [pet for name in ("trainval", "test") for pet in read_pets(folder / f"{name}.txt", "replace it")]
    assert len(pets) == len(set(pets)) == 414
    assert Pet("Abyssinian_1", 0, 0) in pets
    # Names of cats, and only they, begin with a capital.
    assert all(pet.image[0].isupper() == (pet.species == 0) for pet in pets)


@pytest.mark.real_data
def test_the_real_subset(unpacked):
    folder = unpacked("oxford-iiit-pet.tar")
    prepared = prepare(folder, chosen(size=112, fit="stretch"))
    assert len(prepared.train) + len(prepared.test) == 414
    assert prepared.class_names[:3] == ["Abyssinian", "american bulldog", "american pit bull terrier"]
    assert prepared.class_names == sorted(prepared.class_names, key=str.lower) and len(prepared.class_names) == 32
    samples = [read() for read in [*prepared.train[:40], *prepared.test[:40]]]
    for sample in samples:
        assert prepared.class_names[sample.label] == sample.sample_id.rpartition("_")[0].replace("_", " ")
        assert 0.02 < sample.mask.mean() < 0.98
        assert (sample.bbox is not None) == (
            folder / f"oxford-iiit-pet/annotations/xmls/{sample.sample_id}.xml"
        ).exists()
    # Abyssinian_1 is 224×149; its head is 124..159 × 27..59, counted from 1.
    (first,) = (sample for sample in samples if sample.sample_id == "Abyssinian_1")
    assert first.bbox == pytest.approx((123 / 2, 26 * 112 / 149, 36 / 2, 33 * 112 / 149))
