"""Folders of a user's own images: layouts, splits, masks, and what is wrong with a folder in one line."""

import math
import os
from collections import Counter
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from reading import read_all

from pipeline.datasets.image_folder import prepare
from pipeline.datasets.samples import BadSample
from pipeline.errors import UserError
from pipeline.settings.datasets import ImageFolder

RED, GREEN, BLUE = (200, 0, 0), (0, 200, 0), (0, 0, 200)


def folder(**given) -> ImageFolder:
    return ImageFolder(kind="image_folder", **{"path": "own", "size": 8, **given})


def draw(root: Path, *names: str, colour=RED, size=(8, 8)) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, colour).save(root / name)


def ids(samples) -> list[str]:
    return [sample.sample_id for sample in samples]


@pytest.mark.parametrize("test", ["test", "val", "validation", "Test"])
def test_folders_that_say_the_split(tmp_path, test):
    own = tmp_path / "own"
    draw(own, "train/cat/1.png", "train/cat/2.PNG", "train/cat/deep/er/3.tif", colour=RED)
    draw(own, "train/dog/1.bmp", f"{test}/dog/7.webp", colour=GREEN)
    draw(own, f"{test}/cat/9.tiff", colour=RED)
    prepared = prepare(tmp_path, folder())
    train, found = read_all(prepared)
    assert prepared.class_names == ["cat", "dog"] and prepared.columns == () and prepared.notices == []
    # One of each class in turn, each class in order of name.
    assert ids(train) == ["train/cat/1.png", "train/dog/1.bmp", "train/cat/2.PNG", "train/cat/deep/er/3.tif"]
    assert ids(found) == [f"{test}/cat/9.tiff", f"{test}/dog/7.webp"]
    assert [sample.source for sample in found] == [f"own/{name}" for name in ids(found)]
    for sample in train:
        assert (sample.image[0, 0] == [RED, GREEN][sample.label]).all()


def test_without_such_folders_each_class_is_split(tmp_path):
    draw(tmp_path / "own", *[f"few/{number}.png" for number in range(2)], colour=RED)
    draw(tmp_path / "own", *[f"many/{number}.png" for number in range(20)], colour=GREEN)
    train, test = read_all(prepare(tmp_path, folder(test_share=0.25)))
    assert Counter(sample.label for sample in train) == {0: 1, 1: 15}
    assert Counter(sample.label for sample in test) == {0: 1, 1: 5}
    assert {sample.label for sample in train[:2]} == {0, 1}
    other, _ = read_all(prepare(tmp_path, folder(test_share=0.25, seed=1)))
    assert set(ids(train)) != set(ids(other))


FILES = st.lists(
    st.sampled_from(["a.png", "b.png", "c/d.png", "c/e.PNG", "ä ö.png", "f.g.png"]), min_size=2, unique=True
)


@settings(max_examples=25)
@given(
    st.dictionaries(st.sampled_from(["cat", "dog", "Zebra", "ölkäfer", "train"]), FILES, min_size=2),
    st.sampled_from([0.1, 0.5, 0.8]),
    st.randoms(),
)
def test_any_tree_is_split_completely_whatever_the_order_of_its_files(tree, share, random):
    paths = [f"{name}/{file}" for name, files in tree.items() for file in files]
    found = []
    with TemporaryDirectory() as place:
        for number in range(2):
            draw(Path(place, str(number), "own"), *random.sample(paths, len(paths)), size=(1, 1))
            prepared = prepare(Path(place, str(number)), folder(size=1, test_share=share))
            found.append([ids(split) for split in read_all(prepared)])
    (train, test), second = found
    assert [train, test] == second
    assert sorted(train + test) == sorted(paths)
    assert prepared.class_names == sorted(tree)
    for name, files in tree.items():
        tested = sum(path.startswith(f"{name}/") for path in test)
        assert tested == min(math.ceil(Fraction(str(share)) * len(files)), len(files) - 1)


