"""Tables on disk: their schemas, declared once, and checked when a table is written and when it is read."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import UserError
from pipeline.files import replacing

#: Encoded image as any reader of the Hugging Face Parquet convention expects it.
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])

#: Long table of labelled images. Metadata `clearbox` holds class names, mean, std, augment and notices.
DATASET = pa.schema([("sample_id", pa.string()), ("image", IMAGE), ("label", pa.int64())])

#: Columns that a dataset table may have besides those of `DATASET`.
DATASET_EXTRA = {"mask": IMAGE}

#: Course of a training: one row an epoch and metric.
HISTORY = pa.schema([("epoch", pa.int64()), ("metric", pa.string()), ("value", pa.float64())])

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
NULLABLE = {"mask", "explainer", "subset", "published", "left", "right", "value", "low", "high"}


def write_table(path: str | Path, table: pa.Table, schema: pa.Schema) -> None:
    """Write `table` as Parquet after checking it against `schema`; its metadata is kept."""
    _check(str(path), table, schema)
    with replacing(path) as part:
        pq.write_table(table, part, compression="zstd", write_page_checksum=True)


def read_table(path: str | Path, schema: pa.Schema) -> pa.Table:
    """Read a Parquet table and check it against `schema`; raises `UserError` naming the file."""
    if not Path(path).is_file():
        raise UserError(f"{path}: no such file; make it with `snakemake --cores 2 {path}`")
    try:
        table = pq.read_table(path, partitioning=None, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path}: not a whole Parquet table ({reason}); delete it and run snakemake again") from None
    _check(str(path), table, schema)
    return table


def table_notes(table: pa.Table) -> dict:
    """What the project itself noted in a table's metadata."""
    return json.loads((table.schema.metadata or {}).get(b"clearbox", b"{}"))


def _check(path: str, table: pa.Table, schema: pa.Schema) -> None:
    extra = DATASET_EXTRA if schema is DATASET else {}
    for field in schema:
        if field.name not in table.column_names:
            raise UserError(f"{path}: column '{field.name}' is missing; expected {', '.join(schema.names)}")
    for field in table.schema:
        expected = extra.get(field.name) or (schema.field(field.name).type if field.name in schema.names else None)
        if expected is None:
            raise UserError(f"{path}: column '{field.name}' is not one of {', '.join([*schema.names, *extra])}")
        if field.type != expected:
            raise UserError(f"{path}: column '{field.name}' holds {field.type}, expected {expected}")
        if field.name not in NULLABLE and table[field.name].null_count:
            raise UserError(f"{path}: column '{field.name}' has {table[field.name].null_count} empty cells")
