"""idx files: the literal layout, what is accepted as official or as a subset, and every way of being wrong."""

import gzip
import hashlib
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.datasets import mnist
from pipeline.datasets.formats import idx
from pipeline.datasets.raw.sources import Part, Source
from pipeline.errors import UserError

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)
LABELS = np.array([3, 1, 4, 1, 5], np.uint8)


def packed(values: np.ndarray) -> bytes:
    """The bytes of an idx file, written out by hand."""
    return bytes([0, 0, 8, values.ndim]) + b"".join(struct.pack(">I", side) for side in values.shape) + values.tobytes()


def official(source: Source, values: np.ndarray) -> Source:
    """`source`, were `values` the official content."""
    digest = hashlib.md5(packed(values)).hexdigest()
    return replace(source, parts=(Part(source.parts[0].name, digest, len(values)),))


@pytest.fixture
def sources() -> tuple[Source, ...]:
    """Training images and labels whose official content is the pair above, and the same again as test files."""
    train = official(mnist.SOURCES[0], IMAGES), official(mnist.SOURCES[1], LABELS)
    return train + train


@pytest.fixture
def raw(tmp_path) -> Path:
    """raw_dir with the official pair."""
    write(tmp_path, "train-images-idx3-ubyte", IMAGES)
    write(tmp_path, "train-labels-idx1-ubyte", LABELS)
    return tmp_path


def write(raw: Path, name: str, content: np.ndarray | bytes) -> None:
    content = packed(content) if isinstance(content, np.ndarray) else content
    (raw / "mnist").mkdir(exist_ok=True)
    (raw / "mnist" / f"{name}.gz").write_bytes(gzip.compress(content))


def test_official_pair_is_read(raw, sources):
    for images, labels in idx.read_splits(raw, sources, side=28).values():
        assert np.array_equal(images, IMAGES) and np.array_equal(labels, LABELS)


def test_unpacked_names_are_accepted(raw, sources):
    for file in list((raw / "mnist").iterdir()):
        file.with_suffix("").write_bytes(gzip.decompress(file.read_bytes()))
        file.unlink()
    images, labels = idx.read_splits(raw, sources, side=28)["train"]
    assert np.array_equal(images, IMAGES) and np.array_equal(labels, LABELS)


def test_fewer_rows_are_a_subset(raw, sources):
    write(raw, "train-images-idx3-ubyte", IMAGES[:2])
    write(raw, "train-labels-idx1-ubyte", LABELS[:2])
    images, labels = idx.read_splits(raw, sources, side=28)["train"]
    assert np.array_equal(images, IMAGES[:2]) and np.array_equal(labels, LABELS[:2])


def test_counts_must_be_equal(raw, sources):
    write(raw, "train-labels-idx1-ubyte", LABELS[:4])
    with pytest.raises(UserError, match=r"mnist: train-images.*holds 5 images, train-labels.* 4 labels"):
        idx.read_splits(raw, sources, side=28)


@pytest.mark.parametrize("rows", [0, 5, 6])
def test_full_size_with_other_content_is_refused(raw, sources, rows):
    write(raw, "train-images-idx3-ubyte", np.zeros((rows, 28, 28), np.uint8))
    with pytest.raises(UserError, match=rf"train-images-idx3-ubyte\.gz: damaged or altered, {rows} rows .* delete .*"):
        idx.read(raw, sources[0], row=(28, 28))


def test_other_labels_in_the_official_number_are_refused(tmp_path):
    write(tmp_path, "train-labels-idx1-ubyte", np.zeros(60_000, np.uint8))
    with pytest.raises(UserError, match="damaged or altered"):
        idx.read(tmp_path, mnist.SOURCES[1], row=())


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (packed(IMAGES)[:-1], "3935 bytes, expected 3936 for 5 rows"),
        (packed(IMAGES) + b"\0", "3937 bytes, expected 3936 for 5 rows"),
        (packed(IMAGES)[:7], "7 bytes are less than its header"),
        (b"", "0 bytes are less than its header"),
        (packed(LABELS) + bytes(20), "begins with 00000801, expected 00000803"),
        (packed(IMAGES[:, :14]), "rows are 14×28, expected 28×28"),
    ],
)
def test_wrong_content_is_named(raw, sources, content, problem):
    write(raw, "train-images-idx3-ubyte", content)
    with pytest.raises(UserError, match=rf"train-images-idx3-ubyte\.gz: not a whole idx file \({problem}\); delete"):
        idx.read(raw, sources[0], row=(28, 28))


@pytest.mark.parametrize("damage", ["truncated", "flipped", "no gzip", "empty"])
def test_damaged_gzip_is_named(raw, sources, damage):
    file = raw / "mnist" / "train-images-idx3-ubyte.gz"
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    content = {"truncated": whole[:-900], "flipped": whole, "no gzip": packed(IMAGES), "empty": b""}[damage]
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"train-images-idx3-ubyte\.gz: not a whole idx file") as caught:
        idx.read(raw, sources[0], row=(28, 28))
    assert "\n" not in str(caught.value)
