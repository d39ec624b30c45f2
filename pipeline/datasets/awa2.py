"""Animals with Attributes 2 (Xian, Lampert, Schiele, Akata 2019): 37,322 photographs of 50 animals, 85 attributes each.

    Animals_with_Attributes2/
        classes.txt                      number from 1, class; '+' stands for a space
        predicates.txt                   number from 1, attribute
        predicate-matrix-binary.txt      a row a class, 0 or 1 an attribute
        JPEGImages/<class>/*.jpg

intersection.md section 8. A photograph has the attributes of its class. The split is at random, 26,125 + 11,197 by
number as in the paper; the official lists of classes for training and testing are about learning without examples. The
paper's fidelity needs attributes that are there or not, so the percentages (predicate-matrix-continuous.txt) are not
read. Pixels are standardised as ImageNet's, on which the paper's networks were trained before, not by one half as its
code does (section 6.1).
"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.datasets.formats.photos import Frame, read_photo
from pipeline.datasets.formats.text import read_rows
from pipeline.datasets.raw.download import obtain
from pipeline.datasets.raw.sources import Source
from pipeline.datasets.samples import IMAGENET_MEAN, IMAGENET_STD, Prepared, Sample, present
from pipeline.datasets.splits import random_split
from pipeline.errors import UserError

if TYPE_CHECKING:
    from pipeline.settings.datasets import Awa2

SOURCE = Source(
    file="AwA2-data.zip",
    rough_size=13_000_000_000,
    urls=("https://cvml.ista.ac.at/AwA2/AwA2-data.zip",),
    page="https://cvml.ista.ac.at/AwA2/",
    licence="photographs under the free licences listed with them",
    provides="Animals_with_Attributes2",
)
SOURCES = (SOURCE,)
REMEDY = f"replace it by the official one in {SOURCE.file} from {SOURCE.urls[0]}"
COLUMNS = ("attributes",)
OFFICIAL = {"train": 26_125, "test": 11_197}


def prepare(raw_dir: Path, settings: "Awa2") -> Prepared:
    """All photographs of the classes that have any, split at random.

    Raises `UserError` for lists that are missing or malformed, and if there are no photographs.
    """
    folder = obtain(SOURCE, raw_dir)
    classes = _names(folder / "classes.txt")
    attribute_names = _names(folder / "predicates.txt")
    matrix = read_matrix(folder / "predicate-matrix-binary.txt", len(classes), len(attribute_names))
    photos = [
        (file, label)
        for label, name in enumerate(classes)
        for file in sorted((folder / "JPEGImages" / name).glob("[!.]*.jpg"))
    ]
    if not photos:
        raise UserError(f"{folder}/JPEGImages: has no <class>/*.jpg of a class in classes.txt; {SOURCE.remedy(folder)}")
    class_names, index, notices = present([name.replace("+", " ") for name in classes], [label for _, label in photos])
    reads = [partial(_sample, raw_dir, file, index[label], matrix[label], settings) for file, label in photos]
    names = [file.relative_to(folder).as_posix() for file, _ in photos]
    train, test = random_split(names, settings.test_share, settings.seed)
    return Prepared(
        class_names=class_names,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        train=[reads[row] for row in train],
        test=[reads[row] for row in test],
        columns=COLUMNS,
        names={"attributes": attribute_names},
        notices=notices,
    )


def read_matrix(file: Path, classes: int, attributes: int) -> np.ndarray:
    """Classes × attributes, 0 or 1, uint8; raises `UserError` for any other value or size."""
    rows = list(read_rows(file, attributes, REMEDY))
    for number, row in enumerate(rows, start=1):
        if wrong := [value for value in row if value not in ("0", "1")]:
            raise UserError(f"{file}: row {number} has '{wrong[0]}', expected {attributes} times 0 or 1; {REMEDY}")
    if len(rows) != classes:
        raise UserError(f"{file}: {len(rows)} rows, expected one for each of {classes} classes; {REMEDY}")
    return np.array(rows, dtype=np.uint8)


def _names(file: Path) -> list[str]:
    names = []
    for number, name in read_rows(file, 2, REMEDY):
        if number != str(len(names) + 1) or name in names:
            raise UserError(f"{file}: '{number} {name}' after {len(names)} lines, expected numbers from 1; {REMEDY}")
        names.append(name)
    return names


def _sample(raw_dir: Path, file: Path, label: int, attributes: np.ndarray, settings: "Awa2") -> Sample:
    photo = read_photo(file)
    return Sample(
        sample_id=file.stem,
        image=Frame.of(photo.shape, settings.fit, settings.size).image(photo),
        label=label,
        source=file.relative_to(raw_dir).as_posix(),
        attributes=attributes,
    )
