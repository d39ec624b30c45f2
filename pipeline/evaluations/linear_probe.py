"""Whether attributes that training never saw can be read off the features by a linear classifier (admm.md 4.3)."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.evaluations.subject import Row, Subject
from pipeline.metrics.probe import linear_probe
from pipeline.models.trained import batches
from pipeline.splitting.nmf import rows_of, scores

if TYPE_CHECKING:
    from pipeline.settings.evaluations import LinearProbe


def evaluate(subject: Subject, settings: "LinearProbe") -> list[Row]:
    """Metrics `probe_accuracy` and beside it `majority_accuracy`, of each attribute as subset "attribute=i".

    The overall rows are means over the attributes of which training shows both values, and `n` counts these; of one
    attribute it counts test images.
    """
    codes = score_codes if settings.features == "scores" else Subject.features
    train, test = ((codes(subject, split), subject.splits[split].attributes()) for split in ("train", "test"))
    probe = linear_probe(*train, *test, regularisation=settings.regularisation)
    probed = ~probe.accuracy.isnan()
    rows = []
    for metric, values in (("probe_accuracy", probe.accuracy), ("majority_accuracy", probe.majority)):
        rows.append(Row.mean(metric, values[probed]))
        rows += [Row(metric, value, len(test[1]), subset=f"attribute={i}") for i, value in enumerate(values.tolist())]
    return rows


@torch.no_grad()
def score_codes(subject: Subject, split: str) -> Tensor:
    """Scores N×(h·w·r) of DeepFacto: last maps, position by position, projected on its r factors (section 4.2).

    Raises `UserError` for a method without factors.
    """
    if "factors" not in subject.tensors:
        raise UserError(
            f"{subject.path}: method '{subject.header['method']}' has no factors; list methods from: deepfacto under "
            f"`methods` of the evaluation, or set features: pooled"
        )
    images, factors = subject.splits[split], subject.tensors["factors"].to(subject.device)
    maps = (subject.network.maps(images.floats(rows)).float() for rows in batches(len(images)))
    return torch.cat([scores(rows_of(part), factors).view(len(part), -1).cpu() for part in maps])
