"""Tables on disk: whole or not there, and as their schema says."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.artifacts import DATASET, HISTORY, IMAGE, METRICS, read_table, stream_table, table_notes, write_table
from pipeline.errors import UserError
from pipeline.files import replacing

ROWS = pa.table({"epoch": [0, 1], "metric": ["loss", "loss"], "value": [0.5, 0.25]}, schema=HISTORY)


def test_there_and_back_with_metadata(tmp_path):
    path = tmp_path / "deep" / "folder" / "t.parquet"
    write_table(path, ROWS.replace_schema_metadata({"clearbox": '{"code": "c0de"}'}), HISTORY)
    back = read_table(path, HISTORY)
    assert back.equals(ROWS)
    assert table_notes(back) == {"code": "c0de"}
    assert table_notes(ROWS) == {}


def test_columns_do_not_come_from_the_path(tmp_path):
    path = tmp_path / "seed=3" / "t.parquet"
    write_table(path, ROWS, HISTORY)
    assert read_table(path, HISTORY).column_names == HISTORY.names


def test_failed_write_leaves_neither_part_nor_target(tmp_path):
    with pytest.raises(RuntimeError), replacing(tmp_path / "t.txt") as part:
        part.write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_failed_write_keeps_what_was_there(tmp_path):
    target = tmp_path / "t.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), replacing(target) as part:
        part.write_text("new, half")
        raise RuntimeError
    assert target.read_text() == "old"
    with replacing(target) as part:
        part.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        (ROWS.drop_columns("metric"), "column 'metric' is missing; expected epoch, metric, value"),
        (ROWS.append_column("colour", pa.array([1, 2])), "column 'colour' is not one of epoch, metric, value"),
        (ROWS.set_column(0, "epoch", pa.array(["0", "1"])), "column 'epoch' holds string, expected int64"),
        (ROWS.set_column(1, "metric", pa.array(["loss", None])), "column 'metric' has 1 empty cells"),
    ],
)
def test_schema_violations_are_named_on_write_and_on_read(tmp_path, table, problem):
    path = tmp_path / "t.parquet"
    with pytest.raises(UserError, match=rf"t\.parquet: {problem}"):
        write_table(path, table, HISTORY)
    assert list(tmp_path.iterdir()) == []
    pq.write_table(table, path)
    with pytest.raises(UserError, match=rf"t\.parquet: {problem}"):
        read_table(path, HISTORY)


def test_empty_cells_are_allowed_where_they_mean_something(tmp_path):
    row = {"dataset": "d", "method": "m", "seed": 0, "explainer": None, "metric": "accuracy", "subset": None, "n": 1}
    write_table(tmp_path / "t.parquet", pa.Table.from_pylist([{**row, "value": None}], METRICS), METRICS)
    assert read_table(tmp_path / "t.parquet", METRICS)["value"].null_count == 1


def test_only_datasets_may_have_masks(tmp_path):
    image = {"bytes": b"x", "path": "x"}
    rows = pa.Table.from_pylist([{"sample_id": "a", "image": image, "label": 0}], DATASET)
    masks = pa.array([image], IMAGE)
    write_table(tmp_path / "t.parquet", rows.append_column("mask", masks), DATASET)
    with pytest.raises(UserError, match="column 'mask' is not one of"):
        write_table(tmp_path / "h.parquet", ROWS.append_column("mask", pa.nulls(2, IMAGE)), HISTORY)


@pytest.mark.parametrize("keep", [0, 3, 50, -8, -1])
def test_truncated_table_is_named(tmp_path, keep):
    path = tmp_path / "t.parquet"
    write_table(path, ROWS, HISTORY)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError, match=r"t\.parquet: not a whole Parquet table .*; delete it") as caught:
        read_table(path, HISTORY)
    assert "\n" not in str(caught.value)


def test_missing_table_says_how_to_make_it(tmp_path):
    with pytest.raises(UserError, match=r"t\.parquet: no such file; make it with"):
        read_table(tmp_path / "t.parquet", HISTORY)


def test_a_streamed_table_comes_whole_and_in_order(tmp_path):
    path = tmp_path / "t.parquet"
    table = pa.concat_tables([ROWS] * 700).combine_chunks()
    pq.write_table(table, path, row_group_size=500)
    pieces = list(stream_table(path, HISTORY, columns=["epoch", "value"]))
    assert [total for _, total in pieces] == [1400] * 3
    assert pa.concat_tables(piece for piece, _ in pieces).equals(table.select(["epoch", "value"]))


def test_streaming_keeps_no_more_than_a_row_group(tmp_path):
    path = tmp_path / "t.parquet"
    schema = pa.schema([("epoch", pa.int64()), ("metric", pa.binary()), ("value", pa.float64())])
    noise = np.random.default_rng(0).bytes(2**20)
    group = pa.table({"epoch": range(16), "metric": [noise] * 16, "value": [0.0] * 16}, schema=schema)
    with pq.ParquetWriter(path, schema, use_dictionary=False, compression="none") as file:
        for _ in range(12):
            file.write_table(group)
    before, most = pa.total_allocated_bytes(), 0
    for _ in stream_table(path, schema):
        most = max(most, pa.total_allocated_bytes() - before)
    # The whole is 192 MiB, a row group 16 MiB: the last one, the next one, and what it takes to unpack it.
    assert most < 64 * 2**20
