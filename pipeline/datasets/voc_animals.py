"""Animals of six classes cut out of PASCAL VOC, on which "Training Interpretable CNNs by Differentiating Class-Specific
Filters" (ECCV 2020) tests localisation; csg.md section 4. One sample an animal, with its mask. Three layouts:

    parts         VOCdevkit/VOC2010/{JPEGImages,ImageSets/Main/trainval.txt}, PASCAL-Part/Annotations_Part/<image>.mat
    processed     preprocessed_VOC_Part/processed/metadata/{train,val}.txt                   the authors' own cut-outs
                  preprocessed_VOC_Part/processed/128x128/obj_img/<class>-<number>-<image>.jpg
                  preprocessed_VOC_Part/processed/128x128/obj_mask/<class>-<number>-<image>.mask.bmp
    segmentation  VOCdevkit/VOC<year>/{JPEGImages,SegmentationObject,SegmentationClass,ImageSets/Segmentation}

Of `parts`, 70 % of VOC's images are drawn for training, and an animal is on the side of its image. `segmentation` takes
VOC's split and masks, not the paper's, for those who have VOC and not PASCAL-Part.

The cut is the paper's: rows round(cy − w) to round(cy + w) − 1 of the square around the mask's box, and columns alike,
where 2w is the distance between the first and the last pixel, so that the very last row and column stay out. round() is
Python's, halves to the even number; the released code adds the image's side before it rounds, which moves such halves
by one pixel in photographs of odd side. It also numbers animals in the order in which its file system lists the files;
here they are sorted. We keep pixels as they are where it stores JPEG once more.
"""

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pipeline.datasets.formats import pascal_part, voc
from pipeline.datasets.formats.photos import Frame, read_labels, read_photo
from pipeline.datasets.formats.text import read_rows
from pipeline.datasets.raw.download import obtain
from pipeline.datasets.raw.sources import Source
from pipeline.datasets.samples import IMAGENET_MEAN, IMAGENET_STD, BadSample, Prepared, Read, Sample, present
from pipeline.errors import UserError

if TYPE_CHECKING:
    from pipeline.settings.datasets import VocAnimals

PROCESSED = Source(
    file="preprocessed_VOC_Part.zip",
    page="https://github.com/hyliang96/CSGCNN/tree/main/VOCPart",
    licence="none stated; photographs under Flickr's terms of use",
    provides="preprocessed_VOC_Part/processed",
    only_with="layout: processed",
)
SOURCES = (
    voc.EDITIONS["2010"],
    pascal_part.SOURCE,
    PROCESSED,
    *(
        replace(source, only_with=f"layout: segmentation, year: {year}")
        for year, source in voc.EDITIONS.items()
        if year != "2010"
    ),
)
COLUMNS = ("group", "mask", "bbox")
OFFICIAL = {"train": 3644, "test": 1700}

#: In the order of the released code.
CLASSES = ("bird", "cat", "dog", "cow", "horse", "sheep")

TRAIN_SHARE = 0.7
SPLIT_SEED = 0


@dataclass(frozen=True, eq=False)
class Animal:
    """One animal before its pixels are read."""

    split: str
    label: int | None
    """Index into `CLASSES`; None if its annotation cannot be read."""
    read: Callable[[int | None], Sample]
    """From the label among the classes that occur to the sample."""


def prepare(raw_dir: Path, settings: "VocAnimals") -> Prepared:
    """Animals of the layout in order of their images; those of one photograph are a group.

    Goes through all annotations once to number and count the animals. `settings.fit` has no effect: cut-outs are
    square. Raises `UserError` for lists that are missing or malformed, or if no animal is found.
    """
    find = {"parts": _parts, "processed": _processed, "segmentation": _segmentation}[settings.layout]
    animals = list(find(raw_dir, settings))
    if not animals:
        raise UserError(f"{raw_dir}: no animal is found in the layout '{settings.layout}'; complete its files")
    names, index, notices = present(CLASSES, [animal.label for animal in animals if animal.label is not None])
    if settings.layout == "segmentation":
        notices.append(f"animals of the segmentation of VOC {settings.year}, not those of the paper")

    def reads(split: str) -> list[Read]:
        return [partial(animal.read, index.get(animal.label)) for animal in animals if animal.split == split]

    return Prepared(
        class_names=names,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        train=reads("train"),
        test=reads("test"),
        columns=COLUMNS,
        notices=notices,
    )


def split_of(names: Sequence[str]) -> dict[str, str]:
    """Whether an image is a "train" or a "test" image, by name: drawn from `names` as the released code does."""
    train = set(random.Random(SPLIT_SEED).sample(names, int(TRAIN_SHARE * len(names))))
    return {name: "train" if name in train else "test" for name in names}


def square(mask: np.ndarray, size: int) -> Frame:
    """The frame around the pixels of an H×W mask that has some, as the header says."""
    left, top, right, bottom = _extent(mask)
    x, y, half = (left + right) / 2, (top + bottom) / 2, max(right - left, bottom - top) / 2
    return Frame(x - half, y - half, x + half, y + half, size)


def _extent(mask: np.ndarray) -> tuple[int, int, int, int]:
    """First column and row of a mask that have pixels, last column and row, all included."""
    columns, rows = (np.flatnonzero(mask.any(axis=axis)).tolist() for axis in (0, 1))
    return columns[0], rows[0], columns[-1], rows[-1]


def _names(file: Path, source: Source) -> list[str]:
    """Image names, one a line, of a list that comes in `source`."""
    remedy = f"replace it by the official one in {source.file} from {source.origin}"
    return [name for (name,) in read_rows(file, 1, remedy)]


