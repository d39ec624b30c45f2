"""Dataset tables for tests, written as the stage "prepare" writes them."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from pipeline.datasets.samples import Prepared, Sample
from pipeline.datasets.table import TableWriter, row_of


def write_samples(path: str | Path, samples: Iterable[Sample], prepared: Prepared, **notes: object) -> None:
    """Write samples as one table; `prepared` tells what they have in common."""
    with TableWriter(Path(path), prepared) as writer:
        for sample in samples:
            writer.add(row_of(sample, prepared))
        writer.finish(notes)


def write_images(
    path: str | Path,
    ids: Sequence[str],
    images: np.ndarray,
    labels: np.ndarray,
    *,
    class_names: Sequence[str],
    mean: Sequence[float],
    std: Sequence[float],
    masks: np.ndarray | None = None,
    **notes: object,
) -> None:
    """Write images N×H×W×C uint8 and their labels, with `masks` N×H×W if there are any."""
    prepared = Prepared(
        class_names=class_names, mean=mean, std=std, train=(), test=(), columns=() if masks is None else ("mask",)
    )
    samples = (
        Sample(sample_id=name, image=image, label=int(label), mask=None if masks is None else masks[row])
        for row, (name, image, label) in enumerate(zip(ids, images, labels, strict=True))
    )
    write_samples(path, samples, prepared, **notes)
