"""Sparsity of attribution maps (normat.md section 8.1)."""

from typing import TYPE_CHECKING

from pipeline.evaluations.subject import Row, Subject
from pipeline.metrics.sparsity import gini

if TYPE_CHECKING:
    from pipeline.settings.evaluations import Sparsity


def evaluate(subject: Subject, settings: "Sparsity") -> list[Row]:
    """Metric `gini` by explainer: mean over the maps that are not zero everywhere; `n` counts those."""
    rows = []
    for explainer, maps in subject.maps.items():
        values = gini(maps)
        values = values[~values.isnan()]
        rows.append(Row("gini", values.mean().item(), len(values), explainer=explainer))
    return rows
