"""ISIC 2017 (Codella et al. 2018): 2,000 + 600 dermatoscopic photographs of skin lesions with masks and diagnoses.

    ISIC-2017_Training_Data/ISIC_<number>.jpg                                and superpixels, which are not read
    ISIC-2017_Training_Part1_GroundTruth/ISIC_<number>_segmentation.png      0, or 255 on the lesion
    ISIC-2017_Training_Part3_GroundTruth.csv                                 image_id, melanoma, seborrheic_keratosis
    ISIC-2017_Test_v2_Data/, ISIC-2017_Test_v2_Part1_GroundTruth/, ISIC-2017_Test_v2_Part3_GroundTruth.csv

reff.md section 2.2. What is neither melanoma nor seborrheic keratosis is a nevus. The 150 official validation images
are not read. Without the official test images, `test_share` takes a share of the training images of each class instead.
Samples are listed one of each class in turn, so that the first few are of all classes.
"""

import csv
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.datasets.formats.photos import Frame, read_labels, read_photo
from pipeline.datasets.raw.download import obtain
from pipeline.datasets.raw.sources import Source
from pipeline.datasets.samples import IMAGENET_MEAN, IMAGENET_STD, BadSample, Prepared, Sample, present
from pipeline.datasets.splits import interleaved, random_split
from pipeline.errors import UserError

if TYPE_CHECKING:
    from pipeline.settings.datasets import Isic2017


def _source(file: str) -> Source:
    return Source(
        file=file,
        urls=(f"https://isic-challenge-data.s3.amazonaws.com/2017/{file}",),
        page="https://challenge.isic-archive.com/data/#2017",
        licence="CC0",
        provides=file.removesuffix(".zip") if file.endswith(".zip") else "",
    )


#: Photographs, masks and diagnoses of each split.
PARTS = {
    split: {
        "photos": _source(f"ISIC-2017_{name}_Data.zip"),
        "masks": _source(f"ISIC-2017_{name}_Part1_GroundTruth.zip"),
        "labels": _source(f"ISIC-2017_{name}_Part3_GroundTruth.csv"),
    }
    for split, name in (("train", "Training"), ("test", "Test_v2"))
}
SOURCES = tuple(source for parts in PARTS.values() for source in parts.values())
COLUMNS = ("mask",)
OFFICIAL = {"train": 2_000, "test": 600}

#: Classes of each kind of label.
CLASSES = {
    "diagnosis": ("melanoma", "seborrheic keratosis", "nevus"),
    "melanoma": ("no melanoma", "melanoma"),
}
SPLIT_SEED = 0
#: Value of a mask on the lesion.
LESION = 255


class Lesion(NamedTuple):
    """One image of a list."""

    photo: Path
    mask: Path | None
    label: int
    """Index into the official classes."""


def prepare(raw_dir: Path, settings: "Isic2017") -> Prepared:
    """The official splits, or the training images split anew; raises `UserError` for a list that is malformed."""
    notices = []
    if settings.test_share is None:
        splits = {split: _lesions(raw_dir, parts, settings) for split, parts in PARTS.items()}
    else:
        splits = _split(_lesions(raw_dir, PARTS["train"], settings), settings.test_share)
        notices.append(
            f"a share {settings.test_share:g} of the training images serves as test images, not the official ones"
        )
    names, index, missing = present(
        CLASSES[settings.labels], [lesion.label for lesions in splits.values() for lesion in lesions]
    )
    reads = {
        split: interleaved(
            [partial(_sample, raw_dir, lesion, label, settings) for lesion in lesions if index[lesion.label] == label]
            for label in index.values()
        )
        for split, lesions in splits.items()
    }
    return Prepared(
        class_names=names,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        train=reads["train"],
        test=reads["test"],
        columns=COLUMNS if settings.masks else (),
        notices=notices + missing,
    )


def read_diagnoses(file: Path, kind: str, remedy: str) -> dict[str, int]:
    """Index into the classes of a `kind` of label, by image; raises `UserError` with the `remedy` for a malformed list.

    For the kind "melanoma" the file needs no column seborrheic_keratosis.
    """
    columns = ("melanoma", "seborrheic_keratosis") if kind == "diagnosis" else ("melanoma",)
    found: dict[str, int] = {}
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.DictReader(lines)
            if missing := {"image_id", *columns} - {*(rows.fieldnames or ())}:
                raise UserError(f"{file}: has no column {', '.join(sorted(missing))}; {remedy}")
            for row in rows:
                image, marks = row["image_id"], [_mark(row[column]) for column in columns]
                if not image or "/" in image or image in found or None in marks or sum(marks) > 1:
                    raise UserError(
                        f"{file}:{rows.line_num}: not an image of its own with 0 or 1 for {' and '.join(columns)}, "
                        f"1 at most once; {remedy}"
                    )
                found[image] = (*marks, 1).index(1) if kind == "diagnosis" else marks[0]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{file}: is no list of diagnoses ({error}); {remedy}") from None
    return found


def _mark(text: str | None) -> int | None:
    try:
        return {0.0: 0, 1.0: 1}.get(float(text or ""))
    except ValueError:
        return None


def _lesions(raw_dir: Path, parts: dict[str, Source], settings: "Isic2017") -> list[Lesion]:
    """The images of one split's list, in order."""
    file = obtain(parts["labels"], raw_dir)
    labels = read_diagnoses(file, settings.labels, parts["labels"].remedy(file))
    photos = obtain(parts["photos"], raw_dir)
    if not settings.masks:
        return [Lesion(photos / f"{image}.jpg", None, label) for image, label in labels.items()]
    folder = obtain(parts["masks"], raw_dir)
    # The official page writes "_Segmentation", the files "_segmentation".
    masks = {path.name.lower(): path for path in folder.iterdir()}
    names = {image: f"{image}_segmentation.png" for image in labels}
    return [
        Lesion(photos / f"{image}.jpg", masks.get(names[image].lower(), folder / names[image]), label)
        for image, label in labels.items()
    ]


def _split(lesions: list[Lesion], test_share: float) -> dict[str, list[Lesion]]:
    """Each class split at random."""
    splits: dict[str, list[Lesion]] = {"train": [], "test": []}
    for label in sorted({lesion.label for lesion in lesions}):
        own = [lesion for lesion in lesions if lesion.label == label]
        parts = random_split([lesion.photo.stem for lesion in own], test_share, SPLIT_SEED)
        for split, rows in zip(splits, parts, strict=True):
            splits[split] += [own[row] for row in sorted(rows)]
    return splits


def _sample(raw_dir: Path, lesion: Lesion, label: int, settings: "Isic2017") -> Sample:
    photo = read_photo(lesion.photo)
    frame = Frame.of(photo.shape, settings.fit, settings.size)
    return Sample(
        sample_id=lesion.photo.stem,
        image=frame.image(photo),
        label=label,
        source=lesion.photo.relative_to(raw_dir).as_posix(),
        mask=None if lesion.mask is None else frame.mask(_mask(lesion.mask, photo.shape[:2])),
    )


def _mask(file: Path, shape: tuple[int, int]) -> np.ndarray:
    """H×W bool."""
    values = read_labels(file, shape)
    if values.ndim != 2 or not np.isin(values, (0, LESION)).all():
        raise BadSample(f"{file}: has other values than 0 and {LESION}, so is no mask; replace it")
    return values == LESION
