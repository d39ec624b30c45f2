"""Tables on disk: their schemas, declared once, and checked when a table is written and when it is read."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import UserError
from pipeline.files import replacing

#: Encoded image as any reader of the Hugging Face Parquet convention expects it.
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])

#: Long table of labelled images. Metadata `clearbox` holds class names, mean, std, augment and notices.
DATASET = pa.schema([("sample_id", pa.string()), ("image", IMAGE), ("label", pa.int64())])

#: Places of visible parts in pixels: `part` is an index into the part names.
PARTS = pa.list_(pa.struct([("part", pa.int64()), ("x", pa.float32()), ("y", pa.float32())]))

#: Every object in a picture: `segment` is an index into the segment names.
SEGMENTS = pa.list_(pa.struct([("segment", pa.int64()), ("mask", IMAGE)]))

#: Columns that a dataset table may have besides those of `DATASET`; `pipeline.datasets.samples.Sample` says what they
#: hold. A column `factors` is a struct of whatever the dataset's generator drew.
DATASET_EXTRA = {
    "source": pa.string(),
    "group": pa.string(),
    "mask": IMAGE,
    "bbox": pa.list_(pa.float32()),
    "parts": PARTS,
    "attributes": pa.list_(pa.uint8()),
    "gaze": IMAGE,
    "segments": SEGMENTS,
}

#: Course of a training: one row an epoch and metric.
HISTORY = pa.schema([("epoch", pa.int64()), ("metric", pa.string()), ("value", pa.float64())])

#: Masks that stand in for a dataset's own in a training: encoded images, 255 where a region is relevant, 0 where it is
#: not. The table may have more columns.
MASKS = pa.schema([("sample_id", pa.string()), ("mask", IMAGE)])

#: Attribution maps: `map` is row-major, height × width, signed; `target` is the logit that it explains.
EXPLANATIONS = pa.schema(
    [
        ("sample_id", pa.string()),
        ("target", pa.int64()),
        ("height", pa.int64()),
        ("width", pa.int64()),
        ("map", pa.large_list(pa.float32())),
    ]
)

#: Masks of all training images of a dataset, in its order: `annotated` ones are human, the others drawn. These have
#: their agreement with the human mask that was withheld, empty where that is not defined.
PSEUDO_MASKS = pa.schema(
    [
        *MASKS,
        ("annotated", pa.bool_()),
        ("iou", pa.float64()),
        ("dice", pa.float64()),
        ("precision", pa.float64()),
        ("recall", pa.float64()),
    ]
)

#: Evaluation results, never wide. `n` is the number of things that the value is a mean over.
METRICS = pa.schema(
    [
        ("dataset", pa.string()),
        ("method", pa.string()),
        ("seed", pa.int64()),
        ("explainer", pa.string()),
        ("metric", pa.string()),
        ("subset", pa.string()),
        ("value", pa.float64()),
        ("n", pa.int64()),
    ]
)

#: Verdicts on a study's claims. `value` is the mean of left − right over seeds; `low`..`high` is its confidence
#: interval for claims over the mean, and its range for claims over every seed.
CLAIMS = pa.schema(
    [
        ("study", pa.string()),
        ("claim", pa.string()),
        ("dataset", pa.string()),
        ("statement", pa.string()),
        ("source", pa.string()),
        ("published", pa.string()),
        ("left", pa.float64()),
        ("right", pa.float64()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("over", pa.string()),
        ("relation", pa.string()),
        ("margin", pa.float64()),
        ("seeds", pa.int64()),
        ("verdict", pa.string()),
    ]
)

#: Columns in which an empty cell means "does not apply" or "not available".
NULLABLE = {*DATASET_EXTRA, "explainer", "subset", "published", "left", "right", "value", "low", "high",
            "iou", "dice", "precision", "recall"}  # fmt: skip

#: How every table is written.
WRITING = {"compression": "zstd", "write_page_checksum": True}


def write_table(path: str | Path, table: pa.Table, schema: pa.Schema) -> None:
    """Write `table` as Parquet after checking it against `schema`; its metadata is kept."""
    _complete(str(path), table.schema, schema)
    _check(str(path), table, schema)
    with replacing(path) as part:
        pq.write_table(table, part, **WRITING)


def read_table(path: str | Path, schema: pa.Schema, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a Parquet table, or those of its columns, and check it against `schema`.

    Raises `UserError` naming the file.
    """
    with _opened(path, schema) as file:
        table = file.read(columns)
        notes = file.metadata.metadata or {}
    _check(str(path), table, schema)
    return table.replace_schema_metadata({**(table.schema.metadata or {}), **_own(notes)})


