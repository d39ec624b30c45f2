"""Coarse labels: the group of each sample's class, the class itself as attribute, and everything else as it was."""

import bz2
import gzip
import json
import struct
from importlib import import_module
from itertools import chain

import numpy as np
import pytest
from reading import read_all

from pipeline.datasets import digits, usps
from pipeline.datasets.coarse import coarse
from pipeline.datasets.samples import of_arrays
from pipeline.errors import UserError
from pipeline.settings import parse_slice
from pipeline.settings.datasets import Digits, Usps

EVEN, ODD = (0, 2, 4, 6, 8), (1, 3, 5, 7, 9)


def test_labels_are_groups_and_attributes_are_classes():
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 4), dtype=np.uint8)
    splits = {"train": (images, np.array([2, 0, 1, 2, 1])), "test": (images[:1], np.array([1]))}
    fine = of_arrays(splits, ("red", "green", "blue"))
    found = coarse(fine, ((1,), (2, 0)))
    assert found.class_names == ["green", "blue, red"] and found.names["attributes"] == ("red", "green", "blue")
    assert (found.mean, found.std) == (fine.mean, fine.std)
    train, test = read_all(found)
    assert [sample.label for sample in train + test] == [1, 1, 0, 1, 0, 0]
    assert np.array_equal([sample.attributes for sample in train + test], np.eye(3)[[2, 0, 1, 2, 1, 1]])
    assert [sample.sample_id for sample in train] == [f"train-{row:05d}" for row in range(5)]
    assert np.array_equal(np.stack([sample.image[..., 0] for sample in train]), images)


def test_without_groups_nothing_changes():
    images = np.zeros((1, 2, 2), np.uint8), np.array([0])
    plain = of_arrays({"train": images, "test": images}, ("one",))
    assert coarse(plain, None) is plain


def test_digits_are_even_and_odd():
    fine = digits.prepare(None, Digits(kind="digits", size=8))
    found = digits.prepare(None, Digits(kind="digits", size=8, group_classes=(EVEN, ODD)))
    assert found.class_names == ["0, 2, 4, 6, 8", "1, 3, 5, 7, 9"] and fine.columns == ()
    for one, other in zip(chain(*read_all(fine)), chain(*read_all(found)), strict=True):
        assert other.label == one.label % 2 and other.attributes.argmax() == one.label
        assert np.array_equal(one.image, other.image)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "kmnist"])
def test_idx_files_are_grouped(tmp_path, name):
    dataset = import_module(f"pipeline.datasets.{name}")
    for source, values in zip(
        dataset.SOURCES, (np.zeros((3, 28, 28)), [7, 0, 4], np.zeros((1, 28, 28)), [9]), strict=True
    ):
        values = np.array(values, np.uint8)
        header = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
        source.path(tmp_path).parent.mkdir(exist_ok=True)
        source.path(tmp_path).write_bytes(gzip.compress(header + values.tobytes()))
    settings = parse_slice("dataset", json.dumps({"from": name, "group_classes": [EVEN, ODD]}))
    train, test = read_all(dataset.prepare(tmp_path, settings))
    assert [(sample.label, sample.attributes.argmax()) for sample in train + test] == [(1, 7), (0, 0), (0, 4), (1, 9)]


def test_usps_is_grouped(tmp_path):
    (tmp_path / "usps").mkdir()
    (tmp_path / "usps" / "usps.bz2").write_bytes(bz2.compress(b"10 1:1\n1 17:-1\n"))
    (tmp_path / "usps" / "usps.t.bz2").write_bytes(bz2.compress(b"4 256:-1\n"))
    train, test = read_all(usps.prepare(tmp_path, Usps(kind="usps", group_classes=(EVEN, ODD))))
    assert [(sample.label, sample.attributes.argmax()) for sample in train + test] == [(1, 9), (0, 0), (1, 3)]


@pytest.mark.parametrize(
    ("groups", "named"),
    [
        ([[0, 2, 4, 6, 8], [1, 3, 5, 7]], "each of the classes 0..9 once, not [0, 1, 2, 3, 4, 5, 6, 7, 8]"),
        ([[0, 2, 4, 6, 8], [1, 3, 5, 7, 9, 0]], "once, not [0, 0, 1"),
        ([[0, 2, 4, 6, 8], [1, 3, 5, 7, 9, 10]], "8, 9, 10]"),
        ([list(range(10))], "group_classes"),
        ([list(range(10)), []], "group_classes.1"),
    ],
)
@pytest.mark.parametrize("kind", ["digits", "mnist", "fashion_mnist", "kmnist", "usps"])
def test_groups_that_are_no_partition_are_refused(kind, groups, named):
    with pytest.raises(UserError) as problem:
        parse_slice("dataset", json.dumps({"from": kind, "group_classes": groups}))
    assert named in str(problem.value) and "\n" not in str(problem.value)
