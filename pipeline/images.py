"""Images in tables: arrays to encoded bytes and back, in the Hugging Face Parquet convention."""

import json
from collections.abc import Sequence

import cv2
import numpy as np
import pyarrow as pa

from pipeline.artifacts import IMAGE, table_notes
from pipeline.errors import UserError

cv2.setNumThreads(0)


def image_table(
    ids: Sequence[str],
    images: np.ndarray,
    labels: np.ndarray,
    *,
    class_names: Sequence[str],
    mean: Sequence[float],
    std: Sequence[float],
    notices: Sequence[str] = (),
    masks: np.ndarray | None = None,
) -> pa.Table:
    """Table of one split.

    `images` is N×H×W×C uint8 with C 1 (grey) or 3 (RGB), stored as PNG without loss; `labels` N integers below
    len(class_names); `masks` N×H×W bool. `mean` and `std`, one number a channel on the scale 0..1, are what networks
    subtract and divide by. Raises `UserError` for a label out of range or an empty class list.
    """
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(class_names):
        wrong = labels.min() if labels.min() < 0 else labels.max()
        raise UserError(f"{ids[0]}…: label {wrong} is outside 0..{len(class_names) - 1}; check the label file")
    columns = {
        "sample_id": pa.array(ids, pa.string()),
        "image": _encoded(images, ids),
        "label": pa.array(np.asarray(labels, dtype=np.int64)),
    }
    if masks is not None:
        columns["mask"] = _encoded(masks[..., None].astype(np.uint8) * 255, ids)
    notes = {"class_names": list(class_names), "mean": list(mean), "std": list(std), "notices": list(notices)}
    features = {
        "sample_id": {"dtype": "string", "_type": "Value"},
        "image": {"_type": "Image"},
        "label": {"names": list(class_names), "_type": "ClassLabel"},
    } | ({"mask": {"_type": "Image"}} if masks is not None else {})
    metadata = {"huggingface": json.dumps({"info": {"features": features}}), "clearbox": json.dumps(notes)}
    return pa.table(columns).replace_schema_metadata(metadata)


def annotate(table: pa.Table, **notes: object) -> pa.Table:
    """The table with more notes in its metadata."""
    metadata = dict(table.schema.metadata) | {b"clearbox": json.dumps({**table_notes(table), **notes}).encode()}
    return table.replace_schema_metadata(metadata)


def decode(path: str, column: pa.ChunkedArray) -> np.ndarray:
    """Image column of one size to N×H×W×C uint8, RGB or grey; raises `UserError` naming table and row."""
    encoded = column.combine_chunks().field("bytes")
    images: np.ndarray | None = None
    for row, item in enumerate(encoded):
        image = item.is_valid and cv2.imdecode(np.frombuffer(item.as_buffer(), np.uint8), cv2.IMREAD_UNCHANGED)
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
            raise UserError(f"{path}: image in row {row} is no 8-bit image; delete the file and run snakemake again")
        image = image[..., None] if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        if images is None:
            images = np.empty((len(encoded), *image.shape), np.uint8)
        if image.shape != images.shape[1:]:
            raise UserError(f"{path}: image in row {row} is {image.shape}, the ones before it {images.shape[1:]}")
        images[row] = image
    if images is None:
        raise UserError(f"{path}: holds no images; check the dataset's limit_train and limit_test")
    return images


def _encoded(images: np.ndarray, ids: Sequence[str]) -> pa.Array:
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise ValueError(f"expected N×H×W×1 or N×H×W×3 uint8, got {images.shape} {images.dtype}")
    colour = images.shape[-1] == 3
    encoded = [cv2.imencode(".png", image[..., ::-1] if colour else image)[1].tobytes() for image in images]
    return pa.StructArray.from_arrays(
        [pa.array(encoded, pa.binary()), pa.array([f"{name}.png" for name in ids], pa.string())],
        fields=list(IMAGE),
    )


