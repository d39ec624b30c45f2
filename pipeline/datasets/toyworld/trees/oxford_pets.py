"""Oxford-IIIT Pet in miniature: drawn creatures as breeds; those with ears or a mask are the cats (oxford_pets.py).

As in the official files, names of cats begin with a capital, breeds are numbered in alphabetical order, a ring around
the animal is "not classified" in the trimaps, and only training images have the box of the head. The ring lies outside
of the animal, so that the trimap has all of it.
"""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from scipy.ndimage import binary_dilation

from pipeline.datasets.toyworld.draw import SUBJECTS, pictures
from pipeline.datasets.toyworld.picture import Picture

if TYPE_CHECKING:
    from pipeline.settings.datasets import OxfordPets

CATS = ("eared", "masked")
HEAD = ("head", "beak", "eye", "crest")
ANIMAL, BACKGROUND, NOT_CLASSIFIED = 1, 2, 3
#: The ring's width in sides of a picture.
RING = 1 / 64
HEADER = """#Image CLASS-ID SPECIES BREED ID
#ID: 1:37 Class ids
#SPECIES: 1:Cat 2:Dog
#BREED ID: 1-25:Cat 1:12:Dog
#All images with 1st letter as captial are cat images
#images with small first letter are dog images
"""
XML = """<annotation>
\t<folder>OXIIIT</folder>
\t<filename>{image}.jpg</filename>
\t<source><database>OXFORD-IIIT Pet Dataset</database><annotation>OXIIIT</annotation><image>flickr</image></source>
\t<size><width>{width}</width><height>{height}</height><depth>3</depth></size>
\t<segmented>0</segmented>
\t<object>
\t\t<name>{name}</name>
\t\t<pose>Frontal</pose>
\t\t<truncated>0</truncated>
\t\t<occluded>0</occluded>
\t\t<bndbox><xmin>{xmin}</xmin><ymin>{ymin}</ymin><xmax>{xmax}</xmax><ymax>{ymax}</ymax></bndbox>
\t\t<difficult>0</difficult>
\t</object>
</annotation>
"""


def write(folder: Path, settings: "OxfordPets") -> None:
    """Lists, photographs, trimaps and boxes in the official layout."""
    wanted = settings.miniature
    photos = folder / "oxford-iiit-pet" / "images"
    annotations = folder / "oxford-iiit-pet" / "annotations"
    for place in (photos, annotations / "trimaps", annotations / "xmls"):
        place.mkdir(parents=True)
    breeds = _breeds()
    drawn: Counter[str] = Counter()
    lists: dict[str, list[str]] = {"trainval": [], "test": []}
    for split, list_name, count in (("train", "trainval", wanted.train), ("test", "test", wanted.test)):
        for picture in pictures(
            "creatures", split, count, size=wanted.size, seed=wanted.seed, spurious=wanted.spurious
        ):
            breed, numbers = breeds[picture.label]
            drawn[breed] += 1
            image = f"{breed}_{drawn[breed]}"
            lists[list_name].append(f"{image} {numbers}\n")
            Image.fromarray(picture.image).save(photos / f"{image}.jpg", quality=95)
            Image.fromarray(_trimap(picture.mask)).save(annotations / "trimaps" / f"{image}.png")
            if split == "train" and (head := _head(picture)).any():
                (annotations / "xmls" / f"{image}.xml").write_text(_xml(image, head))
    for list_name, lines in {**lists, "list": lists["trainval"] + lists["test"]}.items():
        header = HEADER if list_name == "list" else ""
        (annotations / f"{list_name}.txt").write_text(header + "".join(sorted(lines, key=str.lower)))


def _breeds() -> list[tuple[str, str]]:
    """Name of each kind of creature as a breed, and its numbers in the lists: class, species, breed of the species."""
    names = [
        (name.capitalize() if name.startswith(CATS) else name).replace(" ", "_")
        for name in SUBJECTS["creatures"].class_names
    ]
    numbers = {}
    of_species: Counter[int] = Counter()
    for number, name in enumerate(sorted(names, key=str.lower), start=1):
        species = 1 if name[0].isupper() else 2
        of_species[species] += 1
        numbers[name] = f"{number} {species} {of_species[species]}"
    return [(name, numbers[name]) for name in names]


def _trimap(mask: np.ndarray) -> np.ndarray:
    """H×W uint8."""
    ring = binary_dilation(mask, iterations=max(round(RING * len(mask)), 1))
    return np.where(mask, ANIMAL, np.where(ring, NOT_CLASSIFIED, BACKGROUND)).astype(np.uint8)


def _head(picture: Picture) -> np.ndarray:
    """H×W bool: what is seen of it."""
    nothing = np.zeros_like(picture.mask)
    return np.any([picture.part_masks.get(name, nothing) for name in HEAD], axis=0)


def _xml(image: str, head: np.ndarray) -> str:
    """An annotation as PASCAL VOC has them: boxes count pixels from 1 and include the last ones."""
    rows, columns = np.flatnonzero(head.any(axis=1)) + 1, np.flatnonzero(head.any(axis=0)) + 1
    height, width = head.shape
    return XML.format(
        image=image, width=width, height=height, name="cat" if image[0].isupper() else "dog",
        xmin=columns[0], ymin=rows[0], xmax=columns[-1], ymax=rows[-1],
    )  # fmt: skip
