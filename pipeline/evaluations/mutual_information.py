"""How much single filters tell about single classes: the mutual information score (csg.md E1).

The maximum over noisy estimates gives a positive floor, so the score of the same features against shuffled labels
stands beside it; scores compare only at the same number of images.
"""

from typing import TYPE_CHECKING

import torch

from pipeline.evaluations.subject import Row, Subject
from pipeline.metrics.mutual_information import mutual_information_matrix, mutual_information_score
from pipeline.training.streams import stream

if TYPE_CHECKING:
    from pipeline.settings.evaluations import MutualInformation


def evaluate(subject: Subject, settings: "MutualInformation") -> list[Row]:
    """Metrics in nats: `mutual_information_score`, its `mutual_information_floor`, and `mutual_information` of each
    pair, subset "filter=k,class=c".
    """
    labels = subject.splits["test"].labels.cpu()[: settings.samples]
    features = subject.features("test")[: settings.samples].numpy()
    classes = subject.splits["test"].classes
    shuffled = labels[torch.randperm(len(labels), generator=stream(subject.seed, "evaluate", "mutual_information"))]
    matrix, floor = (
        mutual_information_matrix(features, part.numpy(), classes, settings.neighbours, torch.get_num_threads())
        for part in (labels, shuffled)
    )
    count = len(labels)
    return [
        Row("mutual_information_score", mutual_information_score(matrix), count),
        Row("mutual_information_floor", mutual_information_score(floor), count),
        *(
            Row("mutual_information", value, count, subset=f"filter={k},class={c}")
            for k, filter_row in enumerate(matrix.tolist())
            for c, value in enumerate(filter_row)
        ),
    ]
