"""Published beside measured numbers: each source's rows, their units and labels, what is missing, and bad input."""

import html
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from scipy.stats import ttest_1samp
from toy_study import CLAIM, COMPARISON, PUBLISHED, SECOND_HAND, write_files, write_study

from pipeline import layout, recorded
from pipeline.errors import UserError
from pipeline.metrics.catalogue import METRICS as CATALOGUE
from pipeline.report import claims, page
from pipeline.report.circumstances import circumstances
from pipeline.report.comparison import Comparison, in_unit, read_comparison, read_numbers, tables
from pipeline.report.results import Results
from pipeline.study import Study
from scales import every_scale

ROOT = Path(__file__).parents[2]
QUANTITY = COMPARISON["quantities"][0]
MACHINE = "Toy processor, 2 cores"
ABOUT = f"digits; resnet cifar (blocks 3, channels 16-32-64); 2 epochs; 8 training images; 2 seeds; {MACHINE}"


@pytest.fixture
def study(tmp_path, monkeypatch) -> Study:
    monkeypatch.chdir(tmp_path)
    return write_study()


def shown(study: Study) -> dict[str, dict]:
    """Tables by title."""
    return {one["title"]: one for one in tables(study, Results(study))}


def rows(study: Study, title: str) -> list[tuple]:
    """(label, detail, note, *cells) of a quantity."""
    return [(row["label"], row["detail"], row["note"], *row["cells"]) for row in shown(study)[title]["sources"]]


def percent(*values: float) -> str:
    ends = ttest_1samp(values, 0.0).confidence_interval(0.95)
    mean = sum(values) / len(values)
    return f"{100 * mean:.2f} % [{100 * ends.low:.2f} %, {100 * ends.high:.2f} %]"


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


def test_a_quantity_may_be_of_one_model_with_methods_of_its_own(study):
    shallow = QUANTITY | {"model": "ResNet20"}
    deep = shallow | {"title": "Deep", "model": "ResNet56", "methods": {"STD": ["csg"]}}
    write_files(
        study,
        comparison__yaml=yaml.safe_dump(COMPARISON | {"quantities": [shallow, deep]}, sort_keys=False),
        published__csv=PUBLISHED + "csg,T4,CIFAR-10,ResNet56,STD,accuracy,93.00,%,\n",
    )
    printed = [row[3:] for row in rows(study, "Right answers") if row[0] == "paper"]
    assert printed == [("88.00 %", "88.850 %", "88.850 %")]
    assert shown(study)["Deep"]["methods"] == ["csg"]
    assert [(row[0], row[3]) for row in rows(study, "Deep")] == [("paper", "93.00 %"), ("this run", percent(0.6, 0.8))]


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


def test_different_networks_and_machines_of_a_row_are_all_named():
    made = {
        "settings": {"methods": {
            "std": {"network": {"from": "resnet", "depth": 18}, "epochs": 2},
            "csg": {"network": {"from": "alexnet_cifar", "hidden": 8}, "epochs": 2},
            "other": {"network": {"from": "resnet", "depth": 50}, "epochs": 9},
        }},
        "environments": [
            {"device": "Toy GPU", "machine": {}}, {"device": "cpu", "machine": {"processor": "P", "cores": 1}}
        ],
        "trainings": [
            {"dataset": dataset, "method": method, "seed": 0, "train_images": 5, "environment": environment}
            for dataset, method, environment in (("a", "std", 0), ("a", "csg", 1), ("b", "std", 0), ("a", "other", 0))
        ],
    }  # fmt: skip
    words = "a; resnet (depth 18) / alexnet cifar (hidden 8); 2 epochs; 5 training images; 1 seed; Toy GPU / P, 1 cores"
    assert circumstances(made, "a", ["std", "csg"]) == words


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


# The page.


def rendered(study: Study) -> str:
    layout_root = Path(study.root)
    claims.run(
        study=study,
        table=layout.claims(study.root, study.name),
        summary=layout.summary(study.root, study.name),
        curves=layout.curves(study.root, study.name),
    )
    page.run(studies=[study], output=str(layout_root / "page.html"))
    return (layout_root / "page.html").read_text()


