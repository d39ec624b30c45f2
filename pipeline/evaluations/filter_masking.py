"""What the network says when the filters of some classes are closed, or only they are open (csg.md E7).

Closed means that the activations of those filters are 0. With gates, the filters of class c are {k : G_c^k > 0.5}, of
gates made by hand those that it has for itself. Without gates they are the m filters with the largest mean activation
on the test images of c (csg.md 8.31), m being the setting `filters` or, if that is null, K // C, at least 1: the group
sizes of another run, which the paper's code takes, are not at hand. Expected with gates: closed classes are hardly
predicted while the others keep their recall, and nothing but the open classes is predicted when only their filters are
open. Compare methods at about equal `closed_filters`, since more closed filters take a class from an ordinary network
too.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.evaluations.subject import Row, Subject
from pipeline.metrics.gates import serving
from pipeline.metrics.masking import confusion, most_active
from pipeline.models.trained import batches

if TYPE_CHECKING:
    from pipeline.settings.evaluations import FilterMasking


def evaluate(subject: Subject, settings: "FilterMasking") -> list[Row]:
    """Rows of every set of classes in `closed`, subset "closed=0+5"; overall the means over each class by itself.

    `masked_recall` of the classes whose filters are closed, `kept_recall` of the others and `unmasked_recall` of these
    others with all filters open are means over classes with test images, which `n` counts. `closed_filters` are the
    filters of the set, out of `n`. `open_share` is the share of predictions, among `n` test images of all classes, that
    name a class of the set when only its filters are open. Overall, `n` counts the classes that were closed: those with
    test images. `confusion`, the shares of the `n` images of class y that are predicted as p, has the subsets
    "class=y,predicted=p" with all filters open, "closed=0+5,class=y,predicted=p", and "open=0+5,class=y,predicted=p". A
    class without test images and gates has no filters to close.
    """
    images = subject.splits["test"]
    labels, classes = images.labels.cpu(), images.classes
    _check(subject, settings, classes)
    counts = labels.bincount(minlength=classes)
    sets = [*([c] for c in counts.nonzero()[:, 0].tolist()), *settings.closed]
    inside = torch.stack([torch.zeros(classes, dtype=torch.bool).index_fill_(0, torch.tensor(s), True) for s in sets])
    groups = _groups(subject, labels, settings)
    filters = torch.stack([groups[chosen].any(0) for chosen in inside])
    masks = torch.cat([torch.ones_like(groups[:1]), ~filters, filters])
    all_open, closed, alone = _predicted(subject, masks).split([1, len(sets), len(sets)])
    plain = confusion(labels, all_open[0], classes)
    found = [
        _scalars(plain, confusion(labels, closed[s], classes), alone[s], inside[s], filters[s])
        for s in range(len(sets))
    ]
    singles = len(sets) - len(settings.closed)
    rows = [
        Row.mean(of_metric[0].metric, torch.tensor([row.value for row in of_metric]))
        for of_metric in zip(*found[:singles], strict=True)
    ]
    for s, chosen in enumerate(settings.closed, singles):
        name = "+".join(map(str, chosen))
        rows += [replace(row, subset=f"closed={name}") for row in found[s]]
        rows += _entries(confusion(labels, closed[s], classes), counts, f"closed={name},")
        rows += _entries(confusion(labels, alone[s], classes), counts, f"open={name},")
    return rows + _entries(plain, counts, "")


def _scalars(plain: Tensor, closed: Tensor, alone: Tensor, inside: Tensor, own: Tensor) -> list[Row]:
    """Of the classes `inside` C bool and their filters `own` K bool: from the confusions C×C with all filters open and
    with theirs `closed`, and the classes N that images are taken for when theirs are open `alone`."""
    return [
        Row.mean("masked_recall", closed.diagonal()[inside]),
        Row.mean("kept_recall", closed.diagonal()[~inside]),
        Row.mean("unmasked_recall", plain.diagonal()[~inside]),
        Row("closed_filters", float(own.sum()), len(own)),
        Row.mean("open_share", inside[alone]),
    ]


def _check(subject: Subject, settings: "FilterMasking", classes: int) -> None:
    largest = max(max(chosen) for chosen in settings.closed)
    if largest >= classes:
        raise UserError(
            f"{subject.path}: `closed` of the evaluation names class {largest}, but the classes are 0 to "
            f"{classes - 1}; name others, or leave out the dataset under `datasets` of the evaluation"
        )


def _groups(subject: Subject, labels: Tensor, settings: "FilterMasking") -> Tensor:
    """C×K bool, the filters of each class."""
    if "gates" in subject.tensors:
        served = serving(subject.gates.cpu())
        return served & (served.sum(0) == 1) if subject.header["settings"].get("fixed_gates") else served
    classes, features = subject.splits["test"].classes, subject.features("test")
    return most_active(features, labels, classes, settings.filters or max(1, features.shape[1] // classes))


@torch.no_grad()
def _predicted(subject: Subject, masks: Tensor) -> Tensor:
    """Classes S×N, on the CPU, where only the activations of the filters of each of the `masks` S×K come through.

    A batch of images at a time, since activations may be whole maps.
    """
    images, network = subject.splits["test"], subject.network
    found = []
    for rows in batches(len(images)):
        activations = network.activations(images.floats(rows))
        shaped = masks.to(subject.device).view(*masks.shape, *[1] * (activations.ndim - 2))
        found.append(torch.stack([network.readout(activations.where(mask, 0)).argmax(1) for mask in shaped]))
    return torch.cat(found, dim=1).cpu()


def _entries(matrix: Tensor, counts: Tensor, prefix: str) -> list[Row]:
    return [
        Row("confusion", value, int(counts[y]), subset=f"{prefix}class={y},predicted={p}")
        for y, shares in enumerate(matrix.tolist())
        for p, value in enumerate(shares)
    ]
