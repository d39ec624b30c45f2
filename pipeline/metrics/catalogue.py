"""What each metric is: its name in tables, symbol, unit, range, better direction and source. Imports nothing heavy.

Tables hold shares as 0..1; the unit "%" means that people are shown them times 100.
"""

from typing import Literal, NamedTuple

from pipeline.errors import unknown


class Metric(NamedTuple):
    name: str
    title: str
    symbol: str
    unit: str
    low: float | None
    high: float | None
    better: Literal["higher", "lower", "neither"]
    source: str


def about(name: str) -> Metric:
    """The entry of a metric; raises `UserError` for one that has none."""
    if name not in METRICS:
        raise unknown("pipeline/metrics/catalogue.py", "metric", name, METRICS)
    return METRICS[name]


CSG = "Liang et al. 2020"
INTERVAL = f"{CSG}, appendix A"

METRICS = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "Accuracy", "Acc", "%", 0, 1, "higher", CSG),
        Metric("mutual_information_score", "Mutual information score", "MIS", "nat", 0, None, "higher", CSG),
        Metric("mutual_information_floor", "MIS of shuffled labels", "MIS₀", "nat", 0, None, "neither", CSG),
        Metric("mutual_information", "Mutual information of filter and class", "M_kc", "nat", 0, None, "higher", CSG),
        Metric("l1_density", "L1-density of the gates", "‖G‖₁/(CK)", "share", 0, 1, "lower", INTERVAL),
        Metric("l1_density_lower", "Lower end of the L1-interval", "1/C", "share", 0, 1, "neither", INTERVAL),
        Metric("l1_density_upper", "Upper end of the L1-interval", "g/(CK)", "share", 0, 1, "neither", INTERVAL),
        Metric("gini", "Gini index of maps", "Gini", "share", 0, 1, "higher", "Hurley and Rickard 2009"),
    )
}
