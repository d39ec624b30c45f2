"""Whether the features of a class resemble its gates, on images that were got right and wrong (csg.md E5).

Images are grouped by their true class. Expected is a dominant diagonal on true positives and a weaker one on false
negatives; what is undefined, such as classes without false negatives, is left out of the means and counted in `n`.
"""

from typing import TYPE_CHECKING

from pipeline.evaluations.subject import Row, Subject
from pipeline.metrics.gates import gate_similarity, summary

if TYPE_CHECKING:
    from pipeline.settings.evaluations import GateSimilarity


def evaluate(subject: Subject, settings: "GateSimilarity") -> list[Row]:
    """Metric `gate_similarity_difference`: on true positives, cosine with the own gates minus that with others.

    Also with its parts `gate_similarity_diagonal` and `gate_similarity_off_diagonal` for subsets "tp" and "fn", and
    `gate_similarity`, the single cosines, for "tp,class=y,gate=c". `n` of a mean is the number of its entries, of a
    cosine the number of images.
    """
    gates = subject.gates.cpu()
    labels = subject.splits["test"].labels.cpu()
    features = subject.features("test")
    hits = subject.logits("test").argmax(1) == labels
    rows = []
    for group, chosen in (("tp", hits), ("fn", ~hits)):
        similarity = gate_similarity(features[chosen], labels[chosen], gates)
        means = summary(similarity)
        if group == "tp":
            rows.append(Row("gate_similarity_difference", means.difference, means.diagonal_count))
        rows += [
            Row("gate_similarity_diagonal", means.diagonal, means.diagonal_count, subset=group),
            Row("gate_similarity_off_diagonal", means.off_diagonal, means.off_diagonal_count, subset=group),
            Row("gate_similarity_difference", means.difference, means.diagonal_count, subset=group),
        ]
        counts = labels[chosen].bincount(minlength=len(gates)).tolist()
        rows += [
            Row("gate_similarity", value, counts[y], subset=f"{group},class={y},gate={c}")
            for y, cosines in enumerate(similarity.tolist())
            for c, value in enumerate(cosines)
        ]
    return rows
