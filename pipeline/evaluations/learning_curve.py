"""How the accuracy on watched images, and how constraints, went while the network was trained (admm.md section 6).

Reads the history of the training, not the network. Epochs count from 1. The best accuracy is that of the luckiest epoch
on these very images: the last one is what a user gets.
"""

from typing import TYPE_CHECKING

import pandas as pd

from pipeline.errors import UserError
from pipeline.evaluations.subject import Row, Subject

if TYPE_CHECKING:
    from pipeline.settings.evaluations import LearningCurve


def evaluate(subject: Subject, settings: "LearningCurve") -> list[Row]:
    """Metrics `test_accuracy_last` and `test_accuracy_best`, in 0..1, and `training_seconds` where there is a clock.

    For each level, subset "accuracy=0.9", `reached`, 1 or 0, `epochs_to` and `seconds_to`, ∞ where it is never
    reached. `residual_last` is the last relative constraint residual of methods with constraints, with subset "block=t"
    that of each block. `n` is the number of epochs.
    """
    wide = subject.history.pivot(index="epoch", columns="metric", values="value")
    if "test_accuracy" not in wide:
        raise UserError(
            f"{subject.path}: no accuracy was recorded while it was trained; set watch_test: true in the block of "
            f"method '{subject.header['method']}'"
        )
    accuracy, epochs = wide["test_accuracy"], len(wide)
    rows = [
        Row("test_accuracy_last", float(accuracy.iloc[-1]), epochs),
        Row("test_accuracy_best", float(accuracy.max()), epochs),
    ]
    if "seconds" in wide:
        rows.append(Row("training_seconds", float(wide["seconds"].iloc[-1]), epochs))
    for level in settings.levels:
        subset = f"accuracy={level:g}"
        there = wide[accuracy >= level]
        rows += [
            Row("reached", float(len(there) > 0), epochs, subset),
            Row("epochs_to", _first(there.index + 1), epochs, subset),
        ]
        if "seconds" in wide:
            rows.append(Row("seconds_to", _first(there["seconds"]), epochs, subset))
    for name in wide.columns[wide.columns.str.fullmatch(r"residual(_\d+)?")]:
        block = name.removeprefix("residual").removeprefix("_")
        rows.append(Row("residual_last", float(wide[name].iloc[-1]), epochs, f"block={block}" if block else None))
    return rows


def _first(values: pd.Series | pd.Index) -> float:
    return float(values.to_numpy()[0]) if len(values) else float("inf")
