"""Whether filters of one class are alike and filters of different classes orthogonal (csg.md E6).

Measured on the kernels of the last convolution of the backbone; the group of a filter is the class with its largest
gate. A method without gates has no groups, and only the mean over all pairs of filters.
"""

from typing import TYPE_CHECKING

from torch import nn

from pipeline.evaluations.subject import Row, Subject
from pipeline.metrics.filters import filter_correlation, group_correlation
from pipeline.metrics.gates import arg_max_class

if TYPE_CHECKING:
    from pipeline.settings.evaluations import FilterCorrelation


def evaluate(subject: Subject, settings: "FilterCorrelation") -> list[Row]:
    """Metric `filter_correlation`, the mean absolute cosine of two filters; with gates also its means
    `filter_correlation_within` and `filter_correlation_between` groups and their `filter_correlation_ratio`.

    `n` counts pairs. Without a pair of its kind a mean is NaN.
    """
    layers = subject.network.backbone.named_modules()
    # A block's shortcut is registered behind its convolutions, beside which it runs.
    convolutions = [layer for name, layer in layers if isinstance(layer, nn.Conv2d) and ".shortcut." not in name]
    kernels = convolutions[-1].weight.detach().cpu()
    gates = subject.tensors.get("gates")
    groups = kernels.new_full((len(kernels),), -1) if gates is None else arg_max_class(gates.cpu())
    means = group_correlation(filter_correlation(kernels), groups)
    rows = [Row("filter_correlation", means.overall, means.pairs)]
    if gates is not None:
        rows += [
            Row("filter_correlation_within", means.within, means.within_pairs),
            Row("filter_correlation_between", means.between, means.between_pairs),
            Row("filter_correlation_ratio", means.ratio, means.within_pairs + means.between_pairs),
        ]
    return rows
