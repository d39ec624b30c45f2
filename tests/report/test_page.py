"""The page: its tables and sections as a reader sees them."""

import html
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import yaml
from compared import percent, rows
from toy_study import CLAIM, write_files

from pipeline import layout, recorded
from pipeline.report import claims, page
from pipeline.report.results import Results
from pipeline.study import Study

ROOT = Path(__file__).parents[2]


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


def test_a_notice_of_many_is_read_once(study, monkeypatch):
    of = {f"set{index}": ["few images", "drawn"] if index == 3 else ["few images"] for index in range(5)}
    monkeypatch.setattr(Results, "notices", of)
    text = rendered(study)
    notices = text[text.index('class="notices"') :]
    items = re.findall(r"<li>.*?</li>", notices[: notices.index("</div>")], re.DOTALL)
    assert [words(item) for item in items] == ["set0, set1, set2 and 2 more : few images", "set3 : drawn"]
    assert 'title="set0, set1, set2, set3, set4"' in items[0]


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


def test_the_page_claims_and_figures_of_numbers_need_no_torch():
    """Loading it would take longer than their work."""
    code = (
        "import sys, pipeline.report.page, pipeline.report.claims, pipeline.report.figures.metrics, "
        "pipeline.report.figures.training_curves; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