def _parts(raw_dir: Path, settings: "VocAnimals") -> Iterator[Animal]:
    folder, annotations = obtain(voc.EDITIONS["2010"], raw_dir), obtain(pascal_part.SOURCE, raw_dir)
    splits = split_of(_names(folder / "ImageSets/Main/trainval.txt", voc.EDITIONS["2010"]))
    numbers = count()
    for file in sorted(annotations.glob("*.mat")):
        if file.stem not in splits:
            continue
        photo = folder / "JPEGImages" / f"{file.stem}.jpg"
        try:
            names = [item.class_name for item in pascal_part.read_objects(file)]
        except BadSample as error:
            yield Animal(splits[file.stem], None, partial(_refuse, error))
            continue
        for place, name in enumerate(names):
            if name in CLASSES:
                sample_id = f"{name}-{next(numbers)}-{file.stem}"
                read = partial(_cut_out, raw_dir, photo, sample_id, partial(_part_mask, file, place), settings.size)
                yield Animal(splits[file.stem], CLASSES.index(name), read)


def _segmentation(raw_dir: Path, settings: "VocAnimals") -> Iterator[Animal]:
    source = voc.EDITIONS[settings.year]
    folder = obtain(source, raw_dir)
    for split, file in {"train": "train.txt", "test": "val.txt"}.items():
        for image in _names(folder / "ImageSets/Segmentation" / file, source):
            photo = folder / "JPEGImages" / f"{image}.jpg"
            try:
                found = [(item.number, voc.CLASSES[item.label]) for item in voc.read_instances(folder, image)]
            except BadSample as error:
                yield Animal(split, None, partial(_refuse, error))
                continue
            objects = folder / "SegmentationObject" / f"{image}.png"
            for number, name in found:
                if name in CLASSES:
                    mask = partial(_instance_mask, objects, number)
                    read = partial(_cut_out, raw_dir, photo, f"{name}-{number}-{image}", mask, settings.size)
                    yield Animal(split, CLASSES.index(name), read)


def _processed(raw_dir: Path, settings: "VocAnimals") -> Iterator[Animal]:
    folder = obtain(PROCESSED, raw_dir)
    splits: dict[str, str] = {}
    for split, file in {"train": "train.txt", "test": "val.txt"}.items():
        splits |= dict.fromkeys(_names(folder / "metadata" / file, PROCESSED), split)
    animals = []
    for photo in (folder / "128x128/obj_img").glob("*.jpg"):
        named = re.fullmatch(rf"({'|'.join(CLASSES)})-(\d+)-(.+)", photo.stem)
        if not named:
            raise UserError(f"{photo}: is not named <class>-<number>-<image>.jpg; rename or remove it")
        name, number, image = named.groups()
        if image in splits:
            read = partial(_processed_sample, raw_dir, photo, settings.size)
            animals.append((int(number), photo.stem, Animal(splits[image], CLASSES.index(name), read)))
    yield from (animal for *_, animal in sorted(animals, key=lambda found: found[:2]))


def _refuse(error: BadSample, label: int | None) -> Sample:
    raise error


def _part_mask(file: Path, place: int) -> np.ndarray:
    return pascal_part.read_objects(file)[place].mask


def _instance_mask(file: Path, number: int) -> np.ndarray:
    return read_labels(file) == number


def _cut_out(
    raw_dir: Path, file: Path, sample_id: str, read_mask: Callable[[], np.ndarray], size: int, label: int
) -> Sample:
    photo, mask = read_photo(file), read_mask()
    if mask.shape != photo.shape[:2]:
        sizes = [f"{width}×{height}" for height, width in (mask.shape, photo.shape[:2])]
        raise BadSample(f"{file}: is {sizes[1]} pixels, its annotation {sizes[0]}; replace one of the two")
    if not mask.any():
        raise BadSample(f"{file}: the mask of {sample_id} is empty; replace its annotation")
    frame = square(mask, size)
    if round(frame.left) == round(frame.right) or round(frame.top) == round(frame.bottom):
        raise BadSample(f"{file}: {sample_id} has too few pixels ({mask.sum()}) to be cut out; leave it out")
    return _sample(raw_dir, file, sample_id, photo, mask, frame, label)


def _processed_sample(raw_dir: Path, file: Path, size: int, label: int) -> Sample:
    photo = read_photo(file)
    mask = read_labels(file.parents[1] / "obj_mask" / f"{file.stem}.mask.bmp", photo.shape[:2])
    if mask.ndim != 2:
        raise BadSample(f"{file}: its mask is in colour, expected black and white; replace it")
    frame = Frame.of(photo.shape, "stretch", size)
    return _sample(raw_dir, file, file.stem, photo, mask != 0, frame, label)


def _sample(
    raw_dir: Path, file: Path, sample_id: str, photo: np.ndarray, mask: np.ndarray, frame: Frame, label: int
) -> Sample:
    stored = frame.mask(mask)
    if not stored.any():
        raise BadSample(f"{file}: nothing is left of the mask of {sample_id} at {frame.size} pixels; leave it out")
    left, top, right, bottom = _extent(stored)
    _, _, image = sample_id.split("-", 2)
    return Sample(
        sample_id=sample_id,
        image=frame.image(photo, Image.Resampling.LANCZOS),
        label=label,
        source=file.relative_to(raw_dir).as_posix(),
        group=image,
        mask=stored,
        bbox=(left, top, right - left + 1, bottom - top + 1),
    )
