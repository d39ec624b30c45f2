"""A study's results as data frames, read once from its artifacts."""

from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.special import stdtrit

from pipeline import layout
from pipeline.artifacts import DATASET, HISTORY, METRICS, read_notes, read_table
from pipeline.checkpoints import load_checkpoint, read_header
from pipeline.study import Study

#: Confidence of every interval in the report.
LEVEL = 0.95


class Results:
    def __init__(self, study: Study) -> None:
        self.study = study

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """Every evaluation of the study in one long table: the columns of `METRICS`, and `evaluation`, its instance.

        How well annotators draw masks is among them, the annotator as `method`.
        """
        names = [name for name, *_ in self.study.measurements()]
        frames = [
            read_table(path, METRICS).to_pandas().assign(evaluation=name)
            for name, path in zip(names, self.study.evaluations(), strict=True)
        ]
        if len(self.mask_quality):
            frames.append(self.mask_quality.assign(evaluation="annotate"))
        return pd.concat(frames, ignore_index=True)

    @cached_property
    def mask_quality(self) -> pd.DataFrame:
        """How well the study's annotators draw masks: the columns of `METRICS`, the annotator as `method`."""
        tables = [read_table(path, METRICS) for path in self.study.mask_qualities()]
        return pa.concat_tables([METRICS.empty_table(), *tables]).to_pandas()

    @cached_property
    def overall(self) -> pd.DataFrame:
        """The rows that speak of all of the data, not of a class or a filter.

        `of` tells values of one metric apart: by the explainer whose maps were measured, and by the evaluation where
        several of the study measure the metric; empty where there is nothing to tell apart.
        """
        rows = self.metrics[self.metrics["subset"].isna()]
        several = rows.groupby("metric")["evaluation"].transform("nunique") > 1
        parts = zip(rows["explainer"], rows["evaluation"].where(several), strict=True)
        return rows.assign(of=[", ".join(part for part in pair if isinstance(part, str)) for pair in parts])

    @cached_property
    def histories(self) -> pd.DataFrame:
        """Training histories: dataset, method, seed, epoch, metric, value."""
        frames = []
        for (dataset, method, seed), path in zip(self.study.runs(), self.study.histories(), strict=True):
            frames.append(read_table(path, HISTORY).to_pandas().assign(dataset=dataset, method=method, seed=seed))
        return pd.concat(frames, ignore_index=True)

    @cached_property
    def headers(self) -> list[dict]:
        """Headers of the study's checkpoints, in the order of its runs."""
        return [read_header(path) for path in self.study.models()]

    @cached_property
    def notices(self) -> dict[str, list[str]]:
        """What a reader has to know: notices by dataset name, and by "dataset/method" for trainings."""
        found: dict[str, list[str]] = {}
        for dataset in self.study.datasets:
            path = layout.dataset(self.study.root, dataset, "test")
            found[dataset] = read_notes(path, DATASET).get("notices", [])
        for header in self.headers:
            found.setdefault(f"{header['dataset']}/{header['method']}", header["notices"])
        return {name: notices for name, notices in found.items() if notices}

    def tensors(self, dataset: str, method: str, seed: int) -> dict[str, np.ndarray]:
        """Tensors of one checkpoint as arrays."""
        return load_checkpoint(layout.model(self.study.root, dataset, method, seed), "numpy")[0]


def mean_and_interval(values: Any) -> tuple[float, float, float]:
    """Mean and its confidence interval from Student's t over `values`; NaN ends for fewer than two of them.

    With ∞ among them, a time that never comes, there is no spread: the ends are NaN unless all are the same infinity.
    """
    values = np.asarray(values, dtype=float)
    if len(values) > 1 and np.isinf(values).all() and (values == values[0]).all():
        return (float(values[0]),) * 3
    with np.errstate(invalid="ignore"):
        mean = float(values.mean()) if len(values) else float("nan")
    if len(values) < 2 or not np.isfinite(mean):
        return mean, float("nan"), float("nan")
    half = stdtrit(len(values) - 1, (1 + LEVEL) / 2) * values.std(ddof=1) / np.sqrt(len(values))
    return mean, float(mean - half), float(mean + half)
