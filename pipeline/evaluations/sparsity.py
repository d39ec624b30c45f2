"""Sparsity of attribution maps (normat.md section 8.1)."""

from typing import TYPE_CHECKING

from pipeline.evaluations.subject import Row, Subject
from pipeline.metrics.sparsity import gini

if TYPE_CHECKING:
    from pipeline.settings.evaluations import Sparsity


def evaluate(subject: Subject, settings: "Sparsity") -> list[Row]:
    """Metric `gini` by explainer: mean over the maps that have one, which `n` counts; maps of zeros have none."""
    return [Row.mean("gini", gini(maps.values), explainer=explainer) for explainer, maps in subject.maps.items()]
