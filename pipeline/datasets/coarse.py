"""Coarse labels for training, fine classes as attributes that training never sees (admm.md section 11, E6c)."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from pipeline.datasets.samples import Prepared, Read, Sample


def coarse(prepared: Prepared, groups: Sequence[Sequence[int]] | None) -> Prepared:
    """`prepared` with the group of its class as a sample's label, and the class itself, one of C, as attributes.

    `groups` are the numbers of the classes that become one, each class in one group; None leaves all as it is.
    """
    if groups is None:
        return prepared
    names = prepared.class_names
    group_of = {label: group for group, labels in enumerate(groups) for label in labels}

    def regrouped(reads: Iterable[Read]) -> Iterable[Read]:
        return ((lambda read=read: relabelled(read())) for read in reads)

    def relabelled(sample: Sample) -> Sample:
        one_hot = (np.arange(len(names)) == sample.label).astype(np.uint8)
        return replace(sample, label=group_of[sample.label], attributes=one_hot)

    return replace(
        prepared,
        class_names=[", ".join(names[label] for label in labels) for labels in groups],
        train=regrouped(prepared.train),
        test=regrouped(prepared.test),
        columns=(*prepared.columns, "attributes"),
        names={**prepared.names, "attributes": names},
    )