def read_schema(path: str | Path, schema: pa.Schema) -> pa.Schema:
    """The columns that a table on disk really has; raises `UserError` as `read_table`."""
    with _opened(path, schema) as file:
        return file.schema_arrow


def read_annotation(path: str | Path, column: str, limit: int | None = None) -> list:
    """Cells of an annotation column for the first `limit` images (None: all) of a dataset table; None where empty.

    Raises `UserError` naming the table when it does not have the column.
    """
    table = read_table(path, DATASET, columns=[column])
    cells = table[column].slice(0, limit).to_pylist() if column in table.schema.names else []
    if not any(cell is not None for cell in cells):
        raise UserError(f"{path}: no image has '{column}'; name those that have it under the evaluation's `datasets`")
    return cells


def stream_table(
    path: str | Path, schema: pa.Schema, columns: Sequence[str] | None = None
) -> Iterator[tuple[pa.Table, int]]:
    """Row groups of a table, or of those of its columns, in order, each with the number of rows of the whole.

    No more than one is in memory. Raises `UserError` as `read_table`.
    """
    with _opened(path, schema) as file:
        total = file.metadata.num_rows
        for group in range(file.num_row_groups):
            piece = file.read_row_group(group, columns)
            _check(str(path), piece, schema)
            yield piece, total


def read_notes(path: str | Path, schema: pa.Schema) -> dict:
    """What the project itself noted in the metadata of a table on disk; raises `UserError` as `read_table`."""
    with _opened(path, schema) as file:
        return json.loads(_own(file.metadata.metadata or {}).get(b"clearbox", b"{}"))


def table_notes(table: pa.Table) -> dict:
    """What the project itself noted in a table's metadata."""
    return json.loads((table.schema.metadata or {}).get(b"clearbox", b"{}"))


@contextmanager
def _opened(path: str | Path, schema: pa.Schema) -> Iterator[pq.ParquetFile]:
    if not Path(path).is_file():
        raise UserError(f"{path}: no such file; make it with `snakemake --cores 2 {path}`")
    try:
        # Read ahead, as is its default, it would keep all that was ever read.
        with pq.ParquetFile(path, page_checksum_verification=True, pre_buffer=False) as file:
            _complete(str(path), file.schema_arrow, schema)
            yield file
    except pa.ArrowMemoryError:
        raise
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path}: not a whole Parquet table ({reason}); delete it and run snakemake again") from None


def _own(metadata: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """The project's own notes in a file's metadata: those that became known last are there and not in its schema."""
    return {b"clearbox": metadata[b"clearbox"]} if b"clearbox" in metadata else {}


def _complete(path: str, found: pa.Schema, schema: pa.Schema) -> None:
    for name in schema.names:
        if name not in found.names:
            raise UserError(f"{path}: column '{name}' is missing; expected {', '.join(schema.names)}")


def _check(path: str, table: pa.Table, schema: pa.Schema) -> None:
    extra = DATASET_EXTRA if schema is DATASET else {}
    for field in table.schema:
        if field.name == "factors" and schema is DATASET and pa.types.is_struct(field.type):
            continue
        expected = extra.get(field.name) or (schema.field(field.name).type if field.name in schema.names else None)
        if expected is None:
            raise UserError(f"{path}: column '{field.name}' is not one of {', '.join([*schema.names, *extra])}")
        if field.type != expected:
            raise UserError(f"{path}: column '{field.name}' holds {field.type}, expected {expected}")
        if field.name not in NULLABLE and table[field.name].null_count:
            raise UserError(f"{path}: column '{field.name}' has {table[field.name].null_count} empty cells")
