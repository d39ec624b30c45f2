"""ISIC 2017: its miniature, the real subset, and lists and masks that are wrong."""

import shutil
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from reading import read_all

from pipeline.datasets.isic2017 import prepare, read_diagnoses
from pipeline.datasets.samples import BadSample
from pipeline.datasets.toyworld.draw import SUBJECTS, pictures
from pipeline.datasets.toyworld.trees import isic2017 as tree
from pipeline.errors import UserError
from pipeline.settings.datasets import Isic2017

SIZE = 64
PARTS = {"train": "Training", "test": "Test_v2"}


def chosen(**values) -> Isic2017:
    return Isic2017(kind="isic2017", **({"size": SIZE} | values))


@pytest.fixture(scope="module")
def miniature(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("isic")
    tree.write(folder, chosen(miniature={"train": 12, "test": 6, "size": SIZE, "seed": 7}))
    return folder


@pytest.fixture
def copy(tmp_path) -> Path:
    """Six training photographs, 40×30, with masks and a list; no test photographs."""
    photos, masks = tmp_path / "ISIC-2017_Training_Data", tmp_path / "ISIC-2017_Training_Part1_GroundTruth"
    photos.mkdir()
    masks.mkdir()
    for number in range(6):
        Image.fromarray(np.full((30, 40, 3), 40 * number, np.uint8)).save(photos / f"ISIC_{number:07d}.jpg")
        Image.fromarray(np.zeros((30, 40), np.uint8)).save(photos / f"ISIC_{number:07d}_superpixels.png")
        lesion = np.zeros((30, 40), np.uint8)
        lesion[:15, : 5 + number] = 255
        Image.fromarray(lesion).save(masks / f"ISIC_{number:07d}_segmentation.png")
    put(tmp_path, "1.0,0.0\n", "0.0,1.0\n", "0.0,0.0\n", "1,0\n", "0.0,1.0\n", "0,0\n")
    return tmp_path


def put(folder: Path, *marks: str, head: str = "image_id,melanoma,seborrheic_keratosis\n") -> None:
    rows = [f"ISIC_{number:07d},{mark}" for number, mark in enumerate(marks)]
    (folder / "ISIC-2017_Training_Part3_GroundTruth.csv").write_text(head + "".join(rows))


# The tree in miniature


def test_the_miniature_gives_what_was_drawn(miniature):
    prepared = prepare(miniature, chosen())
    assert prepared.class_names == list(SUBJECTS["lesions"].class_names)
    assert prepared.columns == ("mask",) and not prepared.notices
    number = 0
    for split, samples in zip(PARTS, read_all(prepared), strict=True):
        found = {sample.sample_id: sample for sample in samples}
        for picture in pictures("lesions", split, len(samples), size=SIZE, seed=7):
            sample = found.pop(f"ISIC_{number:07d}")
            number += 1
            assert sample.label == picture.label
            assert sample.source == f"ISIC-2017_{PARTS[split]}_Data/{sample.sample_id}.jpg"
            assert np.abs(sample.image.astype(int) - picture.image).mean() < 6
            assert sample.mask.dtype == bool and (sample.mask == picture.mask).all()
        assert not found
    assert number == 18


def test_melanoma_or_not(miniature):
    prepared = prepare(miniature, chosen(labels="melanoma", masks=False))
    assert prepared.class_names == ["no melanoma", "melanoma"] and prepared.columns == ()
    diagnoses = {sample.sample_id: sample.label for split in read_all(prepare(miniature, chosen())) for sample in split}
    train, test = read_all(prepared)
    for sample in train + test:
        assert sample.label == (diagnoses[sample.sample_id] == 0) and sample.mask is None


def test_the_first_few_are_of_all_classes(miniature):
    prepared = prepare(miniature, chosen())
    for reads in (prepared.train, prepared.test):
        assert [read().label for read in islice(reads, 3)] == [0, 1, 2]


# A copy by hand


def test_a_share_of_the_training_images(copy):
    prepared = prepare(copy, chosen(size=30, fit="crop", test_share=0.5))
    train, test = read_all(prepared)
    assert prepared.class_names == ["melanoma", "seborrheic keratosis", "nevus"]
    assert prepared.notices == [
        "a share 0.5 of the training images serves as test images, not the official ones",
    ]
    # Image i is of class i modulo 3, one of each class on either side.
    for samples in (train, test):
        assert [int(sample.sample_id[5:]) % 3 for sample in samples] == [0, 1, 2]
    for sample in train + test:
        number = int(sample.sample_id[5:])
        assert sample.label == number % 3 and np.unique(sample.image) == [40 * number]
        # The square begins five pixels from the left.
        assert sample.mask[:15, :number].all() and sample.mask.sum() == 15 * number
    again = read_all(prepare(copy, chosen(size=30, test_share=0.5)))
    assert [[s.sample_id for s in split] for split in again] == [
        [s.sample_id for s in split] for split in (train, test)
    ]


@given(counts=st.lists(st.integers(2, 30), min_size=3, max_size=3), share=st.sampled_from([0.1, 0.25, 0.3, 0.5, 0.8]))
@settings(max_examples=15)
def test_the_share_holds_in_each_class(counts, share, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shares")
    (folder / "ISIC-2017_Training_Data").mkdir()
    put(folder, *[("1,0\n", "0,1\n", "0,0\n")[label] for label, count in enumerate(counts) for _ in range(count)])
    Image.new("RGB", (8, 8)).save(folder / "any.jpg")
    for number in range(sum(counts)):
        (folder / f"ISIC-2017_Training_Data/ISIC_{number:07d}.jpg").hardlink_to(folder / "any.jpg")
    splits = read_all(prepare(folder, chosen(size=8, masks=False, test_share=share)))
    rows = {split: [sample.sample_id for sample in samples] for split, samples in zip(PARTS, splits, strict=True)}
    assert sorted(rows["train"] + rows["test"]) == [f"ISIC_{number:07d}" for number in range(sum(counts))]
    starts = np.cumsum([0, *counts])
    for split, part in (("train", 1 - share), ("test", share)):
        found = Counter(int(np.searchsorted(starts, int(name[5:]), "right")) - 1 for name in rows[split])
        for label, count in enumerate(counts):
            assert abs(found[label] - part * count) <= 1 and found[label] >= 1


def test_masks_whatever_their_letters(copy):
    masks = copy / "ISIC-2017_Training_Part1_GroundTruth"
    (masks / "ISIC_0000001_segmentation.png").rename(masks / "ISIC_0000001_Segmentation.PNG")
    train, test = read_all(prepare(copy, chosen(size=30, fit="stretch", test_share=0.5)))
    (sample,) = (sample for sample in train + test if sample.sample_id == "ISIC_0000001")
    assert sample.mask.any()


def test_a_list_without_keratosis_will_do_for_melanoma(copy):
    put(copy, "1.0\n", "0.0\n", "0.0\n", "1.0\n", "0.0\n", "0.0\n", head="image_id,melanoma\n")
    train, test = read_all(prepare(copy, chosen(labels="melanoma", test_share=0.5)))
    assert sorted(sample.sample_id for sample in train + test if sample.label) == ["ISIC_0000000", "ISIC_0000003"]
    with pytest.raises(UserError, match=r"Part3_GroundTruth\.csv: has no column seborrheic_keratosis; delete"):
        prepare(copy, chosen(test_share=0.5))


# What can be wrong


@pytest.mark.parametrize(
    "mark",
    ["1,1\n", "2,0\n", "x,0\n", "0\n", ",0\n", "nan,0\n", "0,0\nISIC_0000000,0,0\n", "0,0\n,0,0\n", "0,0\n../a,0,0\n"],
)
def test_malformed_lists(copy, mark):
    put(copy, mark)
    line = 1 + mark.count("\n")
    message = (
        rf"Part3_GroundTruth\.csv:{line}: not an image of its own with 0 or 1 for melanoma and seborrheic_keratosis"
    )
    with pytest.raises(UserError, match=message + ".*; delete .* to have the official ISIC-2017_Training_Part3"):
        prepare(copy, chosen(test_share=0.5))


def test_a_list_that_is_no_text(copy):
    (copy / "ISIC-2017_Training_Part3_GroundTruth.csv").write_bytes(b"image_id,melanoma\xff\xfe\n")
    with pytest.raises(UserError, match=r"Part3_GroundTruth\.csv: is no list of diagnoses"):
        prepare(copy, chosen(test_share=0.5))


def test_an_empty_list(copy):
    (copy / "ISIC-2017_Training_Part3_GroundTruth.csv").write_text("")
    with pytest.raises(UserError, match=r"Part3_GroundTruth\.csv: has no column image_id, melanoma, seborrheic"):
        prepare(copy, chosen(test_share=0.5))


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((40, 30), np.uint8), "is 30×40 pixels, its photograph is 40×30 pixels"),
        (np.ones((30, 40), np.uint8), "has other values than 0 and 255"),
        (np.zeros((30, 40, 3), np.uint8), "so is no mask"),
        (None, "no such file"),
    ],
)
def test_wrong_masks(copy, pixels, message):
    file = copy / "ISIC-2017_Training_Part1_GroundTruth/ISIC_0000000_segmentation.png"
    file.unlink()
    if pixels is not None:
        Image.fromarray(pixels).save(file)
    failures = []
    prepared = prepare(copy, chosen(test_share=0.5))
    for read in [*prepared.train, *prepared.test]:
        try:
            read()
        except BadSample as error:
            failures.append(str(error))
    assert len(failures) == 1
    assert "ISIC_0000000_segmentation.png" in failures[0] and message in failures[0]


