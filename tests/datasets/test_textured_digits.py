"""Textured digits: shares, independence of rows, and every pixel rebuilt from the factors (reff.md section 2.1)."""

from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from reading import check, read_all
from scipy.stats import chisquare
from sklearn.datasets import load_digits

from pipeline.datasets import textured_digits
from pipeline.datasets.samples import IMAGENET_MEAN, BadSample, Prepared, Sample
from pipeline.datasets.textures import bundled
from pipeline.datasets.textures.bank import tied
from pipeline.errors import UserError
from pipeline.settings.datasets import TexturedDigits

BANK = bundled.bank(8)


def prepared(raw_dir: Path | None = None, **settings) -> Prepared:
    """Small ones, unless told otherwise."""
    settings = {"from": "textured_digits", "size": 8, "digit_size": 8} | settings
    return textured_digits.prepare(raw_dir, TexturedDigits.model_validate(settings))


@cache
def rows(split: str, **settings) -> list[Sample]:
    return [read() for read in getattr(prepared(**settings), split)]


def is_tied(sample: Sample, shift: int = 0) -> bool:
    return sample.factors["background"] in tied(BANK.backgrounds, (sample.label + shift) % 10)


def test_keeps_the_contract():
    whole = prepared(size=12, background_randomness=0.5, texture_randomness=0.5)
    train, test = read_all(whole)
    assert (len(train), len(test)) == (1297, 500)
    assert whole.class_names == tuple("0123456789") and whole.mean == IMAGENET_MEAN
    assert {tuple(sample.factors) for sample in train + test} == {tuple(train[0].factors)}
    stand_ins = "textures are stand-ins for the photographs of Describable Textures: 44 procedural, 3 photographs"
    assert whole.notices == [stand_ins]


def test_without_randomness_each_digit_has_its_own_textures():
    samples = rows("train")
    assert all(is_tied(sample) for sample in samples)
    assert all(sample.factors["texture"] == BANK.digits[sample.label] for sample in samples)
    # Each of its backgrounds comes up.
    assert len({sample.factors["background"] for sample in samples}) == 37


def test_with_full_randomness_all_textures_are_alike():
    samples = rows("train", background_randomness=1, texture_randomness=1)
    for factor, number in (("background", 37), ("texture", 10)):
        counts = Counter(sample.factors[factor] for sample in samples)
        assert len(counts) == number
        assert chisquare(list(counts.values())).pvalue > 1e-3
    # Independent of the digit: as often one of its own as a random choice would be.
    expected = np.array([len(tied(BANK.backgrounds, sample.label)) / 37 for sample in samples])
    found = sum(is_tied(sample) for sample in samples)
    assert abs(found - expected.sum()) < 4 * np.sqrt((expected * (1 - expected)).sum())


@pytest.mark.parametrize("randomness", [0.2, 0.6])
def test_share_of_tied_backgrounds(randomness):
    samples = rows("train", background_randomness=randomness, texture_randomness=randomness)
    own = np.array([len(tied(BANK.backgrounds, sample.label)) / 37 for sample in samples])
    for expected, found in (
        ((1 - randomness) + randomness * own, sum(is_tied(sample) for sample in samples)),
        (
            np.full(len(samples), (1 - randomness) + randomness / 10),
            sum(sample.factors["texture"] == BANK.digits[sample.label] for sample in samples),
        ),
    ):
        assert abs(found - expected.sum()) < 4 * np.sqrt((expected * (1 - expected)).sum())


def test_test_images_have_a_randomness_of_their_own():
    assert not all(is_tied(sample) for sample in rows("test"))
    same = rows("test", test_background_randomness=0, background_randomness=1)
    assert all(is_tied(sample) for sample in same)


@pytest.mark.parametrize("shift", [1, 13])
def test_backgrounds_that_mislead(shift):
    settings = {"test_background_randomness": 0, "test_background_shift": shift}
    assert all(is_tied(sample, shift % 10) for sample in rows("test", **settings))
    assert all(is_tied(sample) for sample in rows("train", **settings))


