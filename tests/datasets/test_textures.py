"""Banks of textures: how classes are dealt, the procedural ones, and Describable Textures in its official layout."""

from pathlib import Path

import numpy as np
import pytest
import skimage.data
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.datasets.samples import BadSample
from pipeline.datasets.textures import bundled, dtd, procedural
from pipeline.datasets.textures.bank import Cache, deal, tied
from pipeline.errors import UserError

OFFICIAL = [
    "banded", "blotchy", "braided", "bubbly", "bumpy", "chequered", "cobwebbed", "cracked", "crosshatched",
    "crystalline", "dotted", "fibrous", "flecked", "freckled", "frilly", "gauzy", "grid", "grooved", "honeycombed",
    "interlaced", "knitted", "lacelike", "lined", "marbled", "matted", "meshed", "paisley", "perforated", "pitted",
    "pleated", "polka-dotted", "porous", "potholed", "scaly", "smeared", "spiralled", "sprinkled", "stained",
    "stratified", "striped", "studded", "swirly", "veined", "waffled", "woven", "wrinkled", "zigzagged",
]  # fmt: skip


@pytest.fixture
def tree(tmp_path):
    """A tree in the official layout with these classes: a picture a class and list, 400×300."""

    def make(*classes: str) -> Path:
        (tmp_path / "dtd/labels").mkdir(parents=True)
        for number, part in enumerate(("train", "val", "test")):
            names = [f"{name}/{name}_{number:04d}.jpg" for name in classes]
            (tmp_path / f"dtd/labels/{part}1.txt").write_text("\n".join(names) + "\n")
            for name in names:
                file = tmp_path / "dtd/images" / name
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (400, 300), (number * 100, 50, 7)).save(file)
        return tmp_path

    return make


def test_all_official_classes_are_dealt_as_specified(tree):
    bank = dtd.bank(tree(*OFFICIAL), 224)
    assert list(bank.digits) == [
        "chequered", "crosshatched", "dotted", "grid", "honeycombed", "lined", "polka-dotted", "striped", "waffled",
        "zigzagged",
    ]  # fmt: skip
    assert len(bank.backgrounds) == 37 and sorted([*bank.digits, *bank.backgrounds]) == OFFICIAL
    assert [len(tied(bank.backgrounds, digit)) for digit in range(10)] == [4] * 7 + [3] * 3
    assert list(tied(bank.backgrounds, 0)) == ["banded", "freckled", "paisley", "stained"]
    assert list(tied(bank.backgrounds, 9)) == ["flecked", "meshed", "sprinkled"]
    assert list(tied(bank.digits, 3)) == ["grid"]
    assert bank.notices == []


@given(st.lists(st.sampled_from(OFFICIAL), min_size=4, unique=True))
def test_every_copy_is_dealt_whole(classes):
    digits, backgrounds = deal(sorted(classes), dtd.PERIODIC, "here")
    assert sorted(digits + backgrounds) == sorted(classes)
    assert 2 <= len(digits) <= 10 and len(backgrounds) >= 2
    assert digits == sorted(digits) and backgrounds == sorted(backgrounds)
    # A periodic class is a background only when all digit classes are periodic.
    assert set(digits) <= set(dtd.PERIODIC) or not set(backgrounds) & set(dtd.PERIODIC)
    for pool in (digits, backgrounds):
        groups = [tied(pool, digit) for digit in range(10)]
        assert {name for group in groups for name in group} == set(pool)
        assert all(groups)


def test_too_few_classes(tree):
    with pytest.raises(UserError, match=r"dtd/labels: 3 classes of textures, at least 4 are needed"):
        dtd.bank(tree("banded", "grid", "lined"), 32)


def test_training_draws_from_train_and_val(tree):
    bank = dtd.bank(tree(*OFFICIAL[:5]), 32)
    assert bank.pictures["train"]["bumpy"] == ["bumpy/bumpy_0000.jpg", "bumpy/bumpy_0001.jpg"]
    assert bank.pictures["test"]["bumpy"] == ["bumpy/bumpy_0002.jpg"]
    assert bank.notices == [
        "5 of 47 texture classes are there: 2 for digits (banded, blotchy), 3 for backgrounds; digits share them"
    ]


@pytest.mark.parametrize(("size", "shape"), [(224, (300, 400)), (112, (150, 200)), (32, (43, 57)), (448, (600, 800))])
def test_pictures_scale_with_the_image(tree, size, shape):
    bank = dtd.bank(tree(*OFFICIAL[:4]), size)
    picture = bank.read("banded/banded_0002.jpg")
    assert picture.shape == (*shape, 3)
    np.testing.assert_allclose(picture.astype(int), np.broadcast_to((200, 50, 7), picture.shape), atol=2)


def test_a_small_picture_is_enlarged_until_it_fits(tree):
    folder = tree(*OFFICIAL[:4])
    Image.new("L", (160, 107)).save(folder / "dtd/images/banded/banded_0000.jpg")
    assert dtd.bank(folder, 224).read("banded/banded_0000.jpg").shape == (224, 335, 3)


def test_bad_pictures_are_named(tree):
    folder = tree(*OFFICIAL[:4])
    bank = dtd.bank(folder, 32)
    missing, truncated = (folder / "dtd/images/banded" / f"banded_000{i}.jpg" for i in (0, 1))
    missing.unlink()
    truncated.write_bytes(truncated.read_bytes()[:-200])
    for file in (missing, truncated):
        with pytest.raises(BadSample, match=file.name):
            bank.read(f"banded/{file.name}")


