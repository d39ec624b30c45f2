"""The list of metrics is true and complete."""

import re
from pathlib import Path

from pipeline.metrics import catalogue

ROOT = Path(__file__).resolve().parents[2]


def test_the_written_table_is_the_current_one():
    written = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert written.splitlines() == "\n".join(catalogue.table()).splitlines(), (
        "write it anew: python -m pipeline metrics > docs/metrics.md"
    )


def test_every_metric_that_an_evaluation_writes_is_declared():
    files = (ROOT / "pipeline" / "evaluations").glob("*.py")
    named = {name for file in files for name in re.findall(r"\bRow(?:\.mean)?\(\s*\"(\w+)\"", file.read_text())}
    assert len(named) > 20 and named <= set(catalogue.METRICS)


def test_entries_are_whole():
    for name, metric in catalogue.METRICS.items():
        assert re.fullmatch(r"[a-z0-9_]+", name) and metric.title and metric.symbol and metric.source, name
        assert metric.low is None or metric.high is None or metric.low < metric.high, name
        assert "%" not in metric.unit or (metric.low, metric.high) in ((0, 1), (-1, 1)), name
