"""The stage that judges a study's claims, what it quotes, and the claims that are there."""

import json
import re
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from claimed import PAIRS, claim, metrics

from pipeline import layout
from pipeline.artifacts import CLAIMS, HISTORY, METRICS, read_table, write_table
from pipeline.errors import UserError
from pipeline.metrics.catalogue import METRICS as CATALOGUE
from pipeline.report import claims, page
from pipeline.report.claims import Side, published_text, read_claims, read_published
from pipeline.study import Study
from pipeline.workflow import study_slice
from scales import every_scale

ROOT = Path(__file__).parents[2]
HISTORY_ROWS = pa.Table.from_pylist([{"epoch": 0, "metric": "loss", "value": 1.0}], HISTORY)

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