def test_hidden_files_do_not_count_and_others_are_noticed(tmp_path):
    own = tmp_path / "own"
    draw(own, "a/1.png", "a/2.png", "b/1.png", "b/2.png")
    draw(own, "a/.hidden.png", "a/._1.png", "a/.git/1.png", "__MACOSX/a/1.png", ".cache/1.png")
    (own / "a/Thumbs.db").write_text("")
    (own / "a/notes.txt").write_text("")
    (own / "labels.csv").write_text("")
    (own / "a/linked").symlink_to(own / "b")
    prepared = prepare(tmp_path, folder())
    train, test = read_all(prepared)
    assert sorted(ids(train) + ids(test)) == ["a/1.png", "a/2.png", "b/1.png", "b/2.png"]
    assert prepared.notices == ["2 files or links in the class folders were not read: no images by their names"]


def test_links_to_files_and_to_class_folders_are_followed(tmp_path):
    draw(tmp_path / "elsewhere", "1.png", "2.png", colour=GREEN)
    own = tmp_path / "own"
    (own / "a").mkdir(parents=True)
    for name in ("1.png", "2.png"):
        (own / "a" / name).symlink_to(tmp_path / "elsewhere" / name)
    (own / "b").symlink_to(tmp_path / "elsewhere")
    train, test = read_all(prepare(tmp_path, folder()))
    assert sorted(ids(train) + ids(test)) == ["a/1.png", "a/2.png", "b/1.png", "b/2.png"]
    assert (train[0].image == GREEN).all()


def test_names_that_differ_in_their_ending_are_two_images(tmp_path):
    draw(tmp_path / "own", "a/1.png", "a/1.bmp", "b/1.png", "b/2.png")
    train, test = read_all(prepare(tmp_path, folder()))
    assert {"a/1.png", "a/1.bmp"} < set(ids(train) + ids(test))


def test_absolute_path(tmp_path):
    draw(tmp_path / "own", "a/1.png", "a/2.png", "b/1.png", "b/2.png")
    train, _ = read_all(prepare(tmp_path / "raw", folder(path=str(tmp_path / "own"))))
    assert train[0].source == f"../own/{train[0].sample_id}"


def test_folders_beside_train_and_test_are_noticed(tmp_path):
    draw(tmp_path / "own", "train/a/1.png", "test/a/1.png", "val/a/1.png", "more/a/1.png", "title.png")
    prepared = prepare(tmp_path, folder())
    assert [len(split) for split in read_all(prepared)] == [1, 1]
    assert prepared.notices == ["more/ was not read, only train/ and test/", "val/ was not read, only train/ and test/"]


def test_train_may_be_a_class(tmp_path):
    draw(tmp_path / "own", "bus/1.png", "bus/2.png", "train/1.png", "train/2.png")
    assert prepare(tmp_path, folder()).class_names == ["bus", "train"]


def half() -> np.ndarray:
    """A mask of the left half."""
    return np.repeat([[True] * 4 + [False] * 4], 8, axis=0)


def palette(mask: np.ndarray) -> Image.Image:
    image = Image.fromarray(mask.astype(np.uint8) * 3, "P")
    image.putpalette([0, 0, 0] * 3 + [255, 0, 0])
    return image


