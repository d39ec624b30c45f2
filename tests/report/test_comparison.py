"""Published beside measured numbers: each source's rows, their units and labels, what is missing, and bad input."""

import re
from pathlib import Path

import pandas as pd
import pytest
import yaml
from compared import percent, rows, shown
from toy_study import COMPARISON, PUBLISHED, SECOND_HAND, write_files

from pipeline import layout, recorded
from pipeline.errors import UserError
from pipeline.metrics.catalogue import METRICS as CATALOGUE
from pipeline.report.comparison import Comparison, in_unit, read_comparison, read_numbers, tables
from pipeline.report.results import Results
from pipeline.study import Study
from scales import every_scale

ROOT = Path(__file__).parents[2]
QUANTITY = COMPARISON["quantities"][0]
MACHINE = "Toy processor, 2 cores"
ABOUT = f"digits; resnet cifar (blocks 3, channels 16-32-64); 2 epochs; 8 training images; 2 seeds; {MACHINE}"


def test_every_source_has_its_row(study):
    recorded.run(study, [])
    table = shown(study)["Right answers"]
    assert (table["methods"], table["symbol"], table["unit"]) == (["std", "csg", "csg_fixed"], "Acc", "%")
    measured = (percent(0.5, 0.7), percent(0.6, 0.8), "–")
    assert rows(study, "Right answers") == [
        ("paper", "T1, CIFAR-10, ResNet20", "really fixed gates", "88.00 %", "88.850 %", "88.850 %"),
        ("second-hand", "a reader; T2, CIFAR-10, ResNet20", "", "91.69 %", "91.92 %", "–"),
        ("this run", ABOUT, "", *measured),
        ("recorded: tiny", ABOUT, "", *measured),
    ]


def test_a_quantity_may_be_of_some_models_with_methods_of_its_own(study):
    shallow = QUANTITY | {"models": ["ResNet20"]}
    deep = shallow | {"title": "Deep", "models": ["ResNet56"], "methods": {"STD": ["csg"]}}
    write_files(
        study,
        comparison__yaml=yaml.safe_dump(COMPARISON | {"quantities": [shallow, deep]}, sort_keys=False),
        published__csv=PUBLISHED + "csg,T4,CIFAR-10,ResNet56,STD,accuracy,93.00,%,\n",
    )
    printed = [row[3:] for row in rows(study, "Right answers") if row[0] == "paper"]
    assert printed == [("88.00 %", "88.850 %", "88.850 %")]
    assert shown(study)["Deep"]["methods"] == ["csg"]
    assert [(row[0], row[3]) for row in rows(study, "Deep")] == [("paper", "93.00 %"), ("this run", percent(0.6, 0.8))]


def test_a_quantity_may_be_measured_on_some_datasets_alone(study):
    recorded.run(study, [])
    here, elsewhere = ({"title": title, "datasets": [title]} for title in ("digits", "mnist"))
    quantities = [QUANTITY | here, QUANTITY | elsewhere]
    write_files(study, comparison__yaml=yaml.safe_dump(COMPARISON | {"quantities": quantities}, sort_keys=False))
    found = {title: [row[:2] for row in rows(study, title)[2:]] for title in ("digits", "mnist")}
    assert found["digits"] == [("this run", ABOUT), ("recorded: tiny", ABOUT)]
    assert found["mnist"] == [("this run", "not measured")]


def test_what_was_recorded_to_choose_settings_is_left_out(study):
    held_out = Study({**study.slice, "datasets": {"digits": {"hold_out": 4}}})
    recorded.run(held_out, [])
    assert [row[0] for row in rows(held_out, "Right answers")] == ["paper", "second-hand", "this run"]


def test_recorded_results_stay_when_the_run_changes(study):
    recorded.run(study, [])
    fewer = Study({**study.slice, "seeds": 1})
    labels = {label: (detail, cell) for label, detail, _, cell, *_ in rows(fewer, "Right answers")}
    assert labels["recorded: tiny"] == (ABOUT, percent(0.5, 0.7))
    assert labels["this run"] == (ABOUT.replace("2 seeds", "1 seed"), "50.00 %")


