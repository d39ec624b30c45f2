"""MNIST and its look-alikes: the real files, and what is read from them."""

import bz2
import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from reading import read_all

from pipeline.datasets import fashion_mnist, kmnist, mnist, usps
from pipeline.errors import UserError
from pipeline.settings.datasets import FashionMnist, Kmnist, Mnist, Usps

USPS = Usps(kind="usps")


@pytest.mark.real_data
def test_real_mnist_is_official(real_data):
    prepared = mnist.prepare(real_data, Mnist(kind="mnist"))
    train, test = read_all(prepared)
    assert {"train": len(train), "test": len(test)} == mnist.OFFICIAL
    assert [sample.label for sample in train[:5]] == [5, 0, 4, 1, 9]
    # The published mean and standard deviation, from the pixels themselves.
    pixels = np.stack([sample.image for sample in train])
    assert pixels.shape == (60_000, 28, 28, 1)
    assert (pixels / np.float32(255)).mean(dtype=np.float64) == pytest.approx(prepared.mean[0], abs=1e-4)
    assert (pixels / np.float32(255)).std(dtype=np.float64) == pytest.approx(prepared.std[0], abs=1e-4)


@pytest.mark.real_data
def test_real_fashion_mnist_is_official(real_data):
    prepared = fashion_mnist.prepare(real_data, FashionMnist(kind="fashion_mnist"))
    train, test = read_all(prepared)
    assert {"train": len(train), "test": len(test)} == fashion_mnist.OFFICIAL
    assert [prepared.class_names[sample.label] for sample in test[:3]] == ["Ankle boot", "Pullover", "Trouser"]


@pytest.mark.parametrize(
    ("dataset", "folder", "settings"),
    [(fashion_mnist, "fashion-mnist", FashionMnist(kind="fashion_mnist")), (kmnist, "kmnist", Kmnist(kind="kmnist"))],
)
def test_samples_of_a_subset(tmp_path, dataset, folder, settings):
    values = np.random.default_rng(0).integers(0, 256, (4, 28, 28), dtype=np.uint8)
    (tmp_path / folder).mkdir()
    write(tmp_path / folder / "train-images-idx3-ubyte.gz", values)
    write(tmp_path / folder / "train-labels-idx1-ubyte.gz", np.array([0, 9, 2, 2], np.uint8))
    write(tmp_path / folder / "t10k-images-idx3-ubyte.gz", values[:1])
    write(tmp_path / folder / "t10k-labels-idx1-ubyte.gz", np.array([7], np.uint8))
    train, test = read_all(dataset.prepare(tmp_path, settings))
    assert [sample.sample_id for sample in train] == ["train-00000", "train-00001", "train-00002", "train-00003"]
    assert [sample.sample_id for sample in test] == ["test-00000"]
    assert [sample.label for sample in train + test] == [0, 9, 2, 2, 7]
    assert np.array_equal(np.stack([sample.image[..., 0] for sample in train]), values)


def test_usps_line_by_line(tmp_path):
    (tmp_path / "usps").mkdir()
    (tmp_path / "usps" / "usps.bz2").write_bytes(bz2.compress(b"10 1:1 2:-0.5 256:0.2\n1 17:-1\n"))
    (tmp_path / "usps" / "usps.t.bz2").write_bytes(bz2.compress(b"4 256:-1\n"))
    prepared = usps.prepare(tmp_path, USPS)
    train, test = read_all(prepared)
    assert [sample.label for sample in train + test] == [9, 0, 3]
    # Values -1, 0 (not listed) and 1 are black, grey and white; row-major, 16 a row.
    nine = train[0].image[..., 0]
    assert (nine[0, 0], nine[0, 1], nine[0, 2], nine[15, 15]) == (255, 64, 128, 153)
    assert train[1].image[1, 0, 0] == 0
    assert prepared.mean[0] == pytest.approx(np.mean([sample.image for sample in train]) / 255)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (bz2.compress(b"1 1:2\n"), "values beyond -1..1"),
        (bz2.compress(b"11 1:1\n"), "labels beyond 1..10"),
        (bz2.compress(b"one two\n"), "not a whole file of USPS"),
        (bz2.compress(b"1 1:1\n")[:-9], "not a whole file of USPS"),
        (b"<html>", "not a whole file of USPS"),
    ],
)
def test_wrong_usps_file_is_named(tmp_path, content, problem):
    (tmp_path / "usps").mkdir()
    (tmp_path / "usps" / "usps.bz2").write_bytes(content)
    (tmp_path / "usps" / "usps.t.bz2").write_bytes(bz2.compress(b"4 256:-1\n"))
    with pytest.raises(UserError, match=rf"usps\.bz2: .*{problem}.*delete"):
        usps.prepare(tmp_path, USPS)


def write(path: Path, values: np.ndarray) -> None:
    header = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    path.write_bytes(gzip.compress(header + values.tobytes()))
