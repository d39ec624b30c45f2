"""Verdicts on claims, the numbers behind them, and how the page writes numbers."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from pipeline import layout
from pipeline.artifacts import CLAIMS, HISTORY, METRICS, read_table, write_table
from pipeline.errors import UserError
from pipeline.metrics.catalogue import METRICS as CATALOGUE
from pipeline.report import claims, page
from pipeline.report.claims import Claim, Side, judge, published_text, read_claims, read_published, verdict
from pipeline.report.page import interval, number, side_text
from pipeline.report.results import Results, mean_and_interval
from pipeline.study import Study
from pipeline.workflow import study_slice
from scales import every_scale

ROOT = Path(__file__).parents[2]
NAN = math.nan


def claim(**changes) -> Claim:
    given = {
        "id": "better",
        "statement": "CSG is better",
        "source": "Table 1",
        "relation": ">",
        "margin": 0.0,
        "left": {"method": "csg", "metric": "accuracy"},
        "right": {"method": "std", "metric": "accuracy"},
        "published": (),
    }
    return Claim.model_validate(given | changes)


def metrics(*rows: tuple) -> pd.DataFrame:
    """Rows (method, seed, value[, subset[, explainer[, metric[, dataset[, evaluation]]]]]) as `Results.metrics`."""
    names = ("method", "seed", "value", "subset", "explainer", "metric", "dataset", "evaluation")
    defaults = {"subset": None, "explainer": None, "metric": "accuracy", "dataset": "digits", "evaluation": "tried"}
    found = [defaults | {"n": 10} | dict(zip(names, row, strict=False)) for row in rows]
    return pd.DataFrame(found, columns=[*METRICS.names, "evaluation"])


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

#: CSG is better by 0.01, 0.02 and 0.03, which only the pairs show: seeds differ by much more.
HISTORY_ROWS = pa.Table.from_pylist([{"epoch": 0, "metric": "loss", "value": 1.0}], HISTORY)
PAIRS = [("csg", 0, 0.51), ("csg", 1, 0.72), ("csg", 2, 0.93), ("std", 0, 0.5), ("std", 1, 0.7), ("std", 2, 0.9)]


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


# The stage.


def stage(folder: Path, *published: str) -> tuple[Study, list[dict], dict]:
    """A study with three claims, of which the second has nothing to go by, its verdicts and summary."""
    place = {"table": "T1", "method": "CSG", "metric": "accuracy"}
    kept = claim(id="kept", relation=">=", margin=-0.04, published=[place]).model_dump(mode="json")
    sparse = kept | {"id": "sparse", "left": {"method": "csg", "metric": "l1_density"}, "right": 0.3, "published": []}
    (folder / "studies" / "toy").mkdir(parents=True)
    good = kept | {"id": "good", "relation": ">", "right": 0.5, "margin": 0.0, "published": []}
    (folder / "studies" / "toy" / "claims.yaml").write_text(json.dumps([kept, sparse, good]))
    header = "paper,table,dataset,model,method,metric,value,unit,note"
    (folder / "studies" / "toy" / "published.csv").write_text("\n".join([header, *published]))
    study = Study(
        {
            "study": "toy",
            "root": "a",
            "datasets": {"digits": {}},
            "annotators": {},
            "seeds": 3,
            "methods": {name: {"datasets": None, "network": {"from": "mlp"}} for name in ("csg", "std")},
            "evaluations": {"accuracy": {"datasets": None, "methods": None}},
        }
    )
    for method, seed, value in PAIRS:
        rows = metrics((method, seed, value), (method, seed, 0.9, "class=1"))
        table = pa.Table.from_pandas(rows[METRICS.names], METRICS)
        write_table(layout.evaluation("a", "accuracy", "digits", method, seed), table, METRICS)
    table, summary = layout.claims("a", "toy"), layout.summary("a", "toy")
    for _, method, seed in study.runs():
        write_table(layout.history("a", "digits", method, seed), HISTORY_ROWS, HISTORY)
    claims.run(study=study, table=table, summary=summary, curves=layout.curves("a", "toy"))
    return study, read_table(table, CLAIMS).to_pylist(), json.loads(Path(summary).read_text())


def test_stage_writes_verdicts_and_summary(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    _, (kept, sparse, good), summary = stage(tmp_path, "csg,T1,CIFAR-10,ResNet20,CSG,accuracy,88.850,%,")
    assert (kept["study"], kept["claim"], kept["dataset"], kept["verdict"]) == ("toy", "kept", "digits", "holds")
    assert kept["published"] == "CSG 88.850 % (T1, CIFAR-10, ResNet20)"
    assert (sparse["verdict"], sparse["published"], sparse["value"]) == ("not run", None, None)
    assert (good["verdict"], good["right"]) == ("not decided", 0.5)
    assert summary == {
        "claims": {"kept/digits": "holds", "sparse/digits": "not run", "good/digits": "not decided"},
        "means": {"digits/csg/accuracy": pytest.approx(0.72), "digits/std/accuracy": pytest.approx(0.7)},
    }
    printed = capsys.readouterr().out.splitlines()
    assert printed == [f"{row['verdict']:12} digits: CSG is better" for row in (kept, sparse, good)]


def test_a_claim_is_judged_where_its_metric_is_measured():
    digits = metrics(*PAIRS)
    shapes = digits.assign(dataset="shapes", metric="iou")
    both = pd.concat([digits, shapes, shapes.assign(dataset="cells")])
    assert claims.datasets_of(claim(), both) == ["digits"]
    assert claims.datasets_of(claim(left={"method": "csg", "metric": "iou"}), both) == ["shapes", "cells"]
    assert claims.datasets_of(claim(left={"method": "csg", "metric": "gini"}), both) == []
    only = claim(left={"method": "csg", "metric": "iou"}, datasets=["cells", "digits"])
    assert claims.datasets_of(only, both) == ["cells"]
    assert claims.datasets_of(claim(datasets=["cells"]), both) == []


def test_a_claim_about_a_dataset_that_was_not_measured_is_not_run_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study, *_ = stage(tmp_path, "csg,T1,CIFAR-10,ResNet20,CSG,accuracy,88.850,%,")
    elsewhere = claim(datasets=["shapes"]).model_dump(mode="json")
    (tmp_path / "studies" / "toy" / "claims.yaml").write_text(json.dumps([elsewhere]))
    claims.run(study=study, table="claims.parquet", summary="claims.json", curves="curves.json")
    (row,) = read_table("claims.parquet", CLAIMS).to_pylist()
    assert (row["dataset"], row["verdict"]) == ("shapes", "not run")


def test_numbers_without_unit_and_model_are_quoted_without(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, (kept, *_), _ = stage(tmp_path, "csg,T1,CIFAR-10,,CSG,accuracy,0.9,,")
    assert "0.9" in kept["published"] and "nan" not in kept["published"]


def test_page_writes_the_numbers_of_claims_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study, *_ = stage(tmp_path, "csg,T1,CIFAR-10,ResNet20,CSG,accuracy,88.850,%,")
    kept, sparse, good = page.claims(study)
    assert (kept["ours"], kept["against"], kept["test"]) == ("csg Acc 72.00 %", "std Acc 70.00 %", ">= -4.00 %")
    assert kept["difference"] == "2.00 % [-0.48 %, 4.48 %]"
    assert (sparse["ours"], sparse["against"], sparse["difference"]) == ("csg ‖G‖₁/(CK) –", "0.3", "–")
    assert good["ours"] == kept["ours"]


def test_page_writes_numbers_to_compare_with_in_the_same_unit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study, *_ = stage(tmp_path, "csg,T1,CIFAR-10,ResNet20,CSG,accuracy,88.850,%,")
    assert page.claims(study)[2]["against"] == "50.00 %"


# What the paper printed.

NUMBERS = pd.DataFrame(
    [
        ("T1", "CIFAR-10", "ResNet20", "CSG", "accuracy", "88.85", "%"),
        ("T1", "CIFAR-10", "ResNet20", "STD", "accuracy", "88", "%"),
        ("T2", "VOC", "ResNet152", "CSG", "accuracy", "85", "%"),
        ("T3", "VOC", "ResNet152", "CSG", "mis", "0.2", "nat"),
        ("T3", "VOC", "ResNet152", "CSG", "mis", "0.3", "nat"),
    ],
    columns=["table", "dataset", "model", "method", "metric", "value", "unit"],
)


def reference(table: str, method: str = "CSG", metric: str = "accuracy") -> dict[str, str]:
    return {"table": table, "method": method, "metric": metric}


def test_published_numbers_are_quoted_with_their_place():
    both = published_text(claim(published=[reference("T1"), reference("T1", "STD")]), NUMBERS)
    assert both == "CSG 88.85 % (T1, CIFAR-10, ResNet20); STD 88 % (T1, CIFAR-10, ResNet20)"
    assert published_text(claim(), NUMBERS) is None


def test_the_model_tells_numbers_of_one_table_apart():
    both = pd.concat([NUMBERS, NUMBERS[NUMBERS["table"] == "T1"].assign(model="ResNet56", value="90")])
    deep = published_text(claim(published=[reference("T1") | {"model": "ResNet56"}]), both)
    assert deep == "CSG 90 % (T1, CIFAR-10, ResNet56)"


@pytest.mark.parametrize(
    ("wrong", "count"), [(reference("T9"), 0), (reference("T1", "csg"), 0), (reference("T3", metric="mis"), 2)]
)
def test_reference_to_no_row_or_to_several_is_an_error(wrong, count):
    with pytest.raises(UserError, match=rf"claim 'better': {count} rows of published\.csv match .*{wrong['table']}"):
        published_text(claim(published=[reference("T1"), wrong]), NUMBERS)


# The claims that are there.

STUDIES = sorted(path.parent.name for path in ROOT.glob("studies/*/claims.yaml"))


@pytest.mark.parametrize("study", STUDIES)
def test_claims_of_the_study_are_about_what_exists(study):
    found = read_claims(ROOT / "studies" / study / "claims.yaml")
    numbers = claims.read_published(ROOT / "studies" / study / "published.csv")
    combined = [study_slice(scale, study) for scale in every_scale()]
    methods = {name for one in combined for name in (*one["methods"], *one["annotators"])}
    datasets = {name for one in combined for name in one["datasets"]}
    assert found and len({one.id for one in found}) == len(found)
    for one in found:
        sides = [one.left, *([one.right] if isinstance(one.right, Side) else [])]
        assert all(side.metric in CATALOGUE and side.method in methods for side in sides)
        assert datasets.issuperset(one.datasets or ())
        text = published_text(one, numbers)
        assert (text is None) == (not one.published)
        assert text is None or "nan" not in text


def test_the_csg_study_has_its_claims():
    assert "csg" in STUDIES
    accuracy = read_claims(ROOT / "studies" / "csg" / "claims.yaml")[0]
    assert (accuracy.id, accuracy.relation, accuracy.margin) == ("accuracy_kept", ">=", -0.04)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"margins": 0}, "0.margins: unknown key"),
        ({"left": {"method": "csg", "metric": "gini", "subsets": "a"}}, "0.left.subsets: unknown key"),
        ({"relation": "=>"}, "0.relation: input should be '>', '>=', '<' or '<=', not '=>'"),
        ({"published": [{"table": "T1", "method": "CSG"}]}, "0.published.0.metric: is missing; add it"),
    ],
)
def test_wrong_claims_are_named_in_one_line(tmp_path, changes, problem):
    path = tmp_path / "claims.yaml"
    path.write_text(json.dumps([claim().model_dump(mode="json") | changes]))
    with pytest.raises(UserError, match=re.escape(problem)) as caught:
        read_claims(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_unreadable_claims_are_named_in_one_line(tmp_path):
    (tmp_path / "claims.yaml").write_text("- {id: [")
    with pytest.raises(UserError, match=r"claims\.yaml: not readable as YAML") as caught:
        read_claims(tmp_path / "claims.yaml")
    assert "\n" not in str(caught.value)


def test_message_on_wrong_claims_names_their_file_alone_and_the_right_key(tmp_path):
    path = tmp_path / "claims.yaml"
    path.write_text(json.dumps([claim().model_dump(mode="json") | {"margins": 0}]))
    with pytest.raises(UserError) as caught:
        read_claims(path)
    assert str(caught.value) == f"{path}: 0.margins: unknown key; did you mean 'margin'?"


def test_missing_claims_are_named(tmp_path):
    with pytest.raises(UserError, match=r"claims\.yaml: no such file; every study has its claims there"):
        read_claims(tmp_path / "claims.yaml")


def test_missing_and_malformed_numbers_are_named(tmp_path):
    path = tmp_path / "published.csv"
    with pytest.raises(UserError, match=r"published\.csv: no such file"):
        read_published(path)
    for content in ("", "table,method\nT1,CSG"):
        path.write_text(content)
        with pytest.raises(UserError, match=r"published\.csv: not a table with the columns table, dataset"):
            read_published(path)


def test_a_metric_without_an_entry_is_named():
    with pytest.raises(UserError, match=r"catalogue\.py: unknown metric 'acuracy'; did you mean 'accuracy'\?"):
        number(0.5, "acuracy")


# Numbers on the page.


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
