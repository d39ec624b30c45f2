"""Top-1 accuracy on the test images, over all and per class (csg.md E1).

Always the ordinary forward pass: methods that see labels in training (CSG's gated path) do not see them here.
"""

from typing import TYPE_CHECKING

from pipeline.evaluations.subject import Row, Subject

if TYPE_CHECKING:
    from pipeline.settings.evaluations import Accuracy


def evaluate(subject: Subject, settings: "Accuracy") -> list[Row]:
    """Metric `accuracy` in 0..1; subset "class=c" holds the recall of class c."""
    labels = subject.splits["test"].labels.cpu()
    hits = (subject.logits("test").argmax(1) == labels).double()
    rows = [Row("accuracy", hits.mean().item(), len(hits))]
    for label in labels.unique().tolist():
        of_class = hits[labels == label]
        rows.append(Row("accuracy", of_class.mean().item(), len(of_class), subset=f"class={label}"))
    return rows