def test_a_number_that_is_not_known_is_not_available(study):
    assert rows(study, "One pixel") == [
        ("paper", "T1, CIFAR-10, ResNet20", "really fixed gates", "14.00 %"), ("this run", "not measured", "", "–")
    ]  # fmt: skip
    assert shown(study)["One pixel"]["methods"] == ["std"]
    assert rows(study, "MIS") == [
        ("paper", "", "", "not available"), ("second-hand", "somebody else", "doubtful", "0.1603"),
        ("this run", "not measured", "", "–"),
    ]  # fmt: skip
    assert rows(study, "Overlap") == [
        ("paper", "", "", *["not available"] * 3), ("this run", "not measured", "", *["–"] * 3)
    ]  # fmt: skip


def test_values_that_are_not_defined_do_not_count(study):
    results = Results(study)
    results.metrics = Results(study).metrics.assign(value=float("nan"))
    assert tables(study, results)[0]["sources"][-1]["detail"] == "not measured"


@pytest.mark.parametrize(
    ("value", "unit", "metric", "text"),
    [
        ("88.850", "%", "accuracy", "88.850 %"), ("0.9192", "share", "accuracy", "91.92 %"),
        ("95.02", "percent", "accuracy", "95.02 %"),
        ("0.50", "share", "accuracy", "50 %"), ("1", "share", "accuracy", "100 %"),
        ("0.1603", "nat", "mutual_information_score", "0.1603"), ("0.1000", "share", "l1_density", "0.1000"),
    ],
)  # fmt: skip
def test_printed_numbers_keep_their_digits(value, unit, metric, text):
    assert in_unit(value, unit, metric, "published.csv") == text


@pytest.mark.parametrize(
    ("value", "unit", "metric", "problem"),
    [
        ("88,8", "%", "accuracy", "p.csv: '88,8' is not a number; write its digits alone"),
        ("12", "%", "l1_density", "p.csv: 12 is given in '%', but l1_density in 'share'; convert it"),
        ("12", "", "accuracy", "p.csv: 12 is given in '', but accuracy in '%'; convert it"),
        ("12", "percent", "l1_density", "p.csv: 12 is given in 'percent', but l1_density in 'share'; convert it"),
    ],
)
def test_printed_numbers_of_another_unit_are_refused(value, unit, metric, problem):
    with pytest.raises(UserError, match=re.escape(problem)):
        in_unit(value, unit, metric, "p.csv")


# Bad input.


