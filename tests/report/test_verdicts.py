"""Verdicts on claims and the intervals behind them."""

import math

import numpy as np
import pyarrow as pa
import pytest
from claimed import PAIRS, claim, metrics
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from pipeline.artifacts import CLAIMS, read_table, write_table
from pipeline.errors import UserError
from pipeline.report.claims import judge, verdict
from pipeline.report.numbers import interval
from pipeline.report.results import Results, mean_and_interval
from pipeline.study import Study

NAN = math.nan

# Verdicts.


@pytest.mark.parametrize(
    ("low", "high", "verdicts"),
    [
        # interval, and the verdicts on ">", ">=", "<", "<=" 1
        (1.5, 2.0, ("holds", "holds", "fails", "fails")),
        (1.0, 2.0, ("not decided", "holds", "fails", "not decided")),
        (0.5, 2.0, ("not decided", "not decided", "not decided", "not decided")),
        (0.5, 1.0, ("fails", "not decided", "not decided", "holds")),
        (0.2, 0.5, ("fails", "fails", "holds", "holds")),
        (1.0, 1.0, ("fails", "holds", "fails", "holds")),
        (NAN, NAN, ("not decided",) * 4),
        (NAN, 0.5, ("not decided",) * 4),
        (2.0, NAN, ("not decided",) * 4),
    ],
)
def test_truth_table(low, high, verdicts):
    assert tuple(verdict(relation, 1.0, low, high) for relation in (">", ">=", "<", "<=")) == verdicts


@pytest.mark.parametrize(
    ("values", "margin", "expected"),
    [((0.1, 0.5, 0.2), 0.0, "holds"), ((0.1, -0.5, 0.2), 0.0, "fails"), ((0.3,), 0.0, "holds"), ((), 0.0, "not run")],
)
def test_a_claim_about_every_seed_is_refuted_by_one(values, margin, expected):
    rows = [row for seed, value in enumerate(values) for row in (("csg", seed, value), ("std", seed, 0.0))]
    row = judge(claim(over="every", margin=margin), metrics(*rows), "digits")
    assert row["verdict"] == expected
    if values:
        assert (row["low"], row["high"]) == (min(values), max(values))


@given(st.lists(st.floats(-10, 10), min_size=3, max_size=3).map(sorted), st.sampled_from([">", ">=", "<", "<="]))
def test_verdict_asks_every_value_of_the_interval(numbers, relation):
    low, value, high = numbers
    agrees = {">": value > 1, ">=": value >= 1, "<": value < 1, "<=": value <= 1}[relation]
    assert verdict(relation, 1.0, low, high) in (["holds", "not decided"] if agrees else ["fails", "not decided"])


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=6).filter(lambda values: np.std(values) > 1e-6))
def test_interval_is_students(values):
    expected = ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert mean_and_interval(values) == pytest.approx((np.mean(values), expected.low, expected.high))


def test_interval_of_a_known_sample():
    """Mean 2, standard deviation 1, t of 0.975 with 2 degrees of freedom 4.302653."""
    assert mean_and_interval([1, 2, 3]) == pytest.approx((2, 2 - 4.302653 / 3**0.5, 2 + 4.302653 / 3**0.5), abs=1e-6)
    assert mean_and_interval([0.5] * 3) == (0.5, 0.5, 0.5)


def test_one_value_has_no_interval_and_none_no_mean():
    assert mean_and_interval([0.5]) == pytest.approx((0.5, NAN, NAN), nan_ok=True)
    assert mean_and_interval([]) == pytest.approx((NAN, NAN, NAN), nan_ok=True)


# Differences.


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5], [2, 0, 1, 4, 5, 3], [5, 4, 3, 0, 1, 2]])
def test_differences_are_taken_seed_by_seed(order):
    row = judge(claim(), metrics(*(PAIRS[place] for place in order)), "digits")
    low, high = ttest_1samp([0.01, 0.02, 0.03], 0.0).confidence_interval(0.95)
    assert (row["value"], row["low"], row["high"]) == pytest.approx((0.02, low, high))
    assert (row["left"], row["right"], row["seeds"]) == (pytest.approx(0.72), pytest.approx(0.7), 3)
    assert row["verdict"] == ("holds" if low > 0 else "not decided")


