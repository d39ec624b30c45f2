"""Whether filters of one class are alike and filters of different classes orthogonal (csg.md E6).

Measured on the kernels of the last convolution. The group of a filter is the class with its largest gate, where there
are gates; and for every method, so that methods can be compared, the class with its largest weight in the classifier.
csg.md's null, the filters of ordinary training in the groups of the gates, would need two networks; grouping by weights
serves the same end, since it finds likeness within groups in ordinary training too. A network whose logits are not
linear in its pooled features has no such weights, and groups of gates only.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pipeline.evaluations.subject import Row, Subject
from pipeline.metrics.filters import filter_correlation, group_correlation
from pipeline.metrics.gates import arg_max_class
from pipeline.models.classifier import GapClassifier

if TYPE_CHECKING:
    from pipeline.settings.evaluations import FilterCorrelation


def evaluate(subject: Subject, settings: "FilterCorrelation") -> list[Row]:
    """Metric `filter_correlation`, the mean absolute cosine of two filters, and its means `filter_correlation_within`
    and `filter_correlation_between` groups with their `filter_correlation_ratio`.

    Groups of gates are the overall rows, those of weights the subset "groups=weights", which a network without global
    average pooling and one linear layer lacks. `n` counts pairs. Without a pair of its kind a mean is NaN.
    """
    network = subject.network
    correlation = filter_correlation(network.last_convolution.weight.detach().cpu())
    groups: dict[str | None, Tensor] = {}
    if "gates" in subject.tensors:
        groups[None] = arg_max_class(subject.gates.cpu())
    if isinstance(network, GapClassifier):
        groups["groups=weights"] = network.head.weight.detach().cpu().argmax(0)
    together = group_correlation(correlation, torch.zeros(len(correlation)))
    rows = [Row("filter_correlation", together.overall, together.pairs)]
    for subset, of_filters in groups.items():
        means = group_correlation(correlation, of_filters)
        rows += [
            Row("filter_correlation_within", means.within, means.within_pairs, subset),
            Row("filter_correlation_between", means.between, means.between_pairs, subset),
            Row("filter_correlation_ratio", means.ratio, means.within_pairs + means.between_pairs, subset),
        ]
    return rows
