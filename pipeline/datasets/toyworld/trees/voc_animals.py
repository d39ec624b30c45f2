"""VOC animals in miniature: drawn creatures under the names of the six animals, one a photograph (voc_animals.py)."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
from PIL import Image
from scipy.io import savemat
from scipy.ndimage import binary_dilation

from pipeline.datasets.formats import voc
from pipeline.datasets.toyworld.draw import pictures
from pipeline.datasets.toyworld.picture import Picture
from pipeline.datasets.voc_animals import CLASSES, split_of, square

if TYPE_CHECKING:
    from pipeline.settings.datasets import Miniature, VocAnimals

#: Side of the cut-outs in the layout of the official release.
CUT_OUT = 128


def write(folder: Path, settings: "VocAnimals") -> None:
    """The layout that the settings ask for.

    In the layout parts the reader draws 70 % of all photographs for training, whatever their numbers in the settings.
    """
    layout: Callable[[Path, VocAnimals], None]
    layout = {"parts": _parts, "processed": _processed, "segmentation": _segmentation}[settings.layout]
    layout(folder, settings)


def _drawn(wanted: "Miniature", splits: dict[str, str]) -> Iterator[tuple[str, str, Picture]]:
    """Name of each photograph, its animal and its picture; `splits` gives "train" or "test" by name."""
    values = list(splits.values())
    drawn = {
        split: pictures(
            "creatures", split, values.count(split), size=wanted.size, seed=wanted.seed, spurious=wanted.spurious
        )
        for split in ("train", "test")
    }
    for name, split in splits.items():
        picture = next(drawn[split])
        yield name, CLASSES[picture.label % len(CLASSES)], picture


def _listed(wanted: "Miniature") -> dict[str, str]:
    """Split by name where the lists say it: the training photographs first."""
    splits = ["train"] * wanted.train + ["test"] * wanted.test
    return {f"2010_{number:06d}": split for number, split in enumerate(splits, start=1)}


def _write_lists(folder: Path, splits: dict[str, str]) -> None:
    """VOC calls the test images val."""
    folder.mkdir(parents=True)
    for split, file in {"train": "train.txt", "test": "val.txt"}.items():
        (folder / file).write_text("".join(f"{name}\n" for name, found in splits.items() if found == split))


def _parts(folder: Path, settings: "VocAnimals") -> None:
    place = folder / "VOCdevkit/VOC2010"
    photos, lists, annotations = place / "JPEGImages", place / "ImageSets/Main", folder / "PASCAL-Part/Annotations_Part"
    for made in (photos, lists, annotations):
        made.mkdir(parents=True)
    names = list(_listed(settings.miniature))
    (lists / "trainval.txt").write_text("".join(f"{name}\n" for name in names))
    for name, animal, picture in _drawn(settings.miniature, split_of(names)):
        Image.fromarray(picture.image).save(photos / f"{name}.jpg", quality=95)
        parts = [(part, mask.astype(np.uint8)) for part, mask in picture.part_masks.items()]
        mask = picture.mask.astype(np.uint8)
        objects = [(animal, voc.CLASSES.index(animal) + 1, mask, _struct(parts, "part_name", "mask"))]
        anno = {"imname": name, "objects": _struct(objects, "class", "class_ind", "mask", "parts")}
        savemat(annotations / f"{name}.mat", {"anno": anno}, do_compression=True)


def _struct(rows: list[tuple], *fields: str) -> np.ndarray:
    """A struct array of MATLAB's, 1 × rows."""
    made = np.empty((1, len(rows)), [(field, object) for field in fields])
    for place, row in enumerate(rows):
        made[0, place] = row
    return made


def _processed(folder: Path, settings: "VocAnimals") -> None:
    place, splits = folder / "preprocessed_VOC_Part/processed", _listed(settings.miniature)
    images, masks = (place / f"{CUT_OUT}x{CUT_OUT}" / kind for kind in ("obj_img", "obj_mask"))
    _write_lists(place / "metadata", splits)
    for made in (images, masks):
        made.mkdir(parents=True)
    for number, (name, animal, picture) in enumerate(_drawn(settings.miniature, splits)):
        frame, stem = square(picture.mask, CUT_OUT), f"{animal}-{number}-{name}"
        cut_out = Image.fromarray(frame.image(picture.image, Image.Resampling.LANCZOS))
        cut_out.save(images / f"{stem}.jpg", quality=95)
        Image.fromarray(frame.mask(picture.mask)).save(masks / f"{stem}.mask.bmp")


def _segmentation(folder: Path, settings: "VocAnimals") -> None:
    source, splits = voc.EDITIONS[settings.year], _listed(settings.miniature)
    place = source.place(folder)
    for made in ("JPEGImages", "Annotations", "SegmentationObject", "SegmentationClass"):
        (place / made).mkdir(parents=True)
    _write_lists(place / "ImageSets/Segmentation", splits)
    for name, animal, picture in _drawn(settings.miniature, splits):
        Image.fromarray(picture.image).save(place / "JPEGImages" / f"{name}.jpg", quality=95)
        border = binary_dilation(picture.mask) & ~picture.mask
        for kind, value in {"Object": 1, "Class": voc.CLASSES.index(animal) + 1}.items():
            values = np.where(border, voc.VOID, picture.mask * value).astype(np.uint8)
            labels = Image.fromarray(values)
            labels.putpalette(voc.palette())
            labels.save(place / f"Segmentation{kind}" / f"{name}.png")
        _write_xml(place / "Annotations" / f"{name}.xml", animal, picture)


def _write_xml(file: Path, animal: str, picture: Picture) -> None:
    height, width = picture.mask.shape
    x, y, box_width, box_height = picture.bbox
    root = ElementTree.Element("annotation")
    ElementTree.SubElement(root, "filename").text = f"{file.stem}.jpg"
    size, item = ElementTree.SubElement(root, "size"), ElementTree.SubElement(root, "object")
    for tag, value in {"width": width, "height": height, "depth": 3}.items():
        ElementTree.SubElement(size, tag).text = str(value)
    for tag, value in {"name": animal, "truncated": 0, "difficult": 0}.items():
        ElementTree.SubElement(item, tag).text = str(value)
    box = ElementTree.SubElement(item, "bndbox")
    # VOC counts from 1 and includes the last pixel.
    for tag, value in {"xmin": x + 1, "ymin": y + 1, "xmax": x + box_width, "ymax": y + box_height}.items():
        ElementTree.SubElement(box, tag).text = f"{value:g}"
    ElementTree.indent(root, "\t")
    ElementTree.ElementTree(root).write(file)