def test_only_seeds_of_both_sides_count():
    row = judge(claim(), metrics(*PAIRS, ("csg", 7, 0.0), ("std", 8, 1.0)), "digits")
    assert (row["value"], row["left"], row["right"]) == pytest.approx((0.02, 0.72, 0.7)) and row["seeds"] == 3


def test_missing_values_count_as_not_measured():
    row = judge(claim(), metrics(*PAIRS, ("csg", 3, NAN), ("std", 3, 0.1)), "digits")
    assert row["seeds"] == 3 and row["value"] == pytest.approx(0.02)


# Times that never come: both sides of each seed, and the verdicts on "<" and ">" over the mean and over every seed.
NEVER = math.inf


@pytest.mark.parametrize(
    ("pairs", "mean", "every"),
    [
        ([(3.0, NEVER), (4.0, NEVER)], ("holds", "fails"), ("holds", "fails")),
        ([(NEVER, 3.0), (NEVER, 4.0)], ("fails", "holds"), ("fails", "holds")),
        ([(NEVER, NEVER), (NEVER, NEVER)], ("not decided",) * 2, ("not decided",) * 2),
        ([(3.0, NEVER), (NEVER, NEVER)], ("not decided",) * 2, ("not decided",) * 2),
        ([(3.0, NEVER), (3.0, 5.0)], ("not decided",) * 2, ("holds", "fails")),
        ([(3.0, NEVER), (NEVER, 5.0)], ("not decided",) * 2, ("fails", "fails")),
        ([(3.0, NEVER)], ("not decided",) * 2, ("holds", "fails")),
    ],
)
def test_what_never_comes_is_later_than_what_does(pairs, mean, every):
    rows = [row for seed, (left, right) in enumerate(pairs) for row in (("csg", seed, left), ("std", seed, right))]
    for over, verdicts in (("mean", mean), ("every", every)):
        for relation, expected in zip(("<", ">"), verdicts, strict=True):
            row = judge(claim(relation=relation, over=over), metrics(*rows), "digits")
            assert (row["verdict"], row["seeds"]) == (expected, len(pairs))


def test_what_never_comes_is_later_than_a_number():
    row = judge(claim(relation="<", right=60.0), metrics(("csg", 0, NEVER), ("csg", 1, NEVER)), "digits")
    assert (row["verdict"], row["left"], row["right"], row["value"]) == ("fails", NEVER, 60.0, NEVER)


def test_verdicts_on_what_never_comes_go_to_disk_and_back(tmp_path):
    rows = [("csg", 0, 1.0), ("csg", 1, 1.0), ("std", 0, NEVER), ("std", 1, NEVER)]
    row = judge(claim(relation="<"), metrics(*rows), "digits")
    table = pa.Table.from_pylist([row | {"study": "toy", "dataset": "digits", "published": None}], schema=CLAIMS)
    write_table(tmp_path / "claims.parquet", table, CLAIMS)
    back = read_table(tmp_path / "claims.parquet", CLAIMS).to_pylist()[0]
    assert (back["left"], back["right"], back["low"], back["high"]) == (1.0, NEVER, -NEVER, -NEVER)
    assert interval(back["value"], back["low"], back["high"], "seconds_to") == "−∞"


def test_interval_of_infinite_values():
    assert mean_and_interval([NEVER, NEVER]) == (NEVER, NEVER, NEVER)
    assert mean_and_interval([NEVER, 1.0]) == pytest.approx((NEVER, NAN, NAN), nan_ok=True)
    assert mean_and_interval([NEVER, -NEVER]) == pytest.approx((NAN, NAN, NAN), nan_ok=True)
    assert mean_and_interval([NEVER]) == pytest.approx((NEVER, NAN, NAN), nan_ok=True)


