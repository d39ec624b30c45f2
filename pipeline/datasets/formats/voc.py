"""PASCAL VOC (Everingham et al., IJCV 2010): editions, classes, boxes in XML and label images with a palette.

    VOCdevkit/VOC<year>/JPEGImages/<name>.jpg
    VOCdevkit/VOC<year>/Annotations/<name>.xml            boxes, 1-based, both ends included
    VOCdevkit/VOC<year>/SegmentationClass/<name>.png      0 background, 1..20 class, 255 border ("void")
    VOCdevkit/VOC<year>/SegmentationObject/<name>.png     0 background, 1.. object, 255 border
    VOCdevkit/VOC<year>/ImageSets/{Main,Segmentation}/{train,val,trainval}.txt

Several datasets are made of it; this module has what they share.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np

from pipeline.datasets.formats.photos import read_labels
from pipeline.datasets.raw.sources import Source
from pipeline.datasets.samples import BadSample

#: In alphabetical order, as label images number them from 1.
CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip

#: Value of label images on the border between objects, which belongs to nobody.
VOID = 255


def _edition(year: str, date: str, md5: str, *, top: str = "VOCdevkit", rough_size: int | None = None) -> Source:
    file = f"VOCtrainval_{date}.tar"
    return Source(
        file=file,
        urls=(
            f"http://host.robots.ox.ac.uk/pascal/VOC/voc{year}/{file}",
            f"https://thor.robots.ox.ac.uk/pascal/VOC/voc{year}/{file}",
        ),
        page=f"http://host.robots.ox.ac.uk/pascal/VOC/voc{year}/",
        licence="Flickr's terms of use; cite Everingham et al., IJCV 2010",
        rough_size=rough_size,
        checksum=f"md5:{md5}",
        provides=f"{top}/VOC{year}",
    )


#: Training and validation images by year. torchvision checks the same sums.
EDITIONS = {
    "2007": _edition("2007", "06-Nov-2007", "c52e279531787c972589f7e41ab4ae64"),
    "2008": _edition("2008", "14-Jul-2008", "2629fa636546599198acfcfbfcf1904a"),
    "2009": _edition("2009", "11-May-2009", "a3e00b113cfcfebf17e343f59da3caa1"),
    "2010": _edition("2010", "03-May-2010", "da459979d0c395079b5c75ee67908abb", rough_size=1_300_000_000),
    "2011": _edition("2011", "25-May-2011", "6c3384ef61512963050cb5d687e5bf1e", top="TrainVal/VOCdevkit"),
    "2012": _edition("2012", "11-May-2012", "6cd6e144f989b92b3379bac3b3de84fd"),
}


@dataclass(frozen=True)
class VocObject:
    """One object of an XML annotation."""

    name: str
    bbox: tuple[float, float, float, float]
    """x, y of the upper left corner, width, height; pixel edges from 0, so that a whole image is (0, 0, W, H)."""
    difficult: bool
    truncated: bool


def read_objects(file: Path) -> list[VocObject]:
    """Objects of a VOC annotation in its order. A file without the tags difficult and truncated means neither.

    VOC counts pixels from 1 and includes both ends of a box, so x = xmin − 1 and width = xmax − xmin + 1.

    Raises `BadSample` naming a file that is missing, is no XML, declares a document type or entities, or has an object
    without a name or a box, or a box that is no number or inverted.
    """
    return [_object(file, element) for element in _root(file).iter("object")]


def _root(file: Path) -> Element:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BadSample(f"{file}: no such file; put it there") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadSample(f"{file}: no readable annotation ({error}); replace it") from None
    if "<!DOCTYPE" in text or "<!ENTITY" in text:  # entities can name other files, and grow without bound
        raise BadSample(f"{file}: declares a document type or entities, which no VOC annotation does; do not trust it")
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise BadSample(f"{file}: not an XML file ({error}); replace it") from None


def _object(file: Path, element: Element) -> VocObject:
    name = (element.findtext("name") or "").strip()
    if not name:
        raise BadSample(f"{file}: an object has no <name>; correct it")
    box = element.find("bndbox")
    if box is None:
        raise BadSample(f"{file}: '{name}' has no <bndbox>; correct it")
    left, top, right, bottom = (_number(file, name, box, tag) for tag in ("xmin", "ymin", "xmax", "ymax"))
    if right < left or bottom < top:
        ends = f"{left:g}, {top:g} to {right:g}, {bottom:g}"
        raise BadSample(f"{file}: the box of '{name}' is inverted, {ends}; correct it")
    return VocObject(
        name=name,
        bbox=(left - 1, top - 1, right - left + 1, bottom - top + 1),
        difficult=_flag(file, name, element, "difficult"),
        truncated=_flag(file, name, element, "truncated"),
    )


def _number(file: Path, name: str, box: Element, tag: str) -> float:
    text = box.findtext(tag)
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadSample(f"{file}: <{tag}> of '{name}' is {'missing' if text is None else repr(text)}; give a number")
    return value


def _flag(file: Path, name: str, element: Element, tag: str) -> bool:
    text = element.findtext(tag, "0").strip()
    if text not in ("0", "1"):
        raise BadSample(f"{file}: <{tag}> of '{name}' is {text!r}; give 0 or 1")
    return text == "1"


@dataclass(frozen=True)
class Instance:
    """One object of a segmented photograph."""

    number: int
    """Its value in the image of objects, from 1."""
    label: int
    """Index into `CLASSES`."""
    mask: np.ndarray
    """H×W bool, without the void border."""


def read_instances(folder: Path, name: str, shape: tuple[int, int] | None = None) -> Iterator[Instance]:
    """Objects of photograph `name` in order of number, from the label images under `folder`, a VOC<year>.

    An object's class is the one that most of its pixels have in SegmentationClass, void left out. With `shape` (height,
    width) of the photograph, another size raises `BadSample`; so does a label image that is missing, damaged, in
    colour, or an object that has no class.
    """
    object_file = folder / "SegmentationObject" / f"{name}.png"
    class_file = folder / "SegmentationClass" / f"{name}.png"
    objects = read_labels(object_file, shape)
    classes = read_labels(class_file, shape or objects.shape[:2])
    for file, values in ((object_file, objects), (class_file, classes)):
        if values.ndim != 2:
            raise BadSample(f"{file}: is in colour, expected the numbers of a palette image; replace it")
    for number in np.unique(objects).tolist():
        if number in (0, VOID):
            continue
        mask = objects == number
        votes = np.bincount(classes[mask], minlength=VOID + 1)[1 : len(CLASSES) + 1]
        if not votes.any():
            raise BadSample(f"{class_file}: gives object {number} no class; replace it")
        yield Instance(number, int(votes.argmax()), mask)


def palette() -> list[int]:
    """Colours of VOC's label images, 256 × (red, green, blue) in a row: bit b of a value's 3-bit digits goes to bit
    7 − b of a channel, so that neighbouring values differ most (VOCdevkit, VOClabelcolormap.m)."""
    colours = np.zeros((256, 3), int)
    values = np.arange(256)
    for digit in range(8):
        for channel in range(3):
            colours[:, channel] |= (values >> (3 * digit + channel) & 1) << (7 - digit)
    return colours.flatten().tolist()
