"""L1-density of the gate matrix and the interval in which it should end (csg.md E1, appendix A)."""

from typing import TYPE_CHECKING

from pipeline.evaluations.subject import Row, Subject
from pipeline.metrics.gates import l1_density, l1_interval

if TYPE_CHECKING:
    from pipeline.settings.evaluations import GateDensity


def evaluate(subject: Subject, settings: "GateDensity") -> list[Row]:
    """Metric `l1_density` = ‖G‖₁/(C·K), and for learnt gates its bounds `l1_density_lower` = 1/C and `l1_density_upper`
    = g/(C·K).
    """
    gates, method = subject.gates, subject.header["settings"]
    rows = [Row("l1_density", l1_density(gates), gates.numel())]
    if not method.get("fixed_gates"):
        lower, upper = l1_interval(len(gates), method["density_bound"])
        rows += [Row("l1_density_lower", lower, gates.numel()), Row("l1_density_upper", upper, gates.numel())]
    return rows
