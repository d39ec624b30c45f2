"""Images in tables: there and back, and as other Parquet readers see them."""

import numpy as np
import pyarrow as pa
import pytest
from tables import write_images

from pipeline.artifacts import DATASET, IMAGE, read_notes, read_table, table_notes
from pipeline.datasets import table as writing
from pipeline.errors import UserError
from pipeline.images import decode, encode, read_images

RNG = np.random.default_rng(0)
IDS = ["a", "b", "c", "d"]
LABELS = np.array([0, 1, 2, 0])
CLASSES = ["cat", "dog", "fox"]


def write(path, images: np.ndarray, masks: np.ndarray | None = None, **notes) -> None:
    channels = images.shape[-1]
    write_images(
        path, IDS, images, LABELS, class_names=CLASSES, mean=[0.5] * channels, std=[0.25] * channels, masks=masks,
        **notes,
    )


def pictures(channels: int) -> np.ndarray:
    return RNG.integers(0, 256, (4, 5, 7, channels), dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_written_and_read_back_without_loss(tmp_path, channels):
    images, masks = pictures(channels), RNG.random((4, 5, 7)) > 0.5
    path = str(tmp_path / "t.parquet")
    write(path, images, masks)
    back = read_table(path, DATASET)
    assert np.array_equal(decode("t", back["image"]), images)
    assert np.array_equal(decode("t", back["mask"])[..., 0], masks * np.uint8(255))
    assert np.array_equal(decode("t", back.slice(1, 2)["image"]), images[1:3])
    assert back["sample_id"].to_pylist() == IDS
    assert back["label"].to_pylist() == LABELS.tolist()
    assert np.array_equal(read_images(path, column="mask")[..., 0] > 0, masks)


@pytest.mark.parametrize("group", [1, 2, 4, 1000])
@pytest.mark.parametrize("limit", [None, 1, 2, 3, 4])
def test_read_in_pieces_as_in_one(tmp_path, monkeypatch, group, limit):
    monkeypatch.setattr(writing, "GROUP_ROWS", group)
    images = pictures(3)
    path = str(tmp_path / "t.parquet")
    write(path, images)
    assert np.array_equal(read_images(path, limit), images[:limit])


def test_notes_are_kept_with_what_the_dataset_says(tmp_path):
    path = tmp_path / "t.parquet"
    write(path, pictures(1), dataset="animals", notices=["a subset"])
    expected = {"class_names": CLASSES, "mean": [0.5], "std": [0.25], "names": {}}
    expected |= {"dataset": "animals", "notices": ["a subset"]}
    assert table_notes(read_table(path, DATASET)) == read_notes(path, DATASET) == expected


def test_undecodable_and_unequal_images_are_named():
    def column(*encoded: bytes) -> pa.ChunkedArray:
        return pa.chunked_array([pa.array([{"bytes": item, "path": "x"} for item in encoded], IMAGE)])

    good = encode(pictures(1)[0])
    other = encode(RNG.integers(0, 256, (6, 7, 1), dtype=np.uint8))
    with pytest.raises(UserError, match=r"t\.parquet: image in row 1 is no 8-bit image"):
        decode("t.parquet", column(good, b"no picture"))
    with pytest.raises(UserError, match=r"t\.parquet: image in row 1 is \(6, 7, 1\), the ones before it \(5, 7, 1\)"):
        decode("t.parquet", column(good, other))
    with pytest.raises(UserError, match=r"t\.parquet: holds no images"):
        decode("t.parquet", column())


def test_hugging_face_sees_pictures_and_class_names(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    datasets = pytest.importorskip("datasets")
    grey, colour = tmp_path / "grey.parquet", tmp_path / "colour.parquet"
    images = {grey: pictures(1), colour: pictures(3)}
    masks = RNG.random((4, 5, 7)) > 0.5
    cache = str(tmp_path / "cache")
    for path, values in images.items():
        write(path, values, masks)
        loaded = datasets.load_dataset("parquet", data_files=str(path), split="train", cache_dir=cache)
        assert loaded.features["label"].names == ["cat", "dog", "fox"]
        assert loaded["label"][:] == LABELS.tolist()
        assert np.array_equal(np.asarray(loaded[2]["image"]).reshape(values[2].shape), values[2])
        assert np.array_equal(np.asarray(loaded[2]["mask"]) > 0, masks[2])
