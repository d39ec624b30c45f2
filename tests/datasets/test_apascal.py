"""aPascal: photographs or objects, in lists and photographs made by hand and in miniature."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from reading import read_all

from pipeline.datasets.apascal import prepare
from pipeline.datasets.samples import BadSample
from pipeline.datasets.toyworld.draw import SUBJECTS, picture
from pipeline.datasets.toyworld.trees.apascal import write
from pipeline.errors import UserError
from pipeline.settings.datasets import Apascal, Miniature

TRAIN = """\
2008_1.jpg person 3 3 4 4 1 0
2008_1.jpg dog 1 1 5 4 0 1
2008_1.jpg cat 6 1 10 4 1 1
2008_2.jpg cat 1 2 20 9 0 0
"""
TEST = "2008_3.jpg person 1 1 10 20 1 1\n"


def settings(**given) -> Apascal:
    return Apascal(kind="apascal", **{"size": 20, "fit": "stretch", **given})


@pytest.fixture
def raw_dir(tmp_path) -> Path:
    """Three photographs, 20 wide and 10 high; the left half of the last two is red."""
    lists, photos = tmp_path / "attribute_data", tmp_path / "VOCdevkit/VOC2008/JPEGImages"
    lists.mkdir()
    photos.mkdir(parents=True)
    (lists / "class_names.txt").write_text("bird\ncat\ndog\nperson\ndonkey\n")
    (lists / "attribute_names.txt").write_text("Tail\nFurn. Leg\n")
    (lists / "apascal_train.txt").write_text(TRAIN)
    (lists / "apascal_test.txt").write_text(TEST)
    for number in (1, 2, 3):
        pixels = np.zeros((10, 20, 3), np.uint8)
        if number > 1:
            pixels[:, :10, 0] = 255
        Image.fromarray(pixels).save(photos / f"2008_{number}.jpg", quality=100, subsampling=0)
    return tmp_path


def test_photographs_with_their_largest_object(raw_dir):
    prepared = prepare(raw_dir, settings())
    train, test = read_all(prepared)
    # Of two boxes of 20 pixels the first one counts. No other class is listed, as aYahoo's are not.
    assert prepared.class_names == ["cat", "dog", "person"] and prepared.notices == []
    assert prepared.names == {"attributes": ["Tail", "Furn. Leg"]}
    assert [(sample.sample_id, sample.label, sample.attributes.tolist()) for sample in train + test] == [
        ("2008_1.jpg", 1, [0, 1]), ("2008_2.jpg", 0, [0, 0]), ("2008_3.jpg", 2, [1, 1]),
    ]  # fmt: skip
    # Stretched to 20×20, heights double; the last box is cut off at the photograph's border.
    assert [sample.bbox for sample in train + test] == [(0, 0, 5, 8), (0, 2, 20, 16), (0, 0, 10, 20)]
    assert train[1].image[:, :9, 0].min() > 200 and train[1].image[:, 11:, 0].max() < 55
    assert train[0].source == "VOCdevkit/VOC2008/JPEGImages/2008_1.jpg" and train[0].group == "2008_1.jpg"


def test_a_class_that_is_nowhere_the_largest_is_dropped(raw_dir):
    (raw_dir / "attribute_data/apascal_test.txt").write_text("2008_3.jpg cat 1 1 9 9 1 1\n")
    prepared = prepare(raw_dir, settings())
    assert prepared.class_names == ["cat", "dog"]
    assert prepared.notices == ["2 of 3 classes occur in the files; labels count those only"]


def test_objects_cut_out(raw_dir):
    prepared = prepare(raw_dir, settings(unit="object"))
    train, test = read_all(prepared)
    assert prepared.class_names == ["cat", "dog", "person"] and prepared.columns == ("attributes", "group")
    assert [(sample.sample_id, sample.label, sample.group) for sample in train + test] == [
        ("2008_1.jpg#1", 2, "2008_1.jpg"), ("2008_1.jpg#2", 1, "2008_1.jpg"), ("2008_1.jpg#3", 0, "2008_1.jpg"),
        ("2008_2.jpg#1", 0, "2008_2.jpg"), ("2008_3.jpg#1", 2, "2008_3.jpg"),
    ]  # fmt: skip
    # Cut to x 9..10 from 1, which is the red half's last column and the black half's first, side by side.
    (raw_dir / "attribute_data/apascal_test.txt").write_text("2008_3.jpg cat 10 1 11 10 0 0\n")
    _, (cut,) = read_all(prepare(raw_dir, settings(unit="object")))
    assert cut.image[:, :5, 0].min() > 200 and cut.image[:, 15:, 0].max() < 55


def test_missing_photographs_and_boxes_outside_are_bad_samples(raw_dir):
    (raw_dir / "VOCdevkit/VOC2008/JPEGImages/2008_3.jpg").unlink()
    (raw_dir / "attribute_data/apascal_train.txt").write_text("2008_1.jpg cat 30 1 40 4 1 1\n")
    prepared = prepare(raw_dir, settings())
    for (read,), reason in [(prepared.train, "2008_1.jpg: box 30 1 40 4"), (prepared.test, "2008_3.jpg: no such file")]:
        with pytest.raises(BadSample, match=reason):
            read()


@pytest.mark.parametrize("name", ["class_names", "attribute_names", "apascal_train", "apascal_test"])
def test_missing_lists_are_named(raw_dir, name):
    (raw_dir / f"attribute_data/{name}.txt").unlink()
    with pytest.raises(UserError, match=rf"attribute_data/{name}\.txt: no such file"):
        prepare(raw_dir, settings())


def test_miniature(tmp_path):
    wanted = settings(miniature=Miniature(train=14, test=12, size=32, seed=3), size=32)
    write(tmp_path, wanted)
    prepared = prepare(tmp_path, wanted)
    train, test = read_all(prepared)
    assert (len(train), len(test)) == (14, 12)
    assert prepared.class_names == [name.replace(" ", "_") for name in SUBJECTS["creatures"].class_names]
    for split, samples in (("train", train), ("test", test)):
        for index, sample in enumerate(samples):
            drawn = picture("creatures", split, index, size=32, seed=3)
            assert sample.label == drawn.label and (sample.attributes == drawn.attributes).all()
            assert sample.bbox == drawn.bbox
            assert np.abs(sample.image.astype(int) - drawn.image).mean() < 12
    for sample in read_all(prepare(tmp_path, wanted.model_copy(update={"unit": "object"})))[0]:
        assert sample.bbox is None
