"""Errors of a random forest in telling adversarial from clean images by the network's features, over the training
images of a class that it learnt from: mean over seeds with their range; guessing errs on half of them. The legends say
on how many of the test images the attack itself succeeds.
"""

from matplotlib.figure import Figure

from pipeline.report.panels import colour_of, curve, in_lines, in_words, measured
from pipeline.report.results import Results

#: Error of a guess in percent: as many rows are adversarial as clean.
GUESS = 50


def draw(results: Results) -> Figure:
    rows = measured(results, "adversarial_detection", "detection_error")
    rows = rows.join(rows["subset"].str.extract(r"^attack=(?P<attack>[^,]+),size=(?P<size>\d+)$")).dropna(subset="size")
    rows = rows.assign(size=rows["size"].astype(int), value=100 * rows["value"])
    successes = measured(results, "adversarial_detection", "attack_success")
    groups = [list(of_data.groupby("attack", sort=False)) for _, of_data in rows.groupby("name", sort=False)]
    if not groups:
        return in_words("no evaluation of this study detects attacks")
    figure, panels = in_lines([len(group) for group in groups], columns=3, size=(3.2, 2.6))
    for axes_group, group in zip(panels, groups, strict=True):
        for axes, (attack, part) in zip(axes_group, group, strict=True):
            name = part["name"].iloc[0]
            of_attack = successes[(successes["name"] == name) & (successes["subset"] == f"attack={attack}")]
            for method, of_method in part.groupby("method", sort=False):
                success = 100 * of_attack[of_attack["method"] == method]["value"].mean()
                label = f"{method}, {success:.0f} % succeed"
                curve(axes, of_method.set_index("size")["value"], label, color=colour_of(results.study, method))
            axes.axhline(GUESS, color="#888888", linestyle=":", linewidth=1)
            axes.set(title=f"{name}: {attack}", xlabel="training images of a class", ylabel="detection error, %")
            axes.set(xticks=sorted(part["size"].unique()), ylim=(0, max(GUESS, part["value"].max()) * 1.05))
            axes.legend(fontsize="small")
    return figure