def words(text: str) -> str:
    """What a reader sees of a piece of the page."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text.replace("<wbr>", ""))).split())


def test_the_page_shows_the_tables_and_marks_second_hand_numbers(study):
    recorded.run(study, [])
    text = rendered(study)
    assert "<h3>Published beside measured</h3>" in text
    for label, detail, note, *_ in rows(study, "Right answers"):
        assert all(part in words(text) for part in (label, detail, note))
    table = text[text.index("Right answers") :]
    *_, heads, std, csg, fixed = re.findall(r"<tr>.*?</tr>", table[: table.index("</table>")], re.DOTALL)
    assert words(heads) == "method paper 1 CIFAR-10 second-hand 2 CIFAR-10 this run 3 digits recorded: tiny 4 digits"
    assert '<span class="second-hand source">second-hand</span>' in heads
    measured = {"std": percent(0.5, 0.7), "csg": percent(0.6, 0.8)}
    assert words(std) == f"std 88.00 % 91.69 % {measured['std']} {measured['std']}"
    assert words(csg) == f"csg 88.850 % 91.92 % {measured['csg']} {measured['csg']}"
    assert words(fixed) == "csg_fixed 88.850 % – – –"
    assert re.findall(r'class="number second-hand">(.*?)<', std) == ["91.69\N{NO-BREAK SPACE}%"]
    assert re.findall(r'data-of="(.*?)"', std) == ["paper (1)", "second-hand (2)", "this run (3)", "recorded: tiny (4)"]
    assert len(re.findall(r'<li class="second-hand"><span class="second-hand source">second-hand</span>', text)) == 2
    assert '<td data-of="paper (1)" class="number paper unknown">not available</td>' in text
    assert "scale, tiny, may come from an earlier run" in text


def test_claims_that_were_not_run_are_folded_below_the_others(study):
    left = {"method": "csg", "metric": "iou"}
    missing = CLAIM | {"id": "iou", "statement": "CSG finds more", "left": left, "right": 0.5}
    Path(layout.study_file("toy", "claims.yaml")).write_text(yaml.safe_dump([CLAIM, missing]))
    text = rendered(study)
    table, folded = text[text.index("<h3>Claims</h3>") :].split("</table>", 1)
    assert CLAIM["statement"] in table and "CSG finds more" not in table
    folded = words(folded[folded.index("<details>") : folded.index("</details>")])
    assert folded == "1 more not run at this scale CSG finds more (T1; digits)"


def test_the_page_has_a_row_for_each_method_under_its_metric(study):
    text = rendered(study)
    table = text[text.index("<h3>Numbers</h3>") :]
    lines = [words(line) for line in re.findall(r"<tr>.*?</tr>", table[: table.index("</table>")], re.DOTALL)]
    assert lines == [
        "method digits",
        "Accuracy (Acc, %; higher is better; n 10 on digits; Liang et al. 2020)",
        f"std {percent(0.5, 0.7)}",
        f"csg {percent(0.6, 0.8)}",
    ]


def test_a_metric_shows_the_methods_that_have_it_with_a_column_a_dataset(study):
    results = Results(study)
    other = Results(study).metrics.assign(dataset="other", n=7)
    results.metrics = pd.concat([results.metrics, other[other["method"] == "csg"]])
    both = Results(Study({**study.slice, "datasets": {"digits": {}, "other": {}}}))
    both.metrics = results.metrics
    (group,) = page.metric_groups(both)
    assert group["n"] == "10 on digits, 7 on other"
    measured = percent(0.6, 0.8)
    assert group["rows"] == [
        {"method": "std", "cells": [percent(0.5, 0.7), "–"]}, {"method": "csg", "cells": [measured, measured]}
    ]  # fmt: skip
    both = Results(both.study)
    both.metrics = other[other["method"] == "csg"]
    assert [row["method"] for row in page.metric_groups(both)[0]["rows"]] == ["csg"]


def test_the_page_says_nothing_of_an_earlier_run_that_is_not_recorded(study):
    text = rendered(study)
    assert "earlier run" not in text and '<li class="recorded">' not in text


def test_a_study_without_comparison_has_no_such_section(study):
    write_files(study, comparison__yaml=None)
    assert study.compared() == [] and "beside measured" not in rendered(study)


def test_the_page_depends_on_every_file_that_it_lays_side_by_side(study):
    of_study = [f"studies/toy/{name}" for name in ("comparison.yaml", "published.csv", "second_hand.csv")]
    assert study.compared() == of_study
    recorded.run(study, [])
    (Path("studies/toy/recorded") / ".tiny.1.part").mkdir()
    of_scale = [f"studies/toy/recorded/tiny/{name}" for name in ("metrics.csv", "about.json")]
    assert study.compared() == [*of_study, *of_scale]
    write_files(study, second_hand__csv=None)
    assert study.compared() == [*of_study[:2], *of_scale]


def test_the_page_needs_no_torch():
    code = "import sys, pipeline.report.page; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


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
        ("comparison__yaml", yaml.safe_dump(COMPARISON | {"quantities": [QUANTITY | {"model": "VGG"}]}),
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
