"""Animals with Attributes 2: lists by hand, in miniature and as published."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from reading import read_all

from pipeline.datasets.awa2 import OFFICIAL, prepare
from pipeline.datasets.samples import BadSample
from pipeline.datasets.toyworld.draw import SUBJECTS
from pipeline.datasets.toyworld.trees.awa2 import write
from pipeline.errors import UserError
from pipeline.settings.datasets import Awa2, Miniature


def settings(**given) -> Awa2:
    return Awa2(kind="awa2", **{"size": 4, **given})


def draw(folder: Path, name: str, count: int, level: int = 0) -> None:
    place = folder / "Animals_with_Attributes2/JPEGImages" / name
    place.mkdir(parents=True)
    for number in range(count):
        Image.new("RGB", (8, 6), (level, level, level)).save(place / f"{name}_{10001 + number}.jpg")


@pytest.fixture
def raw_dir(tmp_path) -> Path:
    draw(tmp_path, "antelope", 4)
    draw(tmp_path, "killer+whale", 6, level=200)
    place = tmp_path / "Animals_with_Attributes2"
    (place / "classes.txt").write_text("     1\tantelope\n     2\tgrizzly+bear\n     3\tkiller+whale\n")
    (place / "predicates.txt").write_text("     1\tblack\n     2\twhite\n     3\tblue\n     4\ttail\n")
    (place / "predicate-matrix-binary.txt").write_text("0 0 0 1\n1 0 0 1\n1 1 0 0\n")
    return tmp_path


def test_a_photograph_has_the_attributes_of_its_class(raw_dir):
    prepared = prepare(raw_dir, settings())
    train, test = read_all(prepared)
    assert (len(train), len(test)) == (7, 3)
    assert prepared.class_names == ["antelope", "killer whale"]
    assert prepared.notices == ["2 of 3 classes occur in the files; labels count those only"]
    assert prepared.names == {"attributes": ["black", "white", "blue", "tail"]}
    for sample in train + test:
        whale = sample.sample_id.startswith("killer+whale_1000")
        assert sample.label == whale and sample.image.mean() == (200 if whale else 0)
        assert sample.attributes.tolist() == ([1, 1, 0, 0] if whale else [0, 0, 0, 1])
    assert test[0].source.startswith("Animals_with_Attributes2/JPEGImages/")
    assert {sample.sample_id for sample in train} != {
        sample.sample_id for sample in read_all(prepare(raw_dir, settings(seed=1)))[0]
    }


def test_official_numbers(raw_dir):
    place = raw_dir / "Animals_with_Attributes2/JPEGImages/antelope"
    for number in range(37_322 - 10):
        (place / f"{number}.jpg").touch()
    prepared = prepare(raw_dir, settings())
    assert {"train": len(prepared.train), "test": len(prepared.test)} == OFFICIAL


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("classes", "1 antelope\n3 zebra\n", r"'3 zebra' after 1 lines, expected numbers from 1"),
        ("classes", "1 antelope\n2 antelope\n", r"'2 antelope' after 1 lines, expected .*"),
        ("classes", "1 antelope\n", r"predicate-matrix-binary\.txt: 3 rows, expected one for each of 1 classes"),
        ("classes", "antelope\n", r"classes\.txt:1: 1 fields, expected 2"),
        ("predicates", "1 black\n2 white\n", r"row 1 has '0 0 1', expected 2 times 0 or 1"),
        ("predicate-matrix-binary", "0 0 1\n", r"predicate-matrix-binary\.txt:1: 3 fields, expected 4"),
        ("predicate-matrix-binary", "0 0 0 1\n1 0 0 -1\n1 1 0 0\n", r"row 2 has '-1', expected 4 times 0 or 1"),
        ("predicates", None, r"predicates\.txt: no such file"),
    ],
)
def test_malformed_lists_are_named(raw_dir, name, text, reason):
    file = raw_dir / f"Animals_with_Attributes2/{name}.txt"
    file.unlink() if text is None else file.write_text(text)
    with pytest.raises(UserError, match=rf"{reason}; replace it by the official one in AwA2-data\.zip from https"):
        prepare(raw_dir, settings())


def test_missing_and_damaged_photographs_are_named(raw_dir):
    file = raw_dir / "Animals_with_Attributes2/JPEGImages/antelope/antelope_10002.jpg"
    file.write_text("no image")
    prepared = prepare(raw_dir, settings())
    with pytest.raises(BadSample, match=r"antelope_10002\.jpg: not a whole image"):
        read_all(prepared)
    shutil.rmtree(raw_dir / "Animals_with_Attributes2/JPEGImages")
    with pytest.raises(UserError, match=r"JPEGImages: has no <class>/\*\.jpg"):
        prepare(raw_dir, settings())


def test_miniature(tmp_path):
    wanted = settings(miniature=Miniature(train=20, test=10, size=32), size=16)
    write(tmp_path, wanted)
    prepared = prepare(tmp_path, wanted)
    train, test = read_all(prepared)
    assert (len(train), len(test)) == (21, 9)
    subject = SUBJECTS["creatures"]
    assert prepared.class_names == list(subject.class_names)
    assert prepared.names["attributes"] == list(subject.attribute_names)
    for sample in train + test:
        assert (sample.attributes == subject.class_attributes[sample.label]).all()


@pytest.mark.real_data
def test_real_lists(unpacked, tmp_path):
    """The first edition's lists, which the second one took over, with a few drawn photographs."""
    shutil.copytree(unpacked("awa.tar") / "Animals_with_Attributes", tmp_path / "Animals_with_Attributes2")
    for name in ("zebra", "giant+panda", "antelope", "dolphin"):
        draw(tmp_path, name, 5)
    prepared = prepare(tmp_path, settings())
    train, test = read_all(prepared)
    assert (len(train), len(test)) == (14, 6)
    assert prepared.class_names == ["antelope", "zebra", "giant panda", "dolphin"]
    names = prepared.names["attributes"]
    assert len(names) == 85 and names[:3] == ["black", "white", "blue"]
    attributes = {sample.label: dict(zip(names, sample.attributes, strict=True)) for sample in train + test}
    zebra, dolphin = attributes[1], attributes[3]
    assert zebra["stripes"] and zebra["black"] and zebra["white"] and not zebra["flippers"]
    assert dolphin["flippers"] and dolphin["swims"] and not dolphin["stripes"]
    # The prevalence that the specification computed from the same matrix.
    matrix = np.loadtxt(tmp_path / "Animals_with_Attributes2/predicate-matrix-binary.txt")
    assert matrix.mean() == pytest.approx(0.368, abs=5e-4)
    for label, row in ((0, 0), (1, 37), (2, 38), (3, 49)):
        assert list(attributes[label].values()) == matrix[row].tolist()
