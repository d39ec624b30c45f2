"""aPascal in miniature: drawn creatures, one a photograph (apascal.py)."""

from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from pipeline.datasets.formats.attribute_data import AttributedObject
from pipeline.datasets.toyworld.draw import SUBJECTS, pictures
from pipeline.datasets.toyworld.picture import Picture, Subject

if TYPE_CHECKING:
    from pipeline.settings.datasets import Apascal


def write(folder: Path, settings: "Apascal") -> None:
    """Lists and photographs in the official layout."""
    subject, wanted = SUBJECTS["creatures"], settings.miniature
    lists, photos = folder / "attribute_data", folder / "VOCdevkit/VOC2008/JPEGImages"
    photos.mkdir(parents=True)
    write_names(lists, subject)
    numbers = count(1)
    for split, images in {"train": wanted.train, "test": wanted.test}.items():
        lines = []
        for picture in pictures(
            "creatures", split, images, size=wanted.size, seed=wanted.seed, spurious=wanted.spurious
        ):
            image = f"2008_{next(numbers):06d}.jpg"
            Image.fromarray(picture.image).save(photos / image, quality=95)
            lines.append(f"{listed(image, picture, subject).line()}\n")
        (lists / f"apascal_{split}.txt").write_text("".join(lines))


def write_names(lists: Path, subject: Subject) -> None:
    """The lists of class and attribute names; the fields of a line have no blanks."""
    lists.mkdir(parents=True)
    classes = [name.replace(" ", "_") for name in subject.class_names]
    for kind, names in {"class": classes, "attribute": subject.attribute_names}.items():
        (lists / f"{kind}_names.txt").write_text("".join(f"{name}\n" for name in names))


def listed(image: str, picture: Picture, subject: Subject, margin: int = 0) -> AttributedObject:
    """The picture's object as it is listed, its box wider by `margin` pixels on each side."""
    x, y, width, height = picture.bbox
    return AttributedObject(
        image=image,
        number=1,
        class_name=subject.class_names[picture.label].replace(" ", "_"),
        # Listed boxes count from 1 and include the last pixel.
        box=(x + 1 - margin, y + 1 - margin, x + width + margin, y + height + margin),
        attributes=picture.attributes,
    )
