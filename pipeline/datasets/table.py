"""From samples to a Parquet table of one split, a row group at a time: memory does not grow with the number of rows."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.artifacts import DATASET, DATASET_EXTRA, IMAGE, WRITING
from pipeline.datasets.samples import BadSample, Prepared, Sample
from pipeline.images import encode

#: A row group is written when it has so many rows, or encoded images of so many bytes.
GROUP_ROWS = 1024
GROUP_BYTES = 2**24

#: One row as plain values, images encoded.
Row = dict[str, Any]


def row_of(sample: Sample, prepared: Prepared) -> Row:
    """A sample as a row; raises `BadSample` naming its source if it breaks the promises of `Sample`."""
    place = sample.source or sample.sample_id
    height, width = sample.image.shape[:2]
    if not 0 <= sample.label < len(prepared.class_names):
        raise BadSample(f"{place}: label {sample.label} is outside 0..{len(prepared.class_names) - 1}; correct it")
    row: Row = {
        "sample_id": sample.sample_id,
        "image": _picture(sample.image, sample.sample_id),
        "label": sample.label,
        "source": sample.source,
    }
    for name in prepared.columns:
        value = getattr(sample, name)
        for mask in _masks(name, value):
            if mask.shape != (height, width):
                found = "×".join(map(str, mask.shape))
                raise BadSample(f"{place}: its {name} is {found}, the image {height}×{width}; correct one of the two")
        row[name] = None if value is None else _plain(name, value, sample.sample_id)
    if sample.attributes is not None and len(sample.attributes) != len(prepared.names["attributes"]):
        expected = len(prepared.names["attributes"])
        raise BadSample(f"{place}: has {len(sample.attributes)} attributes, expected {expected}; complete them")
    return row


class TableWriter:
    """The table of one split while it is being written to `path`; leave the block to have it whole."""

    def __init__(self, path: Path, prepared: Prepared) -> None:
        self.path, self.prepared = path, prepared
        self.rows = 0
        self._waiting: list[Row] = []
        self._bytes = 0
        self._file: pq.ParquetWriter | None = None

    def add(self, row: Row) -> None:
        """One more row, written when its row group is full."""
        self._waiting.append(row)
        self._bytes += len(row["image"]["bytes"])
        self.rows += 1
        if len(self._waiting) >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self._flush()

    def finish(self, notes: Mapping[str, object]) -> None:
        """Write what is waiting, and `notes` beside what the dataset says about itself."""
        self._flush()
        prepared = self.prepared
        about = {
            "class_names": list(prepared.class_names),
            "mean": list(prepared.mean),
            "std": list(prepared.std),
            "names": {column: list(names) for column, names in prepared.names.items()},
        }
        self._file.add_key_value_metadata({"clearbox": json.dumps(about | dict(notes))})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._file:
            self._file.close()

    def _flush(self) -> None:
        if not self._waiting:
            return
        if self._file is None:
            schema = _schema(self.prepared, self._waiting[0])
            self._file = pq.ParquetWriter(self.path, schema, use_dictionary=False, write_statistics=False, **WRITING)
        self._file.write_batch(pa.RecordBatch.from_pylist(self._waiting, schema=self._file.schema))
        self._waiting, self._bytes = [], 0


def _schema(prepared: Prepared, first: Row) -> pa.Schema:
    fields = [*DATASET, ("source", pa.string())]
    for column in prepared.columns:
        if column == "factors":
            fields.append((column, pa.struct([(key, pa.scalar(value).type) for key, value in first[column].items()])))
        else:
            fields.append((column, DATASET_EXTRA[column]))
    schema = pa.schema(fields)
    features = {field.name: _feature(field.type) for field in schema}
    features["label"] = {"names": list(prepared.class_names), "_type": "ClassLabel"}
    return schema.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def _feature(kind: pa.DataType) -> dict:
    """A column's type in the words of Hugging Face datasets, so that its readers see images."""
    if kind == IMAGE:
        return {"_type": "Image"}
    if pa.types.is_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "List"}
    if pa.types.is_struct(kind):
        return {field.name: _feature(field.type) for field in kind}
    return {"dtype": {"float": "float32", "double": "float64"}.get(str(kind), str(kind)), "_type": "Value"}


def _masks(name: str, value: Any) -> Sequence[np.ndarray]:
    if value is None or name not in ("mask", "gaze", "segments"):
        return ()
    return [mask for _, mask in value] if name == "segments" else [value]


def _plain(name: str, value: Any, sample_id: str) -> Any:
    """A field of `Sample` as the values of its column."""
    match name:
        case "mask" | "gaze":
            return _picture(_grey(value), sample_id)
        case "segments":
            return [{"segment": segment, "mask": _picture(_grey(mask), sample_id)} for segment, mask in value]
        case "parts":
            return [{"part": part, "x": x, "y": y} for part, (x, y) in sorted(value.items())]
        case "bbox" | "attributes":
            return list(value)
        case _:
            return value


def _grey(mask: np.ndarray) -> np.ndarray:
    values = mask.astype(np.uint8) * 255 if mask.dtype == bool else mask
    return values[..., None]


def _picture(image: np.ndarray, sample_id: str) -> dict:
    return {"bytes": encode(image), "path": f"{sample_id}.png"}