def changed(**changes) -> str:
    return yaml.safe_dump(COMPARISON | changes)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (changed(quantity=[]), "quantity: unknown key; did you mean 'quantities'?"),
        (changed(quantities=[{"title": "A", "metric": "accuracy", "subsets": "a"}]),
         "quantities.0.subsets: unknown key; did you mean 'subset'?"),
        (changed(quantities=[{"title": "A"}]), "quantities.0.metric: is missing; add it"),
        (changed(quantities=[{"title": "A", "metric": "acuracy"}]), "unknown metric 'acuracy'; did you mean 'acc"),
        (changed(methods={"STD": "std"}), "methods.STD: input should be a valid tuple, not 'std'"),
        (changed(tables={"T1": {}}), "tables.T1.note: is missing; add it"),
        ("{methods: [", "not readable as YAML"),
    ],
)  # fmt: skip
def test_a_wrong_comparison_is_named_in_one_line(tmp_path, text, problem):
    path = tmp_path / "comparison.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=re.escape(problem)) as caught:
        read_comparison(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_a_missing_comparison_is_named(tmp_path):
    with pytest.raises(UserError, match=r"comparison\.yaml: no such file; write there what to lay beside"):
        read_comparison(tmp_path / "comparison.yaml")


@pytest.mark.parametrize(
    ("file", "text", "problem"),
    [
        ("published__csv", PUBLISHED.replace("asr", "ars"),
         "studies/toy/comparison.yaml: unknown published metric 'asr'; did you mean 'ars'?"),
        ("published__csv", PUBLISHED.replace("STD,asr", "STDD,asr"),
         "studies/toy/comparison.yaml: methods: unknown method of the paper 'STDD'; did you mean 'STD'?"),
        ("published__csv", PUBLISHED.replace("T1", "T3"),
         "studies/toy/comparison.yaml: tables: unknown table of the paper 'T1'; known: T2, T3"),
        ("published__csv", PUBLISHED + PUBLISHED.splitlines()[1],
         "studies/toy/published.csv: T1 has several numbers for accuracy of std; keep one"),
        ("comparison__yaml", yaml.safe_dump(COMPARISON | {"quantities": [QUANTITY | {"models": ["VGG"]}]}),
         "studies/toy/comparison.yaml: unknown model of the paper 'VGG'; known: ResNet20"),
        ("second_hand__csv", "table,method\n", "studies/toy/second_hand.csv: not a table with the columns table,"),
        ("second_hand__csv", "", "studies/toy/second_hand.csv: not a table with the columns table,"),
        ("second_hand__csv", SECOND_HAND.replace("a reader", ""),
         "studies/toy/second_hand.csv: a row has no source; say who reports the number"),
        ("second_hand__csv", SECOND_HAND.replace("0.9169,share", "0.9169,nat"),
         "studies/toy/second_hand.csv: 0.9169 is given in 'nat', but accuracy in '%'; convert it"),
        ("second_hand__csv", None, "studies/toy/comparison.yaml: unknown published metric 'mis'; known:"),
    ],
)  # fmt: skip
def test_numbers_that_do_not_fit_the_comparison_are_named(study, file, text, problem):
    write_files(study, **{file: text})
    with pytest.raises(UserError, match=re.escape(problem)):
        shown(study)


def test_second_hand_numbers_are_optional(study):
    without = {**COMPARISON, "quantities": COMPARISON["quantities"][:1]}
    write_files(study, second_hand__csv=None, comparison__yaml=yaml.safe_dump(without))
    assert [label for label, *_ in rows(study, "Right answers")] == ["paper", "this run"]


@pytest.mark.parametrize(
    ("file", "text", "problem"),
    [
        ("metrics.csv", None, "recorded/tiny/metrics.csv: no such file; record the scale again with `python -m"),
        ("about.json", None, "recorded/tiny/about.json: no such file; record the scale again with"),
        ("metrics.csv", "dataset,method\n", "recorded/tiny: not recorded results ("),
        ("metrics.csv", "", "recorded/tiny: not recorded results ("),
        ("about.json", "{", "recorded/tiny: not recorded results ("),
    ],
)
def test_damaged_recorded_results_are_named(study, file, text, problem):
    recorded.run(study, [])
    path = Path("studies/toy/recorded/tiny") / file
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(UserError, match=re.escape(problem)):
        shown(study)


# The comparisons that are there.

STUDIES = sorted(path.parent.name for path in ROOT.glob("studies/*/comparison.yaml"))


@pytest.mark.parametrize("name", STUDIES)
def test_comparison_of_the_study_is_about_what_exists(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    comparison = read_comparison(Path(layout.study_file(name, "comparison.yaml")))
    numbers = read_numbers(name, comparison)
    assert {one.metric for one in comparison.quantities} <= set(CATALOGUE)
    assert {one.published for one in comparison.quantities} - {None} <= set(numbers["metric"])
    named = {name for one in comparison.quantities for name in comparison.instances(one)}
    assert named <= {method for scale in every_scale() for method in scale.methods}
    datasets = {dataset for scale in every_scale() for dataset in scale.datasets}
    assert datasets.issuperset(dataset for one in comparison.quantities for dataset in one.datasets)
    assert len({one.title for one in comparison.quantities}) == len(comparison.quantities)


def test_the_csg_study_marks_what_it_has_at_second_hand(monkeypatch):
    monkeypatch.chdir(ROOT)
    numbers = pd.read_csv("studies/csg/second_hand.csv", dtype=str, keep_default_na=False)
    published = pd.read_csv("studies/csg/published.csv", dtype=str, keep_default_na=False)
    assert numbers.columns.tolist() == [*published.columns, "source"]
    assert not set(numbers["table"]) & set(published["table"]) and (numbers["source"] != "").all()
    contradictory = numbers[(numbers["metric"] == "l1_density") & (numbers["table"] == "Table 1")]
    assert contradictory["value"].tolist() == ["0.0788"] and "contradicts" in contradictory["note"].item()


def test_numbers_of_table_j1_stand_beside_learnt_and_fixed_gates():
    comparison = Comparison.model_validate(yaml.safe_load((ROOT / "studies/csg/comparison.yaml").read_text()))
    accuracy = comparison.quantities[0]
    assert comparison.meaning("Table J.1", accuracy)["CSG"] == ("csg", "csg_fixed")
    assert comparison.meaning("Table 1", accuracy)["CSG"] == ("csg",)
