"""aYahoo (Farhadi, Endres, Hoiem, Forsyth 2009): objects of 12 classes from an image search, with 64 attributes each.

    attribute_data/       ayahoo_test.txt and the names (attribute_data.py)
    ayahoo_test_images/   *.jpg

intersection.md section 8. Its authors test on it what they trained on aPascal; the paper splits its 2,644 objects at
random, 1,850 + 794. A sample is an object, cut out by its box. 407 of them share their photograph with an earlier one,
so that the published split has photographs on both sides; `split: image` keeps a photograph's objects together, at a
slightly different share. 17 of the attributes never occur and are kept. Pixels are standardised as ImageNet's, on which
the paper's networks were trained before, not by one half as its code does (section 6.1).
"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.datasets.formats.attribute_data import SOURCE, AttributedObject, listed, read_names, read_objects
from pipeline.datasets.formats.photos import Frame, read_photo
from pipeline.datasets.raw.download import obtain
from pipeline.datasets.raw.sources import Source
from pipeline.datasets.samples import IMAGENET_MEAN, IMAGENET_STD, Prepared, Sample
from pipeline.datasets.splits import random_split

if TYPE_CHECKING:
    from pipeline.settings.datasets import Ayahoo

PHOTOS = Source(
    file="ayahoo_test_images.tar.gz",
    urls=("http://vision.cs.uiuc.edu/attributes/ayahoo_test_images.tar.gz",),
    page="http://vision.cs.uiuc.edu/attributes/",
    licence="none known, cite the paper",
    provides="ayahoo_test_images",
)
SOURCES = (SOURCE, PHOTOS)
COLUMNS = ("attributes", "group")
OFFICIAL = {"train": 1850, "test": 794}


def prepare(raw_dir: Path, settings: "Ayahoo") -> Prepared:
    """A sample an object, split at random; objects of one photograph are a group.

    Raises `UserError` for lists that are missing or malformed.
    """
    lists = obtain(SOURCE, raw_dir)
    photos = obtain(PHOTOS, raw_dir)
    class_names, attribute_names = (read_names(lists / f"{kind}_names.txt") for kind in ("class", "attribute"))
    objects = read_objects(lists / "ayahoo_test.txt", class_names, len(attribute_names))
    class_names = listed(class_names, objects)
    reads = [
        partial(_sample, raw_dir, photos / item.image, item, class_names.index(item.class_name), settings)
        for item in objects
    ]
    groups = [item.sample_id if settings.split == "object" else item.image for item in objects]
    train, test = random_split(groups, settings.test_share, settings.seed)
    return Prepared(
        class_names=class_names,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        train=[reads[index] for index in train],
        test=[reads[index] for index in test],
        columns=COLUMNS,
        names={"attributes": attribute_names},
    )


def _sample(raw_dir: Path, file: Path, item: AttributedObject, label: int, settings: "Ayahoo") -> Sample:
    photo = read_photo(file)
    left, top, right, bottom = item.bounds(photo.shape, file)
    picture = np.ascontiguousarray(photo[top:bottom, left:right])
    return Sample(
        sample_id=item.sample_id,
        image=Frame.of(picture.shape, settings.fit, settings.size).image(picture),
        label=label,
        source=file.relative_to(raw_dir).as_posix(),
        group=item.image,
        attributes=item.attributes,
    )
