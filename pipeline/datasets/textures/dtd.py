"""Describable Textures (Cimpoi et al., CVPR 2014): 47 classes × 120 photographs of textures, sides 300 to 640 pixels.

    dtd/images/<class>/<class>_NNNN.jpg
    dtd/labels/{train,val,test}1.txt        lines "<class>/<picture>": the first of ten official partitions

The ten periodic classes fill digits, the other 37 backgrounds (reff.md section 2.1). Training images draw from train
and val of the partition, test images from test. So a validation part that is cut from the training images shares
pictures with them, where the specification sets the pictures of val apart.

Images of 224 pixels take crops of the photographs as they are. For other sizes the photographs are scaled along, so
that a crop shows as much of the texture; one that is then smaller than the image is enlarged until its shorter side
fits.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from pipeline.datasets.formats.photos import read_photo
from pipeline.datasets.formats.text import read_rows
from pipeline.datasets.raw.download import obtain
from pipeline.datasets.raw.sources import Source
from pipeline.datasets.textures.bank import Bank, Cache, deal
from pipeline.errors import UserError

SOURCE = Source(
    file="dtd-r1.0.1.tar.gz",
    urls=("https://www.robots.ox.ac.uk/~vgg/data/dtd/download/dtd-r1.0.1.tar.gz",),
    page="https://www.robots.ox.ac.uk/~vgg/data/dtd",
    licence="for research purposes",
    checksum="md5:fff73e5086ae6bdbea199a49dfb8a4c1",
    provides="dtd",
    only_with="textures: dtd",
)
CLASSES = 47
PERIODIC = (
    "chequered", "crosshatched", "dotted", "grid", "honeycombed", "lined", "polka-dotted", "striped", "waffled",
    "zigzagged",
)  # fmt: skip
LISTS = {"train": ("train1.txt", "val1.txt"), "test": ("test1.txt",)}

#: Side of the images that take the photographs at their own scale.
OWN_SCALE = 224


def bank(raw_dir: Path, size: int) -> Bank:
    """The textures for images of `size` × `size` pixels.

    Raises `UserError` for a list that is missing, has a line that names no picture, names one for both splits or lacks
    a class that another has, and for a class without a folder. A picture that is missing or damaged is a `BadSample`
    when it is read.
    """
    folder = obtain(SOURCE, raw_dir)
    pictures = {split: _by_class(folder / "labels", files) for split, files in LISTS.items()}
    classes = sorted(pictures["train"])
    _check(folder, pictures)
    digits, backgrounds = deal(classes, PERIODIC, str(folder / "labels"))
    notices = []
    if len(classes) < CLASSES:
        notices.append(
            f"{len(classes)} of {CLASSES} texture classes are there: {len(digits)} for digits ({', '.join(digits)}), "
            f"{len(backgrounds)} for backgrounds" + ("; digits share them" if len(backgrounds) < 10 else "")
        )
    read = Cache(partial(_read, folder / "images", size))
    return Bank(digits=digits, backgrounds=backgrounds, pictures=pictures, read=read, notices=notices)


def _by_class(labels: Path, files: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for file in files:
        remedy = f"take the official one out of {SOURCE.file}"
        for (name,) in read_rows(labels / file, 1, remedy):
            path = PurePosixPath(name)
            if len(path.parts) != 2 or ".." in path.parts or path.is_absolute():
                raise UserError(f"{labels / file}: '{name}' is not of the form <class>/<picture>; {remedy}")
            found.setdefault(path.parts[0], []).append(name)
    return found


def _check(folder: Path, pictures: dict[str, dict[str, list[str]]]) -> None:
    train, test = pictures["train"], pictures["test"]
    for name in sorted(train.keys() | test.keys()):
        for split, own in pictures.items():
            if name not in own:
                lists = " and ".join(LISTS[split])
                raise UserError(f"{folder}/labels: no picture of {name} in {lists}; list some, or none in the others")
        if twice := set(train[name]) & set(test[name]):
            raise UserError(f"{folder}/labels: {min(twice)} is listed for training and for test; remove it from one")
        if not (folder / "images" / name).is_dir():
            raise UserError(f"{folder}/images/{name}: no such folder, the lists name it; put it there or unlist it")


def _read(images: Path, size: int, name: str) -> np.ndarray:
    picture = read_photo(images / name)
    height, width = picture.shape[:2]
    scale = max(size / OWN_SCALE, size / min(height, width))
    if scale == 1:
        return picture
    width, height = (max(size, round(side * scale)) for side in (width, height))
    return np.array(Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR))
