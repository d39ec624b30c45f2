"""aYahoo: objects cut out and split at random."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from reading import read_all

from pipeline.datasets.ayahoo import OFFICIAL, prepare
from pipeline.datasets.samples import BadSample
from pipeline.datasets.toyworld.draw import SUBJECTS
from pipeline.datasets.toyworld.trees.ayahoo import write
from pipeline.errors import UserError
from pipeline.settings.datasets import Ayahoo, Miniature

#: As in the official list: 2,644 objects in 2,237 photographs, here 407 of them with two.
LINES = [
    f"bag_{number}.jpg {['donkey', 'bag'][number % 2]} 1 {1 + second} 6 {4 + second} {second} 0"
    for number in range(2237)
    for second in range(1 + (number < 407))
]


def settings(**given) -> Ayahoo:
    return Ayahoo(kind="ayahoo", **{"size": 4, **given})


@pytest.fixture
def raw_dir(tmp_path) -> Path:
    """Lists of the official length, and two photographs whose upper four rows are white."""
    lists, photos = tmp_path / "attribute_data", tmp_path / "ayahoo_test_images"
    lists.mkdir()
    photos.mkdir()
    (lists / "class_names.txt").write_text("person\ndonkey\nbag\n")
    (lists / "attribute_names.txt").write_text("Tail\nHandle\n")
    (lists / "ayahoo_test.txt").write_text("\n".join(LINES))
    pixels = np.zeros((8, 6, 3), np.uint8)
    pixels[:4] = 255
    for number in (0, 1):
        Image.fromarray(pixels).save(photos / f"bag_{number}.jpg", quality=100)
    return tmp_path


def listed(prepared) -> tuple[list[str], list[str]]:
    """Photographs of the samples of each split, unread."""
    return tuple([read.args[2].image for read in split] for split in (prepared.train, prepared.test))


def test_official_numbers(raw_dir):
    prepared = prepare(raw_dir, settings())
    train, test = listed(prepared)
    assert (len(train), len(test)) == (1850, 794) == tuple(OFFICIAL.values())
    assert set(train) & set(test)
    assert Counter(train + test) == {f"bag_{number}.jpg": 1 + (number < 407) for number in range(2237)}
    assert listed(prepare(raw_dir, settings())) == (train, test) != listed(prepare(raw_dir, settings(seed=1)))
    assert prepared.class_names == ["donkey", "bag"]


def test_split_by_photograph(raw_dir):
    train, test = listed(prepare(raw_dir, settings(split="image")))
    assert not set(train) & set(test) and len(train) + len(test) == 2644
    assert 1850 <= len(train) <= 1851


def test_objects_are_cut_out(raw_dir):
    (raw_dir / "attribute_data/ayahoo_test.txt").write_text("\n".join([*LINES[:2], LINES[2]]))
    train, test = read_all(prepare(raw_dir, settings()))
    found = {sample.sample_id: sample for sample in train + test}
    assert found.keys() == {"bag_0.jpg#1", "bag_0.jpg#2", "bag_1.jpg#1"}
    first, second = found["bag_0.jpg#1"], found["bag_0.jpg#2"]
    # Rows 1 to 4 are white, of rows 2 to 5 the last one is black.
    assert first.image.min() > 245
    assert second.image[:3].min() > 245 and second.image[3].max() < 10
    assert (first.label, first.attributes.tolist(), first.group) == (0, [0, 0], "bag_0.jpg")
    assert second.attributes.tolist() == [1, 0] and found["bag_1.jpg#1"].label == 1
    assert first.source == "ayahoo_test_images/bag_0.jpg"


def test_missing_files_are_named(raw_dir):
    prepared = prepare(raw_dir, settings())
    missing = next(read for read in prepared.train if read.args[2].image == "bag_7.jpg")
    with pytest.raises(BadSample, match=r"ayahoo_test_images/bag_7\.jpg: no such file"):
        missing()
    (raw_dir / "attribute_data/ayahoo_test.txt").unlink()
    with pytest.raises(UserError, match=r"ayahoo_test\.txt: no such file"):
        prepare(raw_dir, settings())


def test_miniature(tmp_path):
    wanted = settings(miniature=Miniature(train=14, test=6, size=48), size=16)
    write(tmp_path, wanted)
    prepared = prepare(tmp_path, wanted)
    train, test = read_all(prepared)
    assert (len(train), len(test)) == (14, 6)
    assert prepared.class_names == [name.replace(" ", "_") for name in SUBJECTS["creatures"].class_names]
    assert sorted(Counter(sample.group for sample in train + test).values()) == [1] * 16 + [2] * 2
