"""Places365: lists by hand, in miniature, and the official categories."""

import random
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from reading import read_all

from pipeline.datasets.places365 import CATEGORIES, OFFICIAL, OTHER, ROOMS, draw, prepare
from pipeline.datasets.samples import BadSample
from pipeline.datasets.toyworld.trees.places365 import write
from pipeline.errors import UserError
from pipeline.settings.datasets import Miniature, Places365


def settings(**given) -> Places365:
    return Places365(kind="places365", **{"size": 8, **given})


def listed(room: str, number: int, count: int) -> list[str]:
    return [f"/{room[0]}/{room}/{image:08d}.jpg {number}\n" for image in range(1, count + 1)]


@pytest.fixture
def raw_dir(tmp_path) -> Path:
    """Lists of ten images of three rooms, and of thirty of two other categories, without the images."""
    place = tmp_path / "places365"
    (place / "data_256").mkdir(parents=True)
    names = {number: f"/{room[0]}/{room}" for room, number in ROOMS.items()}
    lines = [f"{names.get(number, f'/x/other_{number}')} {number}\n" for number in range(CATEGORIES)]
    (place / "categories_places365.txt").write_text("".join(lines))
    lines = [*listed("airfield", 0, 10), *listed("bathroom", 45, 10), *listed("beach", 48, 20)]
    lines += [*listed("bedroom", 52, 10), *listed("waiting_room", 352, 10)]
    (place / "places365_train_standard.txt").write_text("".join(lines))
    return tmp_path


def drawn(raw_dir: Path, **given) -> dict[str, list[str]]:
    """File of each sample, none of which is read."""
    prepared = prepare(raw_dir, settings(**given))
    return {
        split: [read.args[2].removesuffix(".jpg") for read in getattr(prepared, split)] for split in ("train", "test")
    }


FEW = {"positives_train": 4, "positives_test": 2, "negatives_train": 5, "negatives_test": 3}


def test_images_are_drawn_from_each_room_and_from_all_others(raw_dir):
    prepared = prepare(raw_dir, settings(**FEW))
    assert prepared.class_names == ["bathroom", "bedroom", "waiting_room", "other"]
    assert prepared.notices[0] == "4 of 11 classes occur in the files; labels count those only"
    absent = [f"{room} 0" for room in ROOMS if room not in prepared.class_names]
    assert prepared.notices[1:] == [f"fewer images are listed than were asked for: {', '.join(absent)}"]
    found = drawn(raw_dir, **FEW)
    assert not set(found["train"]) & set(found["test"])
    for split, positives, negatives in (("train", 4, 5), ("test", 2, 3)):
        # One of each class in turn, each class in the order of the list.
        first = [re.sub(r"./(airfield|beach)/.*", "other", file) for file in found[split][:4]]
        assert [file.split("/")[-2] if "/" in file else file for file in first] == prepared.class_names
        for room in ("bathroom", "bedroom", "waiting_room"):
            own = [file for file in found[split] if f"/{room}/" in file]
            assert len(own) == positives and own == sorted(own)
        others = [file for file in found[split] if "/airfield/" in file or "/beach/" in file]
        assert len(others) == negatives and others == sorted(others)
        assert len(found[split]) == 3 * positives + negatives


def test_draws_depend_on_the_seed_alone(raw_dir):
    assert drawn(raw_dir, **FEW) == drawn(raw_dir, **FEW) != drawn(raw_dir, **FEW, seed=1)
    fewer = drawn(raw_dir, **FEW | {"negatives_train": 0, "negatives_test": 0})
    for split, files in drawn(raw_dir, **FEW).items():
        assert fewer[split] == [file for file in files if "/airfield/" not in file and "/beach/" not in file]
    # By the definition of the draw: the first of a random sample of places are for training.
    files = [f"b/bathroom/{image:08d}" for image in range(1, 11)]
    chosen = random.Random("0 bathroom").sample(range(10), 6)
    bathrooms = [file for file in drawn(raw_dir, **FEW)["train"] if "bathroom" in file]
    assert bathrooms == [files[place] for place in sorted(chosen[:4])]


@given(st.data())
def test_no_image_is_on_both_sides(data):
    files = [str(number) for number in range(data.draw(st.integers(0, 30)))]
    train = data.draw(st.integers(0, len(files)))
    test = data.draw(st.integers(0, len(files) - train))
    sides = draw(files, train, test, data.draw(st.text(max_size=3)))
    assert [len(side) for side in sides] == [train, test]
    assert len({*sides[0], *sides[1]}) == train + test
    assert all(side == sorted(side, key=int) for side in sides)


def test_of_a_subset_the_splits_share_what_there_is(raw_dir):
    asked = {"positives_train": 400, "positives_test": 100, "negatives_train": 300, "negatives_test": 300}
    found = drawn(raw_dir, **asked)
    counts = {split: sum("/bathroom/" in file for file in files) for split, files in found.items()}
    assert counts == {"train": 8, "test": 2}
    assert {split: len(files) - 3 * counts[split] for split, files in found.items()} == {"train": 15, "test": 15}
    absent = [f"{room} {10 if room in ('bathroom', 'bedroom', 'waiting_room') else 0}" for room in ROOMS]
    notice = prepare(raw_dir, settings(**asked)).notices[1]
    assert notice == f"fewer images are listed than were asked for: {', '.join(absent)}, other 30"


