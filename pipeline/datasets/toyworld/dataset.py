"""Toyworld: drawn pictures of which everything is known: creatures, rooms, faces or lesions.

No paper has it and nothing is downloaded. It stands in where a real dataset is not at hand, and it alone tells in full
what a picture shows: object, parts, attributes, every segment, simulated gaze, and the kind of background, which
`spurious` can tie to the class in training (see draw.py).
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.datasets.formats.gaze import heat_map
from pipeline.datasets.raw.sources import Source
from pipeline.datasets.samples import Prepared, Read, Sample
from pipeline.datasets.toyworld.draw import SUBJECTS, picture
from pipeline.errors import UserError

if TYPE_CHECKING:
    from pipeline.settings.datasets import Toyworld

SOURCES: tuple[Source, ...] = ()
COLUMNS = ("mask", "bbox", "parts", "attributes", "gaze", "segments", "factors")
OFFICIAL: dict[str, int] = {}
#: Side in pixels below which parts have none of their own.
LEAST_SIZE = 16


def prepare(raw_dir: Path, settings: "Toyworld") -> Prepared:
    """Both splits as the settings ask for them; `raw_dir` is not used, nothing is read.

    Raises `UserError` for pictures that are too small to show anything.
    """
    if settings.size < LEAST_SIZE:
        raise UserError(
            f"params.yaml: datasets (from: toyworld): size: {settings.size} pixels show nothing; "
            f"give at least {LEAST_SIZE}"
        )
    subject = SUBJECTS[settings.subject]
    return Prepared(
        class_names=subject.class_names,
        mean=(0.5,) * 3,
        std=(0.25,) * 3,
        train=_reads("train", settings.train, settings),
        test=_reads("test", settings.test, settings),
        columns=COLUMNS,
        names={
            "parts": subject.part_names,
            "attributes": subject.attribute_names,
            "segments": subject.segment_names,
        },
    )


def _reads(split: str, count: int, settings: "Toyworld") -> Iterator[Read]:
    return (partial(_read, split, index, settings) for index in range(count))


def _read(split: str, index: int, settings: "Toyworld") -> Sample:
    subject = SUBJECTS[settings.subject]
    drawn = picture(settings.subject, split, index, size=settings.size, seed=settings.seed, spurious=settings.spurious)
    return Sample(
        sample_id=f"{split}-{index:05d}",
        image=drawn.image,
        label=drawn.label,
        mask=drawn.mask,
        bbox=drawn.bbox,
        parts={subject.part_names.index(name): place for name, place in drawn.parts.items()},
        attributes=drawn.attributes,
        gaze=heat_map(drawn.fixations, settings.size, settings.size),
        segments=[(subject.segment_names.index(name), mask) for name, mask in drawn.segments],
        factors={"background": drawn.background},
    )
