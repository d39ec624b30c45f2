"""How dense the gates are, and how the weights of the classifier follow them (csg.md E1, E4, appendices A and E)."""

from typing import TYPE_CHECKING

from pipeline.evaluations.subject import Row, Subject
from pipeline.metrics.gates import filter_counts, l1_density, l1_interval, weight_correlation, weight_share
from pipeline.models.classifier import GapClassifier

if TYPE_CHECKING:
    from pipeline.settings.evaluations import Gates


def evaluate(subject: Subject, settings: "Gates") -> list[Row]:
    """Metric `l1_density` = ‖G‖₁/(C·K), and for learnt gates its bounds `l1_density_lower` = 1/C and `l1_density_upper`
    = g/(C·K).

    `exclusive_filters` is the mean number of filters that a class has for itself, `shared_filters` the number of
    filters that classes share. `weight_correlation` of gates and weights, and `weight_share`, the part of the weights
    that lies on open gates, need a network whose logits are linear in its pooled features.
    """
    gates, method = subject.gates.cpu(), subject.header["settings"]
    rows = [Row("l1_density", l1_density(gates), gates.numel())]
    if not method.get("fixed_gates"):
        lower, upper = l1_interval(len(gates), method["density_bound"])
        rows += [Row("l1_density_lower", lower, gates.numel()), Row("l1_density_upper", upper, gates.numel())]
    exclusive, shared = filter_counts(gates)
    rows += [Row("exclusive_filters", exclusive, len(gates)), Row("shared_filters", shared, gates.shape[1])]
    if isinstance(subject.network, GapClassifier):
        weights = subject.network.head.weight.detach().cpu()
        rows += [
            Row("weight_correlation", weight_correlation(weights, gates), gates.numel()),
            Row("weight_share", weight_share(weights, gates), gates.numel()),
        ]
    return rows
