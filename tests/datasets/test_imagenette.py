"""Imagenette: its official tree, subsets of it and the other editions."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from reading import read_all

from pipeline.datasets.imagenette import CLASSES, OFFICIAL, prepare
from pipeline.datasets.samples import BadSample
from pipeline.errors import UserError
from pipeline.settings.datasets import Imagenette

TENCH, SPRINGER, PARACHUTE = "n01440764", "n02102040", "n03888257"


def settings(**given) -> Imagenette:
    return Imagenette(kind="imagenette", **{"size": 8, **given})


def draw(folder: Path, *names: str, colour: str = "red") -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (12, 10), colour).save(folder / name, quality=95)


def test_official_numbers_agree():
    assert {"train": sum(row[2] for row in CLASSES), "test": sum(row[3] for row in CLASSES)} == OFFICIAL
    assert [row[0] for row in CLASSES] == sorted(row[0] for row in CLASSES) and len(CLASSES) == 10


def test_official_tree(tmp_path):
    draw(tmp_path / "imagenette2", f"train/{TENCH}/b.JPEG", f"train/{TENCH}/a.JPEG", f"train/{TENCH}/._a.JPEG")
    draw(tmp_path / "imagenette2", f"train/{PARACHUTE}/c.JPEG", f"val/{PARACHUTE}/d.JPEG", colour="blue")
    draw(tmp_path / "imagenette2", f"val/{TENCH}/e.JPEG", "val/n99999999/f.JPEG")
    prepared = prepare(tmp_path, settings())
    train, test = read_all(prepared)
    assert prepared.class_names == ["tench", "parachute"]
    assert [(sample.sample_id, sample.label) for sample in train] == [
        (f"train/{TENCH}/a", 0), (f"train/{PARACHUTE}/c", 1), (f"train/{TENCH}/b", 0),
    ]  # fmt: skip
    assert [sample.source for sample in test] == [
        f"imagenette2/val/{TENCH}/e.JPEG",
        f"imagenette2/val/{PARACHUTE}/d.JPEG",
    ]
    assert test[1].image.shape == (8, 8, 3) and test[1].image[4, 4, 2] > 240
    assert prepared.notices[0] == "2 of 10 classes occur in the files; labels count those only"
    assert prepared.notices[1:] == [
        "train: other numbers of images than published: tench 2 of 963, English springer 0 of 955, "
        "cassette player 0 of 993, …",
        "test: other numbers of images than published: tench 1 of 387, English springer 0 of 395, "
        "cassette player 0 of 357, …",
    ]


def test_a_whole_copy_has_no_notices(tmp_path):
    for split, column in (("train", 2), ("val", 3)):
        for row in CLASSES:
            folder = tmp_path / "imagenette2" / split / row[0]
            folder.mkdir(parents=True)
            for number in range(row[column]):
                (folder / f"{number}.JPEG").touch()
    prepared = prepare(tmp_path, settings())
    assert prepared.notices == []
    assert (len(prepared.train), len(prepared.test)) == (9469, 3925)


def test_the_official_folder_comes_first(tmp_path):
    for folder in ("imagenette", "imagenette2-320", "imagenette2"):
        draw(tmp_path / folder, f"train/{TENCH}/{folder}.JPEG", f"val/{TENCH}/{folder}.JPEG")
    assert "first edition" not in prepare(tmp_path, settings()).notices[0]
    assert next(iter(prepare(tmp_path, settings()).train))().sample_id == f"train/{TENCH}/imagenette2"
    (tmp_path / "imagenette2").rename(tmp_path / "away")
    assert prepare(tmp_path, settings()).notices[0] == "read from the edition with a shorter side of 320 pixels"


def test_missing_and_damaged_files_are_named(tmp_path):
    draw(tmp_path / "imagenette2", f"train/{TENCH}/a.JPEG")
    with pytest.raises(UserError, match=r"imagenette2/val: has no n01440764/\*.JPEG"):
        prepare(tmp_path, settings())
    draw(tmp_path / "imagenette2", f"val/{TENCH}/a.JPEG")
    file = tmp_path / f"imagenette2/val/{TENCH}/a.JPEG"
    file.write_bytes(file.read_bytes()[:-20])
    (read,) = prepare(tmp_path, settings()).test
    with pytest.raises(BadSample, match=r"a\.JPEG: not a whole image"):
        read()


@pytest.mark.real_data
def test_real_subset(unpacked):
    raw_dir = unpacked("imagenette.tar")
    prepared = prepare(raw_dir, settings(size=224))
    train, test = read_all(prepared)
    assert list(prepared.class_names) == [row[1] for row in CLASSES]
    assert Counter(sample.label for sample in train) == dict.fromkeys(range(10), 50)
    assert Counter(sample.label for sample in test) == dict.fromkeys(range(10), 20)
    assert prepared.notices[0].startswith("read from the first edition")
    assert "tench 50 of 963" in prepared.notices[1] and "tench 20 of 387" in prepared.notices[2]
    grey = [sample for sample in train + test if Image.open(raw_dir / sample.source).mode == "L"]
    assert len(grey) == 18
    for sample in grey:
        assert np.ptp(sample.image, axis=2).max() == 0
    # They are 224×224 as they come: stored as they are.
    assert (test[5].image == np.array(Image.open(raw_dir / test[5].source).convert("RGB"))).all()
