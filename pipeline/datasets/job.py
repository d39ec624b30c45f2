"""The stage "prepare": one dataset from raw files to a Parquet table a split."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from pipeline.artifacts import DATASET, table_notes, write_table
from pipeline.errors import UserError
from pipeline.images import annotate

if TYPE_CHECKING:
    from pipeline.settings.datasets import Dataset


def run(
    *,
    prepare: "Callable[[Path, Dataset], dict[str, pa.Table]]",
    raw_dir: str,
    settings: "Dataset",
    name: str,
    outputs: dict[str, str],
    code: str,
) -> None:
    """Prepare the dataset `name` and write each split to its path in `outputs`.

    The tables' metadata also gets the dataset's name, its settings, what to augment by, and the fingerprint `code`.
    Nothing is written before all splits are made. Raises `UserError` as `prepare` does, and for a limit that is larger
    than what there is.
    """
    tables = prepare(Path(raw_dir), settings)
    notices = [notice for table in tables.values() for notice in table_notes(table)["notices"]]
    for split, limit in {"train": settings.limit_train, "test": settings.limit_test}.items():
        if limit is not None:
            notices.append(f"limited to the first {limit} of {tables[split].num_rows} {split} images")
            tables[split] = _limited(tables[split], limit, f"{name}.limit_{split}")
    notes = {
        "dataset": name,
        "settings": settings.slice(),
        "augment": settings.augment.model_dump(),
        "code": code,
        # A network trained on one split is judged on the other: each table says what is missing from either.
        "notices": list(dict.fromkeys(notices)),
    }
    for notice in notes["notices"]:
        print(f"notice: {notice}")
    for split, path in outputs.items():
        write_table(path, annotate(tables[split], **notes), DATASET)
        print(f"{path}: {tables[split].num_rows} images")


def _limited(table: pa.Table, limit: int, key: str) -> pa.Table:
    if limit > table.num_rows:
        raise UserError(f"params.yaml: datasets.{key}: {limit} images asked for, there are {table.num_rows}; lower it")
    return table.slice(0, limit)
