"""aPascal (Farhadi, Endres, Hoiem, Forsyth 2009): objects of PASCAL VOC 2008 with 64 attributes each.

    attribute_data/       apascal_train.txt, apascal_test.txt and the names (attribute_data.py)
    VOCdevkit/VOC2008/
        JPEGImages/*.jpg  the file for training lists VOC's training images, the one for testing its validation images

intersection.md section 8. The paper samples images, of which several objects and classes may be in one, and does not
say how: with `unit: image`, a sample is a whole photograph with class and attributes of its largest object. Its 2,227
test images are those of the files; its 2,869 training images match no count in them (2,113 images, 6,340 objects).
`unit: object` is the more common practice, a sample for each object, cut out: 6,340 + 6,355. Pixels are standardised as
ImageNet's, on which the paper's networks were trained before, not by one half as its code does (section 6.1).
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.datasets.formats.attribute_data import SOURCE, AttributedObject, listed, read_names, read_objects
from pipeline.datasets.formats.photos import Frame, read_photo
from pipeline.datasets.formats.voc import EDITIONS
from pipeline.datasets.raw.download import obtain
from pipeline.datasets.samples import IMAGENET_MEAN, IMAGENET_STD, Prepared, Read, Sample, present

if TYPE_CHECKING:
    from pipeline.settings.datasets import Apascal

PHOTOS = EDITIONS["2008"]
SOURCES = (SOURCE, PHOTOS)
COLUMNS = ("bbox", "attributes", "group")
OFFICIAL = {"train": 2113, "test": 2227}
OFFICIAL_OBJECTS = {"train": 6340, "test": 6355}


def prepare(raw_dir: Path, settings: "Apascal") -> Prepared:
    """The official splits, a sample an image or an object; samples of one photograph are a group.

    Whole images come with the box of their object. Raises `UserError` for lists that are missing or malformed.
    """
    lists = obtain(SOURCE, raw_dir)
    photos = obtain(PHOTOS, raw_dir) / "JPEGImages"
    class_names, attribute_names = (read_names(lists / f"{kind}_names.txt") for kind in ("class", "attribute"))
    splits = {
        split: read_objects(lists / f"apascal_{split}.txt", class_names, len(attribute_names))
        for split in ("train", "test")
    }
    class_names = listed(class_names, splits["train"] + splits["test"])
    if settings.unit == "image":
        splits = {split: largest(objects) for split, objects in splits.items()}
    labels = [class_names.index(item.class_name) for objects in splits.values() for item in objects]
    class_names, _, notices = present(class_names, labels)

    def reads(objects: Sequence[AttributedObject]) -> list[Read]:
        return [
            partial(_sample, raw_dir, photos / item.image, item, class_names.index(item.class_name), settings)
            for item in objects
        ]

    return Prepared(
        class_names=class_names,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        train=reads(splits["train"]),
        test=reads(splits["test"]),
        columns=COLUMNS if settings.unit == "image" else ("attributes", "group"),
        official=OFFICIAL if settings.unit == "image" else OFFICIAL_OBJECTS,
        names={"attributes": attribute_names},
        notices=notices,
    )


def largest(objects: Sequence[AttributedObject]) -> list[AttributedObject]:
    """The object with the largest box of each image, the first one of several; images in the order of the list."""
    found: dict[str, AttributedObject] = {}
    for item in objects:
        if item.image not in found or item.area > found[item.image].area:
            found[item.image] = item
    return list(found.values())


def _sample(raw_dir: Path, file: Path, item: AttributedObject, label: int, settings: "Apascal") -> Sample:
    photo = read_photo(file)
    left, top, right, bottom = item.bounds(photo.shape, file)
    whole = settings.unit == "image"
    picture = photo if whole else np.ascontiguousarray(photo[top:bottom, left:right])
    frame = Frame.of(picture.shape, settings.fit, settings.size)
    return Sample(
        sample_id=item.image if whole else item.sample_id,
        image=frame.image(picture),
        label=label,
        source=file.relative_to(raw_dir).as_posix(),
        group=item.image,
        bbox=frame.box(left, top, right - left, bottom - top) if whole else None,
        attributes=item.attributes,
    )
