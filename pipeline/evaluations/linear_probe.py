"""Whether attributes that training never saw can be read off the features by a linear classifier (admm.md 4.3)."""

from typing import TYPE_CHECKING

from pipeline.evaluations.subject import Row, Subject
from pipeline.metrics.probe import linear_probe

if TYPE_CHECKING:
    from pipeline.settings.evaluations import LinearProbe


def evaluate(subject: Subject, settings: "LinearProbe") -> list[Row]:
    """Metrics `probe_accuracy` and beside it `majority_accuracy`, of each attribute as subset "attribute=i".

    The overall rows are means over the attributes of which training shows both values, and `n` counts these; of one
    attribute it counts test images.
    """
    train, test = ((subject.features(split), subject.splits[split].attributes()) for split in ("train", "test"))
    probe = linear_probe(*train, *test, regularisation=settings.regularisation)
    probed = ~probe.accuracy.isnan()
    rows = []
    for metric, values in (("probe_accuracy", probe.accuracy), ("majority_accuracy", probe.majority)):
        rows.append(Row.mean(metric, values[probed]))
        rows += [Row(metric, value, len(test[1]), subset=f"attribute={i}") for i, value in enumerate(values.tolist())]
    return rows
