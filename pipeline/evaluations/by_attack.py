"""Results of several attacks as rows of one evaluation."""

from dataclasses import replace

import torch

from pipeline.evaluations.subject import Row


def by_attack(found: dict[str, list[Row]]) -> list[Row]:
    """The rows of each attack with its name as (first) subset, "attack=pgd", behind their means over attacks.

    Means are over the attacks for which a metric of all images is defined, and `n` is the sum of theirs.
    """
    rows = [
        replace(row, subset=f"attack={name}" + (f",{row.subset}" if row.subset else ""))
        for name, of_attack in found.items()
        for row in of_attack
    ]
    overall: dict[str, list[Row]] = {}
    for row in (row for of_attack in found.values() for row in of_attack if row.subset is None):
        overall.setdefault(row.metric, []).append(row)
    means = [
        replace(Row.mean(metric, torch.tensor([row.value for row in of_metric])), n=sum(row.n for row in of_metric))
        for metric, of_metric in overall.items()
    ]
    return means + rows