def test_randomness_changes_nothing_but_the_background():
    for one, other in zip(rows("train"), rows("train", background_randomness=0.5), strict=True):
        assert one.label == other.label
        for factor in ("texture", "texture_file", "texture_y", "texture_x", "y", "x", "background_y", "background_x"):
            assert one.factors[factor] == other.factors[factor]
        if is_tied(other) and one.factors["background"] == other.factors["background"]:
            np.testing.assert_array_equal(one.image, other.image)


def test_pictures_of_training_and_test_are_disjoint_unless_shared():
    def files(**settings) -> tuple[set[str], set[str]]:
        settings |= {"background_randomness": 1}
        return tuple(
            {sample.factors[f"{part}_file"] for sample in rows(split, **settings) for part in ("texture", "background")}
            for split in ("train", "test")
        )

    train, test = files()
    assert not train & test
    train, test = files(texture_split="shared")
    assert len(train & test) > len(test) / 2


def test_every_pixel_follows_from_the_factors():
    bank = bundled.bank(16)
    ranges = {"digit_range": (0.45, 1.0), "background_range": (0.0, 0.55)}
    found = prepared(size=16, digit_size=12, background_randomness=0.5, **ranges)
    assert found.notices[1:] == [
        "textures are squeezed to intensities (0.45, 1.0) in the digit and (0.0, 0.55) around it, "
        "a simplification of the task"
    ]
    for read, _ in zip(found.train, range(40), strict=False):
        sample = read()
        drawn = sample.factors
        assert drawn["background_file"].startswith(drawn["background"])
        for y in range(16):
            for x in range(16):
                part = "texture" if sample.mask[y, x] else "background"
                low, high = ranges["digit_range" if sample.mask[y, x] else "background_range"]
                texel = bank.read(drawn[f"{part}_file"])[drawn[f"{part}_y"] + y, drawn[f"{part}_x"] + x]
                for channel in range(3):
                    expected = low + (high - low) * int(texel[channel]) / 255
                    assert abs(int(sample.image[y, x, channel]) - 255 * expected) <= 0.5 + 1e-9


def test_masks_are_the_enlarged_digits_above_the_threshold():
    scans, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(42).permutation(1797)
    for split, rows_ in (("train", order[:6]), ("test", order[1297:1303])):
        samples = rows(split, size=14, digit_size=11, threshold=0.4)
        for sample, row in zip(samples, rows_, strict=False):
            assert sample.label == labels[row]
            expected = np.zeros((14, 14), bool)
            for y in range(11):
                for x in range(11):
                    value = bilinear(scans[row].reshape(8, 8), (y + 0.5) * 8 / 11 - 0.5, (x + 0.5) * 8 / 11 - 0.5)
                    expected[sample.factors["y"] + y, sample.factors["x"] + x] = value > 0.4 * 16
            np.testing.assert_array_equal(sample.mask, expected)


def bilinear(image: np.ndarray, y: float, x: float) -> float:
    total = 0.0
    for row in range(8):
        for column in range(8):
            near_y = max(0.0, 1 - abs(min(max(y, 0), 7) - row))
            near_x = max(0.0, 1 - abs(min(max(x, 0), 7) - column))
            total += near_y * near_x * image[row, column]
    return total


def test_masks_cover_the_share_that_the_prototype_saw():
    samples = rows("train", size=32, digit_size=24, threshold=0.4)
    assert np.mean([sample.mask.mean() for sample in samples]) == pytest.approx(0.20, abs=0.01)


def test_a_smaller_digit_lies_anywhere():
    samples = rows("train", size=12)
    for axis in ("y", "x"):
        counts = Counter(sample.factors[axis] for sample in samples)
        assert set(counts) == set(range(5))
        assert chisquare(list(counts.values())).pvalue > 1e-3
    places = Counter((sample.factors["y"], sample.factors["x"]) for sample in samples)
    assert len(places) == 25
    assert {(sample.factors["y"], sample.factors["x"]) for sample in rows("train")} == {(0, 0)}


