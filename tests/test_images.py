"""Images in tables: there and back, and as other Parquet readers see them."""

import numpy as np
import pyarrow as pa
import pytest

from pipeline.artifacts import DATASET, IMAGE, read_table, table_notes, write_table
from pipeline.errors import UserError
from pipeline.images import annotate, decode, image_table

RNG = np.random.default_rng(0)
IDS = ["a", "b", "c", "d"]
LABELS = np.array([0, 1, 2, 0])


def table(images: np.ndarray, **changes) -> pa.Table:
    channels = images.shape[-1]
    given = {"class_names": ["cat", "dog", "fox"], "mean": [0.5] * channels, "std": [0.25] * channels}
    return image_table(IDS, images, LABELS, **given | changes)


def pictures(channels: int) -> np.ndarray:
    return RNG.integers(0, 256, (4, 5, 7, channels), dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_written_and_read_back_without_loss(tmp_path, channels):
    images, masks = pictures(channels), RNG.random((4, 5, 7)) > 0.5
    write_table(tmp_path / "t.parquet", table(images, masks=masks), DATASET)
    back = read_table(tmp_path / "t.parquet", DATASET)
    assert np.array_equal(decode("t", back["image"]), images)
    assert np.array_equal(decode("t", back["mask"])[..., 0] > 0, masks)
    assert back["sample_id"].to_pylist() == IDS
    assert back["label"].to_pylist() == LABELS.tolist()


def test_slices_are_decoded():
    images = pictures(3)
    assert np.array_equal(decode("t", table(images).slice(1, 2)["image"]), images[1:3])


def test_notes_are_kept_and_added(tmp_path):
    annotated = annotate(table(pictures(1), notices=["a subset"]), dataset="animals")
    write_table(tmp_path / "t.parquet", annotated, DATASET)
    given = {"class_names": ["cat", "dog", "fox"], "mean": [0.5], "std": [0.25], "notices": ["a subset"]}
    assert table_notes(read_table(tmp_path / "t.parquet", DATASET)) == given | {"dataset": "animals"}


@pytest.mark.parametrize("labels", [[0, 1, 3, 0], [0, -1, 2, 0]])
def test_label_out_of_range_is_an_error(labels):
    with pytest.raises(UserError, match=r"outside 0\.\.2"):
        image_table(IDS, pictures(1), np.array(labels), class_names=["cat", "dog", "fox"], mean=[0], std=[1])


def test_undecodable_and_unequal_images_are_named():
    def column(*encoded: bytes) -> pa.ChunkedArray:
        return pa.chunked_array([pa.array([{"bytes": item, "path": "x"} for item in encoded], IMAGE)])

    good = table(pictures(1))["image"][0].as_py()["bytes"]
    other = table(RNG.integers(0, 256, (4, 6, 7, 1), dtype=np.uint8))["image"][0].as_py()["bytes"]
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
    for path, values in images.items():
        write_table(path, table(values, masks=masks), DATASET)
    cache = str(tmp_path / "cache")
    for path, values in images.items():
        loaded = datasets.load_dataset("parquet", data_files=str(path), split="train", cache_dir=cache)
        assert loaded.features["label"].names == ["cat", "dog", "fox"]
        assert loaded["label"][:] == LABELS.tolist()
        assert np.array_equal(np.asarray(loaded[2]["image"]).reshape(values[2].shape), values[2])
        assert np.array_equal(np.asarray(loaded[2]["mask"]) > 0, masks[2])