def test_bad_trees_are_named(tree):
    folder = tree(*OFFICIAL[:4])
    labels = folder / "dtd/labels"
    official = (labels / "test1.txt").read_text()

    def refused(list_: str, message: str) -> None:
        (labels / "test1.txt").write_text(list_)
        with pytest.raises(UserError, match=message):
            dtd.bank(folder, 32)
        (labels / "test1.txt").write_text(official)

    refused(official + "banded_0001.jpg\n", r"test1.txt: 'banded_0001.jpg' is not of the form <class>/<picture>; take")
    refused(official + "../x.jpg\n", r"test1.txt: '../x.jpg' is not of the form")
    refused(official + "/x.jpg\n", r"test1.txt: '/x.jpg' is not of the form")
    refused(official + "banded/banded_0001.jpg\n", r"banded/banded_0001.jpg is listed for training and for test")
    refused(official.replace("bubbly", "banded"), r"labels: no picture of bubbly in test1.txt")
    refused(official + "woven/woven_0001.jpg\n", r"labels: no picture of woven in train1.txt and val1.txt")
    (folder / "dtd/images/braided").rename(folder / "elsewhere")
    with pytest.raises(UserError, match=r"images/braided: no such folder"):
        dtd.bank(folder, 32)
    (labels / "val1.txt").unlink()
    with pytest.raises(UserError, match=r"val1.txt: no such file"):
        dtd.bank(folder, 32)


@pytest.mark.real_data
def test_real_pictures(unpacked):
    bank = dtd.bank(unpacked("dtd.tar"), 224)
    assert list(bank.digits) == ["banded", "crosshatched"]
    assert list(bank.backgrounds) == ["blotchy", "braided", "bubbly", "bumpy", "cobwebbed", "cracked"]
    for split, number in (("train", 54), ("test", 26)):
        assert {len(names) for names in bank.pictures[split].values()} == {number}
    assert min(bank.read(bank.pictures["test"]["cracked"][0]).shape[:2]) == 224


def test_bundled_classes_and_tiles():
    bank = bundled.bank(32)
    assert (len(bank.digits), len(bank.backgrounds)) == (10, 37)
    assert list(bank.digits[:7]) == [
        "grating-00", "checker-01", "dots-02", "noise-03", "bands-04", "rings-05", "grating-06",
    ]  # fmt: skip
    assert list(bank.backgrounds[-4:]) == ["checker-43", "brick", "grass", "gravel"]
    assert {len(names) for pictures in bank.pictures.values() for names in pictures.values()} == {24}
    for name in (*bank.digits, *bank.backgrounds):
        train, test = (bank.pictures[split][name] for split in ("train", "test"))
        assert not set(train) & set(test)
        picture = bank.read(train[0])
        assert picture.shape == (44, 44, 3) and picture.dtype == np.uint8
        assert picture.std((0, 1)).max() > 5, f"{name} is flat"
        assert (picture != bank.read(test[0])).mean() > 0.5


def test_tiles_are_reproducible_and_scale_with_the_image():
    small, large = (bundled.draw("bands-10/30", size) for size in (32, 224))
    np.testing.assert_array_equal(small, bundled.bank(32).read("bands-10/30"))
    assert large.shape == (308, 308, 3)
    assert np.abs(large[3::7, 3::7].astype(int) - small).max() <= 2


def test_tiles_of_a_photograph_keep_to_their_half():
    photograph = skimage.data.grass()
    # Tiles of 256 pixels are cut out as they are: 44/32 of 186.
    for tile, left, top in [(0, 0, 0), (23, 0, 256), (24, 256, 0), (47, 256, 256), (12, 0, 12 * 256 // 23)]:
        found = bundled.draw(f"grass/{tile:02d}", 186)
        assert np.array_equal(found, photograph[top : top + 256, left : left + 256, None].repeat(3, axis=2))


def lattice(side: int, frequency: float, angle: float) -> procedural.Lattice:
    axis = (np.arange(side) + 0.5) / side
    return procedural.Lattice(frequency, np.deg2rad(angle), axis[None, :], axis[:, None])


def test_a_grating_has_its_frequency_and_angle():
    values = procedural.KINDS["grating"](lattice(64, 4, 90), np.random.default_rng(0))
    spectrum = np.abs(np.fft.fft2(values - 0.5))
    assert np.unravel_index(spectrum.argmax(), spectrum.shape) in {(4, 0), (60, 0)}


def test_noise_keeps_to_its_band():
    values = procedural.KINDS["noise"](lattice(128, 8, 0), np.random.default_rng(0))
    power = np.abs(np.fft.fft2(values - values.mean())) ** 2
    cycles = np.hypot(*np.meshgrid(*[np.fft.fftfreq(128, 1 / 128)] * 2))
    assert power[(cycles > 2) & (cycles < 14)].sum() > 0.95 * power.sum()


def test_a_cache_keeps_the_latest_within_its_bytes():
    asked = []

    def read(name: str) -> np.ndarray:
        asked.append(name)
        return np.zeros(int(name), np.uint8)

    cache = Cache(read, budget=10)
    for name in ("4", "5", "4", "3", "4", "5"):
        assert cache(name).size == int(name)
    # "3" pushes out "5", which was asked for longer ago than "4".
    assert asked == ["4", "5", "3", "5"]
    assert cache("11").size == 11
    cache("4")
    assert asked == ["4", "5", "3", "5", "11", "4"]