def test_a_row_does_not_depend_on_the_others():
    stream = rows("train", background_randomness=1)
    reads = list(prepared(background_randomness=1).train)
    for row in (1296, 70, 0):
        alone = reads[row]()
        assert alone.sample_id == stream[row].sample_id == f"train-{row:05d}"
        assert alone.factors == stream[row].factors
        np.testing.assert_array_equal(alone.image, stream[row].image)


def test_seeds_and_splits_draw_differently():
    first, second = rows("train"), rows("train", seed=1)
    assert [sample.label for sample in first] == [sample.label for sample in second]
    assert sum(one.factors == other.factors for one, other in zip(first, second, strict=True)) < 5
    test = rows("test", test_background_randomness=0)
    places = [[sample.factors["background_y"] for sample in samples[:100]] for samples in (first, test)]
    assert places[0] != places[1]


def test_a_digit_larger_than_its_image():
    with pytest.raises(UserError, match=r"digit_size: 9 is larger than size: 8; give at most that"):
        prepared(digit_size=9)


def test_a_bad_texture_spoils_only_the_rows_that_use_it(tmp_path):
    names = ("banded", "grid", "lined", "woven")
    (tmp_path / "dtd/labels").mkdir(parents=True)
    for number, part in enumerate(("train", "val", "test")):
        files = [f"{name}/{name}_{number}.jpg" for name in names]
        (tmp_path / f"dtd/labels/{part}1.txt").write_text("\n".join(files))
        for file in files:
            (tmp_path / "dtd/images" / file).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (300, 300)).save(tmp_path / "dtd/images" / file)
    (tmp_path / "dtd/images/woven/woven_0.jpg").unlink()
    good, bad = [], []
    for read in prepared(tmp_path, textures="dtd").train:
        try:
            good.append(read())
        except BadSample as error:
            bad.append(str(error))
    assert len(good) + len(bad) == 1297 and all("woven_0.jpg: no such file" in text for text in bad)
    # Of two backgrounds woven goes with the odd digits, and one of its two pictures is gone.
    odd = sum(sample.label % 2 for sample in good) + len(bad)
    assert 0.4 < len(bad) / odd < 0.6
    assert {sample.factors["background_file"] for sample in good} == {
        "banded/banded_0.jpg", "banded/banded_1.jpg", "woven/woven_1.jpg",
    }  # fmt: skip


@pytest.mark.real_data
def test_real_digits_on_real_textures(real_data, unpacked, tmp_path):
    (tmp_path / "mnist").symlink_to(real_data / "mnist")
    (tmp_path / "dtd").symlink_to(unpacked("dtd.tar") / "dtd")
    whole = prepared(tmp_path, digits="mnist", textures="dtd", size=64, digit_size=56, background_randomness=0.5)
    assert whole.notices == [
        "8 of 47 texture classes are there: 2 for digits (banded, crosshatched), 6 for backgrounds; digits share them"
    ]
    for split, labels, file in (
        ("train", [5, 0, 4, 1, 9, 2, 1, 3, 1, 4], "mnist/train-images-idx3-ubyte.gz"),
        ("test", [7, 2, 1, 0, 4, 1, 4, 9, 5, 9], "mnist/t10k-images-idx3-ubyte.gz"),
    ):
        reads = list(getattr(whole, split))
        assert len(reads) == {"train": 60_000, "test": 10_000}[split]
        samples = [read() for read in reads[:10]]
        assert [sample.label for sample in samples] == labels
        for sample in samples:
            check(whole, sample)
            assert sample.source == file and (real_data / file).is_file()
            assert 0.02 < sample.mask.mean() < 0.4


@pytest.mark.real_data
def test_real_clothes_have_their_names(real_data):
    whole = prepared(real_data, digits="fashion_mnist", size=28, digit_size=28)
    sample = next(iter(whole.train))()
    assert whole.class_names[sample.label] == "Ankle boot"
    assert sample.source == "fashion-mnist/train-images-idx3-ubyte.gz"
    # At its own size nothing is interpolated.
    assert sample.mask.sum() == (read_first(real_data) > 127.5).sum()


def read_first(real_data: Path) -> np.ndarray:
    return textured_digits.SHAPES["fashion_mnist"].read(real_data)["train"][0][0]
