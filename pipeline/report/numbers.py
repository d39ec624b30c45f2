"""How the report writes measured values."""

import math

from pipeline.metrics.catalogue import about


def number(value: float | None, metric: str) -> str:
    """A value in its metric's unit: shares called "%" are shown times 100; ∞ is a time that never comes."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{100 * value:.2f} %" if about(metric).unit == "%" else f"{value:.3g}"


def interval(mean: float | None, low: float | None, high: float | None, metric: str) -> str:
    """ "mean [low, high]", the mean alone where there is no interval, as of times that never come."""
    if low is None or high is None or math.isnan(low) or math.isnan(high) or (math.isinf(low) and low == high):
        return number(mean, metric)
    return f"{number(mean, metric)} [{number(low, metric)}, {number(high, metric)}]"