def test_a_photograph_that_is_listed_but_absent(copy):
    (copy / "ISIC-2017_Training_Data/ISIC_0000000.jpg").unlink()
    prepared = prepare(copy, chosen(test_share=0.5))
    with pytest.raises(BadSample, match=r"Training_Data/ISIC_0000000\.jpg: no such file"):
        [read() for read in [*prepared.train, *prepared.test]]


# Real files


@pytest.mark.real_data
def test_the_real_subset(unpacked, tmp_path):
    raw = unpacked("isic2017.tar")
    (tmp_path / "ISIC-2017_Training_Data").symlink_to(raw / "ISIC-2017_Training_Data")
    shutil.copy(raw / "ISIC-2017_Training_Classes.csv", tmp_path / "ISIC-2017_Training_Part3_GroundTruth.csv")
    prepared = prepare(tmp_path, chosen(size=128, labels="melanoma", masks=False, test_share=0.2))
    train, test = read_all(prepared)
    # 150 with melanoma, 200 without, a fifth of either.
    assert [Counter(sample.label for sample in samples) for samples in (train, test)] == [
        {1: 120, 0: 160},
        {1: 30, 0: 40},
    ]
    marks = read_diagnoses(raw / "ISIC-2017_Training_Classes.csv", "melanoma", "replace it")
    assert {sample.sample_id: sample.label for sample in train + test} == marks
    assert marks["ISIC_0000000"] == 0 and marks["ISIC_0000002"] == 1
