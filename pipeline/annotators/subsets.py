"""Which training images have a human mask that an annotator may see (reff.md section 4, "annotated subsets")."""

import torch
from torch import Tensor

from pipeline.training.streams import stream

#: Images that are annotated whatever the share.
LEAST = 10


def annotated(labels: Tensor, share: float, seed: int) -> Tensor:
    """Rows of the annotated images, ascending: k = max(10, round(share · N)) of them, all if there are no more.

    `labels` N. One order a seed serves all shares, so that what a smaller share has a larger one has, too. Stratified:
    image j of the n of its class, in random order, comes at (j + 1/2) / n, the classes in turn (Sainte-Laguë), equal
    places at random.
    """
    labels = labels.cpu()
    shuffled = torch.randperm(len(labels), generator=stream(seed, "annotate"))
    place = torch.empty(len(labels), dtype=torch.float64)
    for label in labels.unique():
        members = shuffled[labels[shuffled] == label]
        place[members] = (torch.arange(len(members), dtype=torch.float64) + 0.5) / len(members)
    order = shuffled[place[shuffled].argsort(stable=True)]
    return order[: max(LEAST, round(share * len(labels)))].sort().values


def split(rows: Tensor, share: float, least: int, seed: int) -> tuple[Tensor, Tensor]:
    """`rows` of annotated images to train on, and those held out: a random `share` of them if there are `least`."""
    if len(rows) < least or not round(share * len(rows)):
        return rows, rows[:0]
    shuffled = rows[torch.randperm(len(rows), generator=stream(seed, "hold_out"))]
    held_out = round(share * len(rows))
    return shuffled[held_out:].sort().values, shuffled[:held_out].sort().values
