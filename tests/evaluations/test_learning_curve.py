"""Learning curves read from histories that are written by hand."""

import json
import math
from pathlib import Path

import pyarrow as pa
import pytest
import torch

from pipeline.artifacts import HISTORY, write_table
from pipeline.errors import UserError
from pipeline.evaluations.learning_curve import evaluate
from pipeline.evaluations.subject import Row, Subject
from pipeline.settings import parse_slice


def rows(folder: Path, curves: dict[str, list[float]], **settings) -> list[Row]:
    path = str(folder / "history.parquet")
    table = [
        {"epoch": epoch, "metric": metric, "value": value}
        for metric, values in curves.items()
        for epoch, value in enumerate(values)
    ]
    write_table(path, pa.Table.from_pylist(table, schema=HISTORY), HISTORY)
    found = Subject("0.safetensors", {}, {"method": "tried"}, torch.device("cpu"), {}, {}, path)
    return evaluate(found, parse_slice("evaluation", json.dumps({"from": "learning_curve", **settings})))


def test_last_and_best_accuracy_and_the_first_time_of_each_level(tmp_path):
    curves = {"test_accuracy": [0.5, 0.91, 0.89, 0.95, 0.94], "seconds": [1.5, 3.0, 4.5, 6.0, 7.5]}
    assert rows(tmp_path, curves, levels=[0.9, 0.95]) == [
        Row("test_accuracy_last", 0.94, 5),
        Row("test_accuracy_best", 0.95, 5),
        Row("training_seconds", 7.5, 5),
        Row("reached", 1.0, 5, "accuracy=0.9"),
        Row("epochs_to", 2.0, 5, "accuracy=0.9"),
        Row("seconds_to", 3.0, 5, "accuracy=0.9"),
        Row("reached", 1.0, 5, "accuracy=0.95"),
        Row("epochs_to", 4.0, 5, "accuracy=0.95"),
        Row("seconds_to", 6.0, 5, "accuracy=0.95"),
    ]


def test_a_level_that_is_never_reached_takes_for_ever(tmp_path):
    found = rows(tmp_path, {"test_accuracy": [0.5, 0.6], "seconds": [1.0, 2.0]}, levels=[0.97])
    assert found[-3:] == [
        Row("reached", 0.0, 2, "accuracy=0.97"),
        Row("epochs_to", math.inf, 2, "accuracy=0.97"),
        Row("seconds_to", math.inf, 2, "accuracy=0.97"),
    ]


def test_without_a_clock_there_are_no_seconds_and_residuals_are_those_of_the_end(tmp_path):
    curves = {"test_accuracy": [0.5, 0.6], "residual": [0.9, 0.3], "residual_1": [0.8, 0.2], "residual_12": [1.0, 0.4]}
    found = rows(tmp_path, curves, levels=[0.5])
    assert {row.metric for row in found} == {
        "test_accuracy_last", "test_accuracy_best", "reached", "epochs_to", "residual_last"
    }  # fmt: skip
    assert found[-3:] == [
        Row("residual_last", 0.3, 2),
        Row("residual_last", 0.2, 2, "block=1"),
        Row("residual_last", 0.4, 2, "block=12"),
    ]


def test_training_that_watched_nothing_is_named(tmp_path):
    problem = r"0\.safetensors: no accuracy .* watch_test: true in the block of method 'tried'"
    with pytest.raises(UserError, match=problem):
        rows(tmp_path, {"loss": [1.0]})
