"""How often attacks succeed that see no more of a network than its probabilities: mean over seeds, and each seed as a
dot. Hollow diamonds are what the paper printed for its own dataset and network.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline import layout
from pipeline.report.comparison import read_comparison, read_numbers
from pipeline.report.panels import WIDTH, colour_of, entries, in_lines, in_words, measured
from pipeline.report.results import Results
from pipeline.study import Study

#: Attacks of this kind, by their `from:`.
ATTACKS = ("one_pixel", "local_search")


def draw(results: Results) -> Figure:
    study = results.study
    rows = measured(results, "adversarial", "attack_success")
    rows = rows.assign(attack=rows["subset"].str.extract(r"^attack=([^,]+)$")[0], value=100 * rows["value"])
    blocks = study.slice["evaluations"]
    found = [
        (name, attack, part)
        for (name, evaluation, attack), part in rows.groupby(["name", "evaluation", "attack"], sort=False)
        if blocks[evaluation]["attacks"][attack]["from"] in ATTACKS
    ]
    if not found:
        return in_words("no evaluation of this study attacks networks as black boxes")
    printed = _printed(study)
    width = 1 + 0.5 * len(study.methods)
    figure, (panels,) = in_lines([len(found)], columns=max(1, int(WIDTH / width)), size=(width, 2.6))
    for axes, (name, attack, part) in zip(panels, found, strict=True):
        _rates(axes, study, part, printed[printed["subset"] == f"attack={attack}"])
        axes.set(title=f"{name}: {attack}", ylabel="successful attacks, %")
        axes.set_ylim(bottom=0)
    known = entries(panels)
    if known:
        figure.legend(known.values(), known.keys(), loc="outside lower center")
    return figure


def _printed(study: Study) -> pd.DataFrame:
    """The paper's rates of success in percent by subset and our method, as comparison.yaml relates them to ours."""
    columns = ["subset", "method", "label", "value"]
    path = Path(layout.study_file(study.name, "comparison.yaml"))
    if not path.is_file():
        return pd.DataFrame(columns=columns)
    comparison = read_comparison(path)
    numbers = read_numbers(study.name, comparison)
    found = [
        (quantity.subset, method, f"{number.table}, {number.dataset}, {number.model}", float(number.value))
        for quantity in comparison.quantities
        if quantity.metric == "attack_success"
        for number in quantity.numbers(numbers[numbers["source"] == ""]).itertuples()
        for method in comparison.meaning(number.table, quantity)[number.method]
    ]
    return pd.DataFrame(found, columns=columns)


def _rates(axes: Axes, study: Study, rows: pd.DataFrame, printed: pd.DataFrame) -> None:
    """Rates of each method in `rows`, and those of the paper."""
    methods = list(rows["method"].unique())
    for place, method in enumerate(methods):
        values, colour = rows[rows["method"] == method]["value"], colour_of(study, method)
        axes.plot([place] * len(values), values, ".", color=colour, alpha=0.5, clip_on=False)
        axes.plot(place, values.mean(), "_", color=colour, markersize=16, markeredgewidth=2, clip_on=False)
        for row in printed[printed["method"] == method].itertuples():
            ink = plt.rcParams["text.color"]
            axes.plot(place, row.value, "D", color=ink, markerfacecolor="none", clip_on=False, label=row.label)
    axes.set_xticks(range(len(methods)), methods, rotation=30, ha="right", rotation_mode="anchor")
    axes.set_xlim(-0.6, len(methods) - 0.4)
