"""Oxford-IIIT Pet (Parkhi, Vedaldi, Zisserman, Jawahar 2012): 3,680 + 3,669 photographs of 37 breeds of cats and dogs.

    oxford-iiit-pet/
        images/<breed>_<number>.jpg
        annotations/trainval.txt, test.txt      image, class 1..37, species (1 cat, 2 dog), number of the breed in it
        annotations/trimaps/<image>.png         1 the animal, 2 background, 3 not classified
        annotations/xmls/<image>.xml            box of the head, as PASCAL VOC has it; of training images only

reff.md section 2.3. The mask is where the trimap says animal: what is not classified, a ring around it, is not relevant
either. Of an image with several heads the largest one counts. Images are those of the lists, since the folders of some
copies hold stray files. Samples are listed one of each class in turn, so that the first few are of all classes.
"""

from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.datasets.formats.photos import Frame, read_labels, read_photo
from pipeline.datasets.formats.text import read_rows
from pipeline.datasets.formats.voc import read_objects
from pipeline.datasets.raw.download import obtain
from pipeline.datasets.raw.sources import Source
from pipeline.datasets.samples import IMAGENET_MEAN, IMAGENET_STD, BadSample, Prepared, Read, Sample, present
from pipeline.datasets.splits import interleaved
from pipeline.errors import UserError

if TYPE_CHECKING:
    from pipeline.settings.datasets import OxfordPets

FOLDER = "oxford-iiit-pet"
SOURCES = tuple(
    Source(
        file=f"{part}.tar.gz",
        folder=FOLDER,
        urls=(
            f"https://thor.robots.ox.ac.uk/pets/{part}.tar.gz",
            f"https://www.robots.ox.ac.uk/~vgg/data/pets/data/{part}.tar.gz",
        ),
        page="https://www.robots.ox.ac.uk/~vgg/data/pets/",
        licence="CC BY-SA 4.0",
        size=size,
        checksum=f"md5:{md5}",
        provides=f"{FOLDER}/{part}",
        unpack_to=FOLDER,
    )
    for part, size, md5 in (
        ("images", 791_918_971, "5c4f3ee8e5d25df40f4fd59a7f44e54c"),
        ("annotations", 19_173_078, "95a8c909bbe2e81eed6a22bccdf3f68f"),
    )
)
COLUMNS = ("mask", "bbox")
OFFICIAL = {"train": 3_680, "test": 3_669}

BREEDS = 37
SPECIES = ("cat", "dog")
#: Value of a trimap on the animal.
ANIMAL = 1
TRIMAP_VALUES = (1, 2, 3)


class Pet(NamedTuple):
    """A line of a list; the fields that classes are made of are called as in the setting `labels`."""

    image: str
    breed: int
    """From 0."""
    species: int
    """Index into `SPECIES`."""


def prepare(raw_dir: Path, settings: "OxfordPets") -> Prepared:
    """The official splits; raises `UserError` for lists that are missing or malformed."""
    images, annotations = (obtain(source, raw_dir) for source in SOURCES)
    remedy = SOURCES[1].remedy(annotations)
    splits = {
        split: read_pets(annotations / f"{name}.txt", remedy)
        for split, name in (("train", "trainval"), ("test", "test"))
    }
    breeds = _breeds(annotations, splits["train"] + splits["test"], remedy)
    classes = {"breed": breeds, "species": SPECIES}[settings.labels]
    labels = [getattr(pet, settings.labels) for pets in splits.values() for pet in pets]
    names, index, notices = present(classes, labels)
    reads: dict[str, dict[int, list[Read]]] = {split: defaultdict(list) for split in splits}
    for split, pets in splits.items():
        for pet in pets:
            label = index[getattr(pet, settings.labels)]
            reads[split][label].append(partial(_sample, raw_dir, images, annotations, pet.image, label, settings))
    return Prepared(
        class_names=names,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        train=interleaved(reads["train"].values()),
        test=interleaved(reads["test"].values()),
        columns=COLUMNS,
        notices=notices,
    )


def read_pets(file: Path, remedy: str) -> list[Pet]:
    """Lines of a list, in order; raises `UserError` with the `remedy` for one that is malformed."""
    pets = []
    for image, *numbers in read_rows(file, 4, remedy):
        breed, species = (int(text) if text.isdecimal() else 0 for text in numbers[:2])
        if not (1 <= breed <= BREEDS and 1 <= species <= len(SPECIES)) or "/" in image:
            raise UserError(
                f"{file}: '{image} {' '.join(numbers)}' is not an image, a class 1..{BREEDS} and a species 1 or 2; "
                f"{remedy}"
            )
        pets.append(Pet(image, breed - 1, species - 1))
    return pets


def _breeds(annotations: Path, pets: list[Pet], remedy: str) -> list[str]:
    """Name of each breed, as its images are named, in the official order; empty for one without images."""
    names = [""] * BREEDS
    for pet in pets:
        name = pet.image.rpartition("_")[0].replace("_", " ")
        if not name or names[pet.breed] not in ("", name):
            raise UserError(
                f"{annotations}: image {pet.image} is of class {pet.breed + 1}, as those named "
                f"'{names[pet.breed]}' are; {remedy}"
            )
        names[pet.breed] = name
    return names


def _sample(raw_dir: Path, images: Path, annotations: Path, image: str, label: int, settings: "OxfordPets") -> Sample:
    file = images / f"{image}.jpg"
    photo = read_photo(file)
    frame = Frame.of(photo.shape, settings.fit, settings.size)
    return Sample(
        sample_id=image,
        image=frame.image(photo),
        label=label,
        source=file.relative_to(raw_dir).as_posix(),
        mask=frame.mask(_animal(annotations / "trimaps" / f"{image}.png", photo.shape[:2])),
        bbox=_head(annotations / "xmls" / f"{image}.xml", frame),
    )


def _animal(file: Path, shape: tuple[int, int]) -> np.ndarray:
    """H×W bool."""
    trimap = read_labels(file, shape)
    if trimap.ndim != 2 or not np.isin(trimap, TRIMAP_VALUES).all():
        raise BadSample(f"{file}: has other values than 1, 2 and 3, so is no trimap; replace it")
    return trimap == ANIMAL


def _head(file: Path, frame: Frame) -> tuple[float, float, float, float] | None:
    """The largest head's box in the frame; None where none is known, or the frame leaves nothing of it."""
    if not file.exists():
        return None
    heads = [found.bbox for found in read_objects(file)]
    if not heads:
        raise BadSample(f"{file}: has no object; correct it")
    box = frame.box(*max(heads, key=lambda head: head[2] * head[3]))
    return box if box[2] and box[3] else None