KINDS = {
    "grey": lambda mask: Image.fromarray(mask.astype(np.uint8)),
    "1-bit": lambda mask: Image.fromarray(mask),
    "palette": palette,
    "blue": lambda mask: Image.fromarray(mask[..., None] * np.uint8([0, 0, 1])),
    "opaque": lambda mask: Image.fromarray(mask[..., None] * np.uint8([0, 9, 0])).convert("RGBA"),
    "opaque grey": lambda mask: Image.fromarray(mask.astype(np.uint8) * 9).convert("LA"),
    "16 bits": lambda mask: Image.fromarray(mask.astype(np.uint16) * 256),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("masks", ["masks", "../other masks", "annotations/masks"])
def test_masks(tmp_path, kind, masks):
    own = tmp_path / "own"
    for name in ("a/1", "a/in/2", "b/1", "b/2.x"):
        draw(own, f"{name}.jpg")
        file = own / masks / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        KINDS[kind](half()).save(file)
    prepared = prepare(tmp_path, folder(masks=masks))
    train, test = read_all(prepared)
    assert prepared.class_names == ["a", "b"] and prepared.columns == ("mask",)
    for sample in train + test:
        assert sample.mask.dtype == bool and (sample.mask == half()).all()


def test_masks_of_given_splits_lie_under_their_names(tmp_path):
    draw(tmp_path / "own", "train/a/1.png", "val/a/1.png", "masks/train/a/1.png", "masks/val/a/1.png")
    prepared = prepare(tmp_path, folder(masks="masks"))
    train, test = read_all(prepared)
    assert train[0].mask.all() and test[0].mask.all() and prepared.notices == []


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_are_turned_upright_and_their_masks_along(tmp_path, orientation, suffix):
    own = tmp_path / "own"
    stored = np.zeros((16, 32, 3), np.uint8)
    stored[:8, :16] = 255
    for name in ("1", "2"):
        (own / "a").mkdir(parents=True, exist_ok=True)
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(stored).save(own / f"a/{name}.{suffix}", exif=exif)
        (own / "masks/a").mkdir(parents=True, exist_ok=True)
        Image.fromarray(stored[..., 0]).save(own / f"masks/a/{name}.png")
    (train,), _ = read_all(prepare(tmp_path, folder(masks="masks", size=16, fit="stretch")))
    # What stood in the upper left corner comes to this one (Exif 2.3, tag 0x0112).
    row, column = {1: (0, 0), 2: (0, 1), 3: (1, 1), 4: (1, 0), 5: (0, 0), 6: (0, 1), 7: (1, 1), 8: (1, 0)}[orientation]
    expected = np.zeros((16, 16), bool)
    expected[8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = True
    assert ((train.image[..., 0] > 127) == expected).all()
    assert (train.mask == expected).all()


def bad(tmp_path, **given) -> str:
    """What is wrong with a sample of the folder."""
    prepared = prepare(tmp_path, folder(**given))
    with pytest.raises(BadSample) as caught:
        for read in [*prepared.train, *prepared.test]:
            read()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_bad_masks_are_named(tmp_path):
    draw(tmp_path / "own", "train/a/1.jpg", "test/a/1.jpg", "masks/test/a/1.png")
    assert str(tmp_path / "own/masks/train/a/1.png: no such file") in bad(tmp_path, masks="masks")
    draw(tmp_path / "own", "masks/train/a/1.png", size=(9, 8))
    found = bad(tmp_path, masks="masks")
    assert str(tmp_path / "own/masks/train/a/1.png") in found and "9×8 pixels, its photograph is 8×8" in found


def test_bad_images_are_named(tmp_path):
    draw(tmp_path / "own", "test/a/1.jpg", "train/a/1.jpg")
    file = tmp_path / "own/train/a/1.jpg"
    file.write_bytes(file.read_bytes()[:-40])
    assert f"{file}: not a whole image" in bad(tmp_path)
    file.unlink()
    file.symlink_to("nowhere.jpg")
    assert f"{file}: no such file" in bad(tmp_path)
    file.unlink()
    file = file.with_suffix(".png")
    Image.fromarray(np.full((8, 8), 4000, np.uint16)).save(file)
    assert f"{file}: has more than 8 bits" in bad(tmp_path)
    file.unlink()
    draw(tmp_path / "own", "train/a/1.jpg")
    os.rename(tmp_path / "own/train/a/1.jpg", os.fsencode(tmp_path / "own/train/a") + b"/\xff.jpg")
    assert "its name is not UTF-8; rename it" in bad(tmp_path)


def wrong(tmp_path, **given) -> str:
    """What is wrong with the folder as a whole."""
    with pytest.raises(UserError) as caught:
        prepare(tmp_path, folder(**given))
    assert not isinstance(caught.value, BadSample) and "\n" not in str(caught.value)
    return str(caught.value)


def test_wrong_places_are_named(tmp_path):
    own = tmp_path / "own"
    assert f"{own}: no such folder" in wrong(tmp_path)
    own.mkdir()
    assert f"{own}: has no folders in it" in wrong(tmp_path)
    draw(own, "a/1.png", "a/2.png")
    assert f"{own / 'masks'}: is no folder for masks alone" in wrong(tmp_path, masks="masks")
    assert f"{own}: is no folder for masks alone" in wrong(tmp_path, masks=".")
    draw(own, "lost.jpg")
    assert f"{own}: 1 images lie directly in it, such as lost.jpg" in wrong(tmp_path)


@pytest.mark.parametrize(("there", "missing"), [("train", "test"), ("test", "train"), ("val", "train")])
def test_half_a_split_is_named(tmp_path, there, missing):
    draw(tmp_path / "own", f"{there}/a/1.png", f"{there}/a/2.png")
    assert f"{tmp_path / 'own'}: has {there}/ but no {missing}/" in wrong(tmp_path)


def test_images_directly_in_a_split_are_named(tmp_path):
    draw(tmp_path / "own", "train/1.png", "test/1.png")
    assert f"{tmp_path / 'own/train'}: 1 images lie directly in it" in wrong(tmp_path)


@pytest.mark.parametrize(("more", "less"), [("train", "test"), ("test", "train")])
@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_classes_that_differ_are_named(tmp_path, more, less, on_error):
    draw(tmp_path / "own", "train/a/1.png", "test/a/1.png", f"{more}/b/1.png")
    found = wrong(tmp_path, on_error=on_error)
    assert f"{tmp_path / 'own' / less / 'b'}: no such folder, but the other split has class b" in found


def test_classes_without_images_stop_or_are_left_out(tmp_path):
    own = tmp_path / "own"
    draw(own, "a/1.png", "a/2.png", "b/1.png", "c/1.png", "c/2.png")
    (own / "b0").mkdir()
    assert f"{own / 'b'}: 1 images, needs 2 or more" in wrong(tmp_path)
    (own / "b/1.png").rename(own / "b0/1.png")
    assert f"{own / 'b'}: 0 images, needs 2 or more" in wrong(tmp_path)
    prepared = prepare(tmp_path, folder(on_error="skip"))
    train, test = read_all(prepared)
    assert prepared.class_names == ["a", "c"] and Counter(sample.label for sample in train + test) == {0: 2, 1: 2}
    assert prepared.notices == ["classes left out, with fewer than 2 images: b, b0"]


def test_a_class_without_test_images_stops_or_is_left_out_of_both(tmp_path):
    own = tmp_path / "own"
    draw(own, "train/a/1.png", "test/a/1.png", "train/b/1.png")
    (own / "test/b").mkdir()
    assert f"{own / 'test/b'}: 0 images, needs 1 or more" in wrong(tmp_path)
    prepared = prepare(tmp_path, folder(on_error="skip"))
    assert [ids(split) for split in read_all(prepared)] == [["train/a/1.png"], ["test/a/1.png"]]
    for file in own.glob("*/a/1.png"):
        file.unlink()
    assert f"{own / 'test'}: no class has 1 or more images" in wrong(tmp_path, on_error="skip")


@pytest.mark.real_data
def test_real_photographs(unpacked):
    prepared = prepare(unpacked("imagenette.tar"), folder(path="imagenette", size=32))
    train, test = read_all(prepared)
    assert Counter(sample.label for sample in train) == dict.fromkeys(range(10), 50)
    assert Counter(sample.label for sample in test) == dict.fromkeys(range(10), 20)
    assert prepared.class_names[0] == "n01440764"


@pytest.mark.real_data
def test_real_photographs_split_at_random(unpacked):
    prepared = prepare(unpacked("dtd.tar"), folder(path="dtd/images", size=16, test_share=0.3))
    train, test = read_all(prepared)
    assert Counter(sample.label for sample in train) == dict.fromkeys(range(8), 56)
    assert Counter(sample.label for sample in test) == dict.fromkeys(range(8), 24)
