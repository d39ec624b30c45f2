"""MNIST and Fashion-MNIST: the real files, and the tables made of them."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from pipeline.artifacts import table_notes
from pipeline.datasets import mnist
from pipeline.images import decode
from pipeline.settings.datasets import FashionMnist, Mnist


@pytest.mark.real_data
def test_real_mnist_is_official(real_data):
    tables = mnist.prepare(real_data, Mnist(kind="mnist"))
    assert {split: table.num_rows for split, table in tables.items()} == {"train": 60_000, "test": 10_000}
    assert [table_notes(table)["notices"] for table in tables.values()] == [[], []]
    assert tables["train"]["label"][:5].to_pylist() == [5, 0, 4, 1, 9]
    # The published mean and standard deviation, from the pixels themselves.
    pixels = decode("train", tables["train"]["image"])
    notes = table_notes(tables["train"])
    assert pixels.shape == (60_000, 28, 28, 1)
    assert (pixels / np.float32(255)).mean(dtype=np.float64) == pytest.approx(notes["mean"][0], abs=1e-4)
    assert (pixels / np.float32(255)).std(dtype=np.float64) == pytest.approx(notes["std"][0], abs=1e-4)


@pytest.mark.real_data
def test_real_fashion_mnist_is_official(real_data):
    tables = mnist.prepare_fashion(real_data, FashionMnist(kind="fashion_mnist"))
    assert {split: table.num_rows for split, table in tables.items()} == {"train": 60_000, "test": 10_000}
    notes = table_notes(tables["test"])
    assert notes["notices"] == []
    assert [notes["class_names"][label] for label in tables["test"]["label"][:3].to_pylist()] == [
        "Ankle boot", "Pullover", "Trouser",
    ]


def test_tables_of_a_subset(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (4, 28, 28), dtype=np.uint8)
    write(tmp_path / "train-images-idx3-ubyte.gz", values)
    write(tmp_path / "train-labels-idx1-ubyte.gz", np.array([0, 9, 2, 2], np.uint8))
    write(tmp_path / "t10k-images-idx3-ubyte.gz", values[:1])
    write(tmp_path / "t10k-labels-idx1-ubyte.gz", np.array([7], np.uint8))
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "fashion-mnist").symlink_to(tmp_path)
    tables = mnist.prepare_fashion(tmp_path / "raw", FashionMnist(kind="fashion_mnist"))
    assert tables["train"]["sample_id"].to_pylist() == ["train-00000", "train-00001", "train-00002", "train-00003"]
    assert tables["test"]["sample_id"].to_pylist() == ["test-00000"]
    assert tables["train"]["label"].to_pylist() == [0, 9, 2, 2]
    assert np.array_equal(decode("train", tables["train"]["image"])[..., 0], values)
    assert all(len(table_notes(table)["notices"]) == 2 for table in tables.values())
    assert table_notes(tables["test"])["mean"] == [0.286]


def write(path: Path, values: np.ndarray) -> None:
    header = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    path.write_bytes(gzip.compress(header + values.tobytes()))
