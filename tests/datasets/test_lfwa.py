"""LFWA: faces and MATLAB's files of their attributes, written here as MATLAB stores them."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from reading import read_all

from pipeline.datasets.lfwa import prepare, read_attributes, read_split
from pipeline.datasets.samples import BadSample
from pipeline.datasets.toyworld.draw import SUBJECTS
from pipeline.datasets.toyworld.trees.lfwa import write
from pipeline.errors import UserError
from pipeline.settings.datasets import Lfwa, Miniature

NAMES = [r"Ann_Lee\Ann_Lee_0001.jpg", r"Ann_Lee\Ann_Lee_0002.jpg", r"Bo_Day\Bo_Day_0001.jpg", r"Zoë_A\Zoë_A_0001.jpg"]
ATTRIBUTES = ["Male", "Wearing Hat", "5 o Clock Shadow "]
LABELS = np.array([[0, 1, 0], [0, 0, 0], [1, 1, 1], [0, 1, 1]])


def settings(**given) -> Lfwa:
    return Lfwa(kind="lfwa", **{"size": 8, **given})


def cells(content: h5py.File, field: str, texts: list[str], *, column: bool) -> None:
    """A cell array of texts: a row or a column of references to columns of UTF-16 numbers."""
    references = []
    for number, text in enumerate(texts):
        letters = content.require_group("#refs#").create_dataset(f"{field}{number}", (len(text), 1), np.uint16)
        letters[:, 0] = [ord(letter) for letter in text]
        references.append(letters.ref)
    table = content.create_dataset(field, (1, len(texts)) if column else (len(texts), 1), h5py.ref_dtype)
    table[...] = np.array(references, dtype=h5py.ref_dtype).reshape(table.shape)


def write_mats(raw_dir: Path, names=NAMES, labels=LABELS, attributes=ATTRIBUTES, train=(1, 2), test=(4, 3)) -> None:
    (raw_dir / "lfwa").mkdir(exist_ok=True)
    # MATLAB puts a header of its own before HDF5.
    with h5py.File(raw_dir / "lfwa/lfw_att_40.mat", "w", userblock_size=512) as content:
        cells(content, "name", names, column=True)
        cells(content, "AttrName", attributes, column=False)
        content["label"] = np.asarray(labels, float).T
    with h5py.File(raw_dir / "lfwa/indices_train_test.mat", "w", userblock_size=512) as content:
        content["indices_img_train"] = np.array([train], float)
        content["indices_img_test"] = np.array([test], float).T
    for file in ("lfw_att_40.mat", "indices_train_test.mat"):
        with (raw_dir / "lfwa" / file).open("r+b") as content:
            content.write(b"MATLAB 7.3 MAT-file".ljust(512))


@pytest.fixture
def raw_dir(tmp_path) -> Path:
    write_mats(tmp_path)
    for number, name in enumerate(NAMES):
        file = tmp_path / "lfw" / name.replace("\\", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (12, 12), 50 * number).save(file)
    return tmp_path


def test_official_tree(raw_dir):
    prepared = prepare(raw_dir, settings())
    train, test = read_all(prepared)
    assert prepared.class_names == ["no Male", "Male"] and prepared.notices == []
    assert prepared.names == {"attributes": ["Male", "Wearing Hat", "5 o Clock Shadow"]}
    assert [(sample.sample_id, sample.label, sample.group) for sample in train + test] == [
        ("Ann_Lee_0001", 0, "Ann_Lee"), ("Ann_Lee_0002", 0, "Ann_Lee"),
        ("Zoë_A_0001", 0, "Zoë_A"), ("Bo_Day_0001", 1, "Bo_Day"),
    ]  # fmt: skip
    assert [sample.attributes.tolist() for sample in train + test] == LABELS[[0, 1, 3, 2]].tolist()
    assert [sample.image.mean() for sample in train + test] == [0, 50, 150, 100]
    assert test[0].source == "lfw/Zoë_A/Zoë_A_0001.jpg"
    # The face network wants (v - 127.5) / 128.
    standard = (np.array([0, 127.5, 255]) / 255 - prepared.mean[0]) / prepared.std[0]
    assert standard == pytest.approx([-127.5 / 128, 0, 127.5 / 128])


@pytest.mark.parametrize("label", ["Wearing Hat", "Wearing_Hat", "wearing hat"])
def test_any_attribute_may_be_the_label(raw_dir, label):
    prepared = prepare(raw_dir, settings(label=label))
    train, test = read_all(prepared)
    assert prepared.class_names == ["no Wearing Hat", "Wearing Hat"]
    assert [sample.label for sample in train + test] == [1, 0, 1, 1]


@pytest.mark.parametrize("label", ["person", "Person"])
def test_the_person_may_be_the_label(raw_dir, label):
    prepared = prepare(raw_dir, settings(label=label))
    train, test = read_all(prepared)
    assert prepared.class_names == ["Ann_Lee", "Bo_Day", "Zoë_A"]
    assert [sample.label for sample in train] == [0, 0] and [sample.label for sample in test] == [2, 1]
    assert all(prepared.class_names[sample.label] == sample.group for sample in train + test)


def test_an_unknown_label_is_named(raw_dir):
    for label, meant in (("Mal", "Male"), ("persons", "person")):
        with pytest.raises(UserError, match=rf"lfw_att_40\.mat: unknown attribute '{label}'; did you mean '{meant}'\?"):
            prepare(raw_dir, settings(label=label))


def test_people_in_both_halves_are_noticed(raw_dir):
    write_mats(raw_dir, train=(1, 3), test=(2, 4))
    assert prepare(raw_dir, settings()).notices == ["1 people are in training and test images"]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"labels": LABELS * 2}, r"lfw_att_40\.mat: label is 4×3, expected 4×3, a row a face, all 0 or 1"),
        ({"labels": LABELS[:3]}, r"lfw_att_40\.mat: label is 3×3, expected 4×3"),
        ({"test": (3, 5)}, r"indices_train_test\.mat: expected different whole numbers of 1\.\.4"),
        ({"test": (3, 0)}, r"different whole numbers"),
        ({"test": (3, 2)}, r"different whole numbers"),
        ({"test": (3, 1.5)}, r"different whole numbers"),
    ],
)
def test_wrong_values_are_named(raw_dir, wrong, reason):
    write_mats(raw_dir, **wrong)
    with pytest.raises(UserError, match=reason + ".*; replace .* by the official .* from http"):
        prepare(raw_dir, settings())


@pytest.mark.parametrize("field", ["name", "AttrName", "label", "indices_img_train", "indices_img_test"])
def test_missing_fields_are_named(raw_dir, field):
    file = raw_dir / "lfwa" / ("indices_train_test.mat" if field.startswith("indices") else "lfw_att_40.mat")
    with h5py.File(file, "r+") as content:
        del content[field]
    with pytest.raises(UserError, match=rf"{file.name}: not a whole file of MATLAB 7\.3 \(.*{field}"):
        prepare(raw_dir, settings())


@pytest.mark.parametrize("content", [b"", b"MATLAB 5.0 MAT-file", None])
def test_damaged_files_are_named(raw_dir, content):
    file = raw_dir / "lfwa/lfw_att_40.mat"
    file.write_bytes(file.read_bytes()[:2000] if content is None else content)
    with pytest.raises(UserError, match=r"lfw_att_40\.mat: not a whole file of MATLAB 7\.3"):
        read_attributes(file)
    file.unlink()
    with pytest.raises(UserError, match=r"lfw_att_40\.mat: is missing and cannot be downloaded; .*non-commercial"):
        prepare(raw_dir, settings())


def test_texts_that_are_none_are_named(raw_dir):
    with h5py.File(raw_dir / "lfwa/lfw_att_40.mat", "r+") as content:
        content["name"][0, 1] = content["label"].ref
        del content["AttrName"]
        content["AttrName"] = np.zeros((3, 1))
    with pytest.raises(UserError, match=r"lfw_att_40\.mat: not a whole file"):
        read_attributes(raw_dir / "lfwa/lfw_att_40.mat")


def test_a_missing_face_is_a_bad_sample(raw_dir):
    (raw_dir / "lfw/Bo_Day/Bo_Day_0001.jpg").unlink()
    with pytest.raises(BadSample, match=r"lfw/Bo_Day/Bo_Day_0001\.jpg: no such file"):
        read_all(prepare(raw_dir, settings()))


def test_miniature(tmp_path):
    wanted = settings(miniature=Miniature(train=14, test=12, size=32), size=16)
    write(tmp_path, wanted)
    prepared = prepare(tmp_path, wanted)
    train, test = read_all(prepared)
    subject = SUBJECTS["faces"]
    assert (len(train), len(test)) == (14, 12)
    assert prepared.names["attributes"] == list(subject.attribute_names)
    assert {sample.group for sample in test} == {name.replace(" ", "_") for name in subject.class_names}
    assert {sample.label for sample in train + test} == {0, 1}
    male = subject.attribute_names.index("Male")
    assert all(sample.label == sample.attributes[male] for sample in train + test)


@pytest.mark.real_data
def test_real_faces(unpacked, tmp_path):
    """Real faces with attributes in MATLAB's form: the folders that a third party sorted them into stand for one."""
    raw_dir = unpacked("lfw.tar")
    rows = [line.split("\t") for line in (raw_dir / "lfw_gender_folders.txt").read_text().splitlines()[1:121]]
    names = [f"{person}\\{person}_{int(number):04d}.jpg" for person, number, _ in rows]
    labels = [[folder == "male", 1] for *_, folder in rows]
    (tmp_path / "lfw").symlink_to(raw_dir / "lfw")
    write_mats(tmp_path, names, labels, ["Male", "Young"], train=range(1, 61), test=range(61, 121))
    prepared = prepare(tmp_path, settings(size=64))
    train, test = read_all(prepared)
    assert (len(train), len(test)) == (60, 60) and prepared.notices == []
    assert [sample.label for sample in train + test] == [int(folder == "male") for *_, folder in rows]
    assert [sample.group for sample in train + test] == [person for person, *_ in rows]
    # The published copies are grey.
    assert all((np.ptp(sample.image, axis=2) == 0).all() and sample.image.std() > 10 for sample in train + test)


def test_split_rows_count_from_zero(raw_dir):
    assert read_split(raw_dir / "lfwa/indices_train_test.mat", 4) == ([0, 1], [3, 2])
