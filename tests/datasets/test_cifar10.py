"""CIFAR-10: real batches, batches of every age, and pickles that are none."""

import pickle
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from reading import read_all

from pipeline.datasets import cifar10
from pipeline.errors import UserError
from pipeline.settings.datasets import Cifar10

SETTINGS = Cifar10(kind="cifar10")
BATCHES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
PIXELS = np.random.default_rng(0).integers(0, 256, (3, 3072), dtype=np.uint8)


class Hostile:
    """A pickle that runs a command when it is read."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return (exec, (f"open({str(self.trace)!r}, 'w').close()",))


@pytest.fixture
def raw(tmp_path) -> Path:
    """raw_dir with a small unpacked folder: three rows a batch, labels b, b + 1, b + 2 in the b-th."""
    folder = tmp_path / cifar10.FOLDER
    folder.mkdir()
    for number, name in enumerate(BATCHES):
        write(folder / name, {b"data": PIXELS, b"labels": [number, number + 1, number + 2]})
    return tmp_path


def write(file: Path, batch: object, protocol: int = 2) -> None:
    file.write_bytes(pickle.dumps(batch, protocol=protocol))


def as_archive(raw: Path) -> None:
    with tarfile.open(raw / "cifar-10-python.tar.gz", "w:gz") as tar:
        tar.add(raw / cifar10.FOLDER, arcname=cifar10.FOLDER)
    shutil.rmtree(raw / cifar10.FOLDER)


@pytest.mark.real_data
def test_real_batches_from_folder_and_archive(real_data, tmp_path):
    (tmp_path / "cifar-10-python.tar.gz").symlink_to(real_data / "cifar-10.tar.gz")
    from_archive = read_all(cifar10.prepare(tmp_path, SETTINGS))
    shutil.unpack_archive(real_data / "cifar-10.tar.gz", tmp_path)
    (tmp_path / "cifar-10-python.tar.gz").unlink()
    train, test = read_all(cifar10.prepare(tmp_path, SETTINGS))
    assert (len(train), len(test)) == (6000, 600)
    for packed, unpacked in zip([*from_archive[0], *from_archive[1]], train + test, strict=True):
        assert (packed.sample_id, packed.label) == (unpacked.sample_id, unpacked.label)
        assert np.array_equal(packed.image, unpacked.image)
    # The first images of the official batch: a frog, two trucks, a deer, two automobiles.
    assert [sample.label for sample in train[:6]] == [6, 9, 9, 4, 1, 1]
    assert np.stack([sample.image for sample in test]).mean((0, 1, 2)) / 255 == pytest.approx(cifar10.MEAN, abs=0.02)


def test_rows_are_planes_of_red_green_blue(raw):
    train, test = read_all(cifar10.prepare(raw, SETTINGS))
    for row, column, channel in [(0, 0, 0), (3, 5, 1), (31, 30, 2)]:
        assert train[1].image[row, column, channel] == PIXELS[1, 1024 * channel + 32 * row + column]
    assert [sample.label for sample in train] == [0, 1, 2, 1, 2, 3, 2, 3, 4, 3, 4, 5, 4, 5, 6]
    assert [sample.sample_id for sample in test] == ["test-00000", "test-00001", "test-00002"]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("keys", [(b"data", b"labels"), ("data", "labels")])
def test_batches_saved_anew_are_read(raw, protocol, keys):
    write(raw / cifar10.FOLDER / "test_batch", dict(zip(keys, (PIXELS, [7, 8, 9]), strict=True)), protocol)
    _, test = read_all(cifar10.prepare(raw, SETTINGS))
    assert [sample.label for sample in test] == [7, 8, 9]
    images = np.stack([sample.image for sample in test])
    assert np.array_equal(images.transpose(0, 3, 1, 2).reshape(3, 3072), PIXELS)


@pytest.mark.parametrize("archive", [False, True])
@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_hostile_pickle_is_refused_and_does_not_run(raw, tmp_path, archive, protocol):
    trace = tmp_path / "trace"
    write(raw / cifar10.FOLDER / "data_batch_2", {b"data": PIXELS, b"labels": Hostile(trace)}, protocol)
    if archive:
        as_archive(raw)
    with pytest.raises(UserError, match=r"data_batch_2: .*asks for (builtins|__builtin__)\.exec.*do not trust it"):
        cifar10.prepare(raw, SETTINGS)
    assert not trace.exists()


def test_full_size_with_other_content_is_refused(raw):
    write(raw / cifar10.FOLDER / "test_batch", {b"data": np.zeros((10_000, 3072), np.uint8), b"labels": [0] * 10_000})
    with pytest.raises(UserError, match=r"test_batch: damaged or altered, 10000 rows .* delete .*cifar-10-batches-py"):
        cifar10.prepare(raw, SETTINGS)


@pytest.mark.parametrize(
    ("batch", "problem"),
    [
        ([1, 2], "TypeError"),
        ({b"data": PIXELS}, "KeyError: 'labels'"),
        ({b"data": PIXELS[:, :-1], b"labels": [0, 1, 2]}, r"ValueError: data uint8 \(3, 3071\)"),
        ({b"data": PIXELS.astype(float), b"labels": [0, 1, 2]}, "ValueError: data float64"),
        ({b"data": PIXELS, b"labels": [0, 1]}, "ValueError: 3 images, 2 labels"),
        ({b"data": PIXELS, b"labels": ["frog"] * 3}, "ValueError: .* labels <U4"),
        ({b"data": b"pixels", b"labels": [0, 1, 2]}, "AttributeError"),
    ],
)
def test_pickles_that_are_no_batch_are_named(raw, batch, problem):
    write(raw / cifar10.FOLDER / "data_batch_5", batch, protocol=4)
    with pytest.raises(UserError, match=rf"data_batch_5: not a batch of CIFAR-10 \({problem}"):
        cifar10.prepare(raw, SETTINGS)


def test_truncated_batch_is_named(raw):
    file = raw / cifar10.FOLDER / "data_batch_1"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(UserError, match="data_batch_1: not a batch of CIFAR-10"):
        cifar10.prepare(raw, SETTINGS)


@pytest.mark.parametrize("archive", [False, True])
def test_missing_batch_is_named(raw, archive):
    (raw / cifar10.FOLDER / "data_batch_3").unlink()
    if archive:
        as_archive(raw)
    with pytest.raises(UserError, match="data_batch_3: is missing; put it there, or delete"):
        cifar10.prepare(raw, SETTINGS)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "no archive"])
def test_damaged_archive_is_named(raw, damage):
    as_archive(raw)
    file = raw / "cifar-10-python.tar.gz"
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    file.write_bytes({"truncated": whole[: len(whole) // 3], "flipped": whole, "no archive": b"<html>"}[damage])
    with pytest.raises(UserError, match=r"cifar-10-python\.tar\.gz.*; delete .*cifar-10-python\.tar\.gz to have"):
        cifar10.prepare(raw, SETTINGS)