def test_more_than_can_be_is_an_error(raw_dir):
    message = r"positives_train \+ positives_test: 4500 \+ 501 asked for, there are at most 5000; lower one of them"
    with pytest.raises(UserError, match=rf"params\.yaml: datasets \(from: places365\): {message}"):
        prepare(raw_dir, settings(positives_train=4500, positives_test=501))
    with pytest.raises(UserError, match=r"negatives_train \+ negatives_test: 1803460 \+ 1 asked for"):
        prepare(raw_dir, settings(negatives_train=1_803_460, negatives_test=1))


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        ("categories_places365.txt", None, "no such file"),
        ("categories_places365.txt", "/b/bathroom 45\n/b/bedroom 53\n", " gives /b/bedroom the number 53, expected 52"),
        ("categories_places365.txt", "/b/bathroom 45\n", " gives /b/bedroom the number None, expected 52"),
        ("categories_places365.txt", "/b/bathroom\n", "1: 1 fields, expected 2"),
        ("places365_train_standard.txt", "/b/bedroom/00000001.jpg\n", "1: 1 fields, expected 2"),
        ("places365_train_standard.txt", "/b/bedroom/01.jpg 365\n", " '/b/bedroom/01.jpg 365' is not a path"),
        ("places365_train_standard.txt", "b/bedroom/00000001.jpg 52\n", " 'b/bedroom/00000001.jpg 52' is not a path"),
        ("places365_train_standard.txt", "/../00000001.jpg 52\n", " '/../00000001.jpg 52' is not a path from / and"),
    ],
)  # fmt: skip
def test_malformed_lists_are_named(raw_dir, file, text, reason):
    path = raw_dir / "places365" / file
    path.unlink() if text is None else path.write_text(text)
    remedy = "; replace it by the official one in filelist_places365-standard.tar from http"
    with pytest.raises(UserError, match=rf"{file}: ?{re.escape(reason)}.*{remedy}"):
        prepare(raw_dir, settings())


def test_missing_and_damaged_images_are_named(raw_dir):
    images = raw_dir / "places365/data_256"
    (images / "b/bedroom").mkdir(parents=True)
    for number in range(1, 11):
        (images / f"b/bedroom/{number:08d}.jpg").write_text("no image")
    bathroom, bedroom, *_ = prepare(raw_dir, settings(**FEW)).train
    with pytest.raises(BadSample, match=r"b/bathroom/\d{8}\.jpg: no such file"):
        bathroom()
    with pytest.raises(BadSample, match=r"b/bedroom/\d{8}\.jpg: not a whole image"):
        bedroom()


def test_images_are_fitted(raw_dir):
    images = raw_dir / "places365/data_256/w/waiting_room"
    images.mkdir(parents=True)
    for number in range(1, 11):
        values = np.zeros((4, 8), np.uint8)
        values[:, 2:6] = 10 * number
        Image.fromarray(values).save(images / f"{number:08d}.jpg", quality=100)
    for fit, share in {"crop": 1, "stretch": 0.5}.items():
        _, _, waiting_room, _ = prepare(raw_dir, settings(**FEW, size=4, fit=fit)).train[:4]
        sample = waiting_room()
        assert sample.label == 2 and sample.image.shape == (4, 4, 3)
        assert sample.image.mean() == pytest.approx(share * 10 * int(sample.sample_id[-8:]), abs=2)
    assert sample.source == f"places365/data_256/{sample.sample_id}.jpg"


def test_images_may_lie_where_torchvision_puts_them(raw_dir):
    place = raw_dir / "places365"
    (place / "data_256").rename(place / "data_256_standard")
    assert prepare(raw_dir, settings(**FEW)).train[0].args[1] == place / "data_256_standard"


def test_miniature(tmp_path):
    wanted = settings(miniature=Miniature(train=96, test=48, size=32), size=16)
    write(tmp_path, wanted)
    prepared = prepare(tmp_path, wanted)
    train, test = read_all(prepared)
    assert prepared.class_names == [*ROOMS, OTHER]
    # 72 rooms, seven or eight of each, and 72 others, one fifth and one sixth of them for testing.
    counts = [[sum(sample.label == label for sample in split) for label in range(11)] for split in (train, test)]
    rooms = [a + b for a, b in zip(*counts, strict=True)]
    assert set(rooms[:10]) == {7, 8} and rooms[10] == 72
    assert counts[0] == [*(round(0.8 * count) for count in rooms[:10]), 60] and counts[1][10] == 12
    lines = (tmp_path / "places365/places365_train_standard.txt").read_text().splitlines()
    assert len(lines) == 144 and "/b/bedroom/00000001.jpg 52" in lines


@pytest.mark.real_data
def test_real_categories(unpacked, raw_dir):
    """The official categories; a list with as many images of each as the official one has at the least."""
    content = (unpacked("ade20k.tar") / "places365/categories_places365.txt").read_text()
    (raw_dir / "places365/categories_places365.txt").write_text(content)
    lines = []
    for line in content.splitlines():
        path, number = line.split()
        count = 5000 if int(number) in ROOMS.values() else 70
        lines += [f"{path}/{image:08d}.jpg {number}\n" for image in range(1, count + 1)]
    (raw_dir / "places365/places365_train_standard.txt").write_text("".join(lines))
    prepared = prepare(raw_dir, settings())
    assert {"train": len(prepared.train), "test": len(prepared.test)} == OFFICIAL
    assert prepared.class_names == [*ROOMS, OTHER] and not prepared.notices
    assert {read.args[2].split("/")[1] for read in prepared.train[:10]} == set(ROOMS)
