"""Rooms of ADE20K in miniature: drawn rooms with their furniture as segments (places_rooms.py, ade20k.py)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pipeline.datasets.formats.ade20k import CLASSES, FULL, SCENE_PARSING, encode
from pipeline.datasets.toyworld.draw import SUBJECTS, pictures
from pipeline.datasets.toyworld.picture import Picture

if TYPE_CHECKING:
    from pipeline.settings.datasets import Miniature, PlacesRooms

SUBJECT = SUBJECTS["rooms"]

#: Number of each class of objects in the full layout; like the real ones they have gaps and do not fit into a byte.
NUMBERS = {name: 100 + 29 * place for place, name in enumerate(SUBJECT.segment_names)}

#: Every room is in this group of scenes; readers do not look at it.
GROUP = "home_or_hotel"


def write(folder: Path, settings: "PlacesRooms") -> None:
    """The layout that the settings ask for."""
    (_full if settings.layout == "full" else _scene_parsing)(folder, settings.miniature)


def _drawn(wanted: "Miniature") -> Iterator[tuple[str, str, str, Picture]]:
    """Folder of the split, name of each photograph, its scene and its picture."""
    for split, folder, word, count in (
        ("train", "training", "train", wanted.train), ("test", "validation", "val", wanted.test),
    ):  # fmt: skip
        drawn = pictures("rooms", split, count, size=wanted.size, seed=wanted.seed, spurious=wanted.spurious)
        for number, picture in enumerate(drawn, start=1):
            yield folder, f"ADE_{word}_{number:08d}", SUBJECT.class_names[picture.label], picture


def _scene_parsing(folder: Path, wanted: "Miniature") -> None:
    place, scenes = SCENE_PARSING.place(folder), []
    for kind in ("images", "annotations"):
        for split in ("training", "validation"):
            (place / kind / split).mkdir(parents=True)
    names = SUBJECT.segment_names
    for split, name, scene, picture in _drawn(wanted):
        values = np.zeros(picture.mask.shape, np.uint8)
        for segment, mask in picture.segments:
            values[mask] = 1 + names.index(segment)
        Image.fromarray(picture.image).save(place / "images" / split / f"{name}.jpg", quality=95)
        Image.fromarray(values).save(place / "annotations" / split / f"{name}.png")
        scenes.append(f"{name} {scene}\n")
    (place / "sceneCategories.txt").write_text("".join(scenes))
    listed = [*names, *(f"not drawn {number}" for number in range(len(names) + 1, CLASSES + 1))]
    rows = [f"{number}\t0\t0\t0\t{name}\n" for number, name in enumerate(listed, start=1)]
    (place / "objectInfo150.txt").write_text("Idx\tRatio\tTrain\tVal\tName\n" + "".join(rows))


def _full(folder: Path, wanted: "Miniature") -> None:
    for split, name, scene, picture in _drawn(wanted):
        place = FULL.place(folder) / "images/ADE" / split / GROUP / scene
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.image).save(place / f"{name}.jpg", quality=95)
        classes, instances = np.zeros((2, *picture.mask.shape), int)
        for number, (segment, mask) in enumerate(picture.segments, start=1):
            classes[mask] = NUMBERS[segment]
            instances[mask] = round(255 * number / len(picture.segments))
        Image.fromarray(encode(classes, instances)).save(place / f"{name}_seg.png")
        parts = {"hasparts": [], "ispartof": [], "part_level": 0}
        annotation = {
            "filename": f"{name}.jpg",
            "imsize": [*picture.image.shape],
            "scene": ["indoor", GROUP, scene],
            "object": [
                {"id": number, "name": segment, "name_ndx": NUMBERS[segment], "parts": parts}
                for number, (segment, _) in enumerate(picture.segments)
            ],
        }
        (place / f"{name}.json").write_text(json.dumps({"annotation": annotation}))
