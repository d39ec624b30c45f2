"""How the page writes numbers."""

import math

import pytest

from pipeline.errors import UserError
from pipeline.report.claims import Side
from pipeline.report.numbers import interval, number
from pipeline.report.page import side_text

NAN, NEVER = math.nan, math.inf


@pytest.mark.parametrize(
    ("value", "metric", "text"),
    [
        (0.88854, "accuracy", "88.85 %"),
        (1.0, "accuracy", "100.00 %"),
        (-0.04, "accuracy", "-4.00 %"),
        (0.123456, "gini", "0.123"),
        (0.0001234, "gini", "0.000123"),
        (0.0, "gini", "0"),
        (12345.6, "mutual_information_score", "1.23e+04"),
        (None, "accuracy", "–"),
        (NAN, "gini", "–"),
        (NEVER, "seconds_to", "∞"),
        (-NEVER, "accuracy", "−∞"),
    ],
)
def test_numbers_in_the_unit_of_their_metric(value, metric, text):
    assert number(value, metric) == text


@pytest.mark.parametrize(
    ("ends", "metric", "text"),
    [
        ((0.5, 0.25, 0.75), "gini", "0.5 [0.25, 0.75]"),
        ((0.5, 0.25, 0.75), "accuracy", "50.00 % [25.00 %, 75.00 %]"),
        ((0.5, NAN, NAN), "gini", "0.5"),
        ((0.5, None, None), "gini", "0.5"),
        ((None, None, None), "gini", "–"),
    ],
)
def test_intervals_stand_behind_their_mean(ends, metric, text):
    assert interval(*ends, metric) == text


def test_sides_name_method_symbol_and_value():
    assert side_text(Side(method="csg", metric="accuracy"), 0.5) == "csg Acc 50.00 %"
    assert side_text(Side(method="std", metric="mutual_information_score"), None) == "std MIS –"


def test_a_metric_without_an_entry_is_named():
    with pytest.raises(UserError, match=r"catalogue\.py: unknown metric 'acuracy'; did you mean 'accuracy'\?"):
        number(0.5, "acuracy")