def test_other_rows_of_the_table_do_not_count():
    others = [
        ("csg", 0, 9.0, "class=3"),
        ("csg", 1, 9.0, None, "input_gradient"),
        ("csg", 2, 9.0, None, None, "gini"),
        ("csg", 0, 9.0, None, None, "accuracy", "mnist"),
        ("csg_2", 0, 9.0),
    ]
    assert judge(claim(), metrics(*PAIRS, *others), "digits") == judge(claim(), metrics(*PAIRS), "digits")


def test_several_values_of_one_seed_are_an_error():
    others = [(*row, None, None, "accuracy", "digits", "other") for row in PAIRS]
    with pytest.raises(UserError, match="measure accuracy of csg on digits, namely tried, other; say which with `eval"):
        judge(claim(), metrics(*PAIRS, *others), "digits")


def test_one_of_several_evaluations_can_be_meant():
    others = [(method, seed, 0.5, None, None, "accuracy", "digits", "other") for method, seed, _ in PAIRS]
    sides = {
        side: {"method": method, "metric": "accuracy", "evaluation": "tried"}
        for side, method in (("left", "csg"), ("right", "std"))
    }
    assert judge(claim(**sides), metrics(*PAIRS, *others), "digits") == judge(claim(), metrics(*PAIRS), "digits")


def test_values_of_several_evaluations_are_told_apart():
    others = [(*row, None, None, "accuracy", "digits", "other") for row in PAIRS]
    maps = [("csg", 0, 0.3, None, "cam", "gini"), ("csg", 0, 0.3, "class=1", "cam", "gini")]
    results = Results(Study({}))
    results.metrics = metrics(*PAIRS, *others, *maps)
    found = results.overall.groupby(["metric", "of"]).size().to_dict()
    assert found == {("accuracy", "tried"): 6, ("accuracy", "other"): 6, ("gini", "cam"): 1}
    results = Results(Study({}))
    results.metrics = metrics(*PAIRS)
    assert set(results.overall["of"]) == {""}


def test_subsets_and_explainers_can_be_meant():
    rows = [("csg", 0, 0.3, "class=3"), ("csg", 1, 0.4, "class=3"), ("csg", 0, 0.8, None, "cam"), *PAIRS]
    of_class = claim(left={"method": "csg", "metric": "accuracy", "subset": "class=3"}, right=0.0)
    of_maps = claim(left={"method": "csg", "metric": "accuracy", "explainer": "cam"}, right=0.0)
    assert judge(of_class, metrics(*rows), "digits")["left"] == pytest.approx(0.35)
    assert judge(of_maps, metrics(*rows), "digits")["left"] == 0.8


@pytest.mark.parametrize(
    ("right", "margin", "relation", "expected"),
    [(0.5, 0.0, ">", "not decided"), (0.5, -0.5, ">", "holds"), (2.0, 0.0, "<", "holds"), (2.0, 0.0, ">=", "fails")],
)
def test_right_side_can_be_a_number(right, margin, relation, expected):
    row = judge(claim(right=right, margin=margin, relation=relation), metrics(*PAIRS), "digits")
    assert (row["verdict"], row["right"], row["value"]) == (expected, right, pytest.approx(0.72 - right))


@pytest.mark.parametrize("missing", ["csg", "std", "both"])
def test_missing_side_is_not_run(missing):
    rows = [row for row in PAIRS if row[0] != missing and missing != "both"]
    row = judge(claim(), metrics(*rows), "digits")
    assert (row["verdict"], row["seeds"]) == ("not run", 0)
    assert [row[key] for key in ("left", "right", "value", "low", "high")] == [None] * 5


def test_missing_left_side_against_a_number_is_not_run():
    assert judge(claim(right=0.5), metrics(*PAIRS[3:]), "digits")["verdict"] == "not run"


def test_one_seed_decides_nothing():
    row = judge(claim(), metrics(PAIRS[0], PAIRS[3]), "digits")
    assert (row["verdict"], row["seeds"], row["low"], row["high"]) == ("not decided", 1, None, None)
    assert row["value"] == pytest.approx(0.01)
