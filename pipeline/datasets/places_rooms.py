"""Rooms of ten categories from ADE20K (Zhou et al., CVPR 2017), with a segment for every object.

On them "Embedding Deep Networks into Visual Explanations" measures of which objects an explanation speaks; xnn.md
sections 7.4 and 11.2. ADE20K names scenes as Places365 does. Two layouts (formats/ade20k.py), training images for
training and validation images for testing:

- `scene_parsing`, the benchmark: 4,481 + 450 photographs, 150 classes of objects, one segment a class in a photograph,
  since it does not tell instances apart;
- `full`, the release to registered users: one segment an object, of the classes that occur in at least
  `settings.min_images` of the photographs of both splits. The paper has 173 classes and does not say how it chose them.

Pixels without a label are in no segment, nor are those of classes left out. Samples come one of each room in turn, so
that the first few are of all rooms.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pipeline.datasets.formats import ade20k
from pipeline.datasets.formats.photos import Frame, read_labels, read_photo
from pipeline.datasets.formats.text import read_map
from pipeline.datasets.places365 import ROOMS
from pipeline.datasets.raw.download import obtain
from pipeline.datasets.samples import IMAGENET_MEAN, IMAGENET_STD, BadSample, Prepared, Read, Sample, present
from pipeline.datasets.splits import interleaved
from pipeline.errors import UserError

if TYPE_CHECKING:
    from pipeline.settings.datasets import PlacesRooms

SOURCES = (ade20k.SCENE_PARSING, ade20k.FULL)
REMEDY = f"replace it by the official one in {ade20k.SCENE_PARSING.file} from {ade20k.SCENE_PARSING.origin}"
COLUMNS = ("segments",)
OFFICIAL = {"train": 4_481, "test": 450}

#: Splits by ADE20K's folder and by its word in file names.
FOLDERS = {"training": "train", "validation": "test"}
PREFIXES = {"ADE_train_": "training", "ADE_val_": "validation"}

Segments = list[tuple[int, np.ndarray]]


@dataclass(frozen=True, eq=False)
class Room:
    """One photograph before its pixels are read."""

    split: str
    name: str
    """One of `ROOMS`."""
    photo: Path
    labels: Path
    """Label image, as large as the photograph."""
    objects: Mapping[int, str] = field(default_factory=dict)
    """Of the full layout: names of the classes of objects in it, by their numbers."""
    error: BadSample | None = None
    """Why it cannot be used, if that is known already."""


def prepare(raw_dir: Path, settings: "PlacesRooms") -> Prepared:
    """Rooms with the segments of their objects.

    Of the full layout it reads all annotations of rooms once, to count the classes of objects. Raises `UserError` for
    lists that are missing or malformed, or if there are no rooms.
    """
    notices: list[str] = []
    if settings.layout == "full":
        rooms = list(_full(obtain(ade20k.FULL, raw_dir)))
        numbers, objects = frequent(rooms, settings.min_images)
        seen = len({number for room in rooms for number in room.objects})
        notices.append(f"{len(numbers)} of {seen} classes of objects are in at least {settings.min_images} photographs")
        segments = partial(_instances, {number: place for place, number in enumerate(numbers)})
    else:
        folder = obtain(ade20k.SCENE_PARSING, raw_dir)
        rooms = list(_scene_parsing(folder))
        objects, segments = ade20k.read_class_names(folder / "objectInfo150.txt", REMEDY), _classes
    if not rooms:
        raise UserError(f"{raw_dir}: no room is found in the layout '{settings.layout}'; complete its files")
    classes = tuple(ROOMS)
    names, index, missing = present(classes, [classes.index(room.name) for room in rooms])

    def reads(split: str) -> list[Read]:
        found: dict[int, list[Read]] = defaultdict(list)
        for room in rooms:
            if room.split == split:
                label = index[classes.index(room.name)]
                found[label].append(partial(_sample, raw_dir, room, label, segments, settings))
        return interleaved(found[label] for label in sorted(found))

    return Prepared(
        class_names=names,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        train=reads("train"),
        test=reads("test"),
        columns=COLUMNS,
        names={"segments": objects},
        notices=missing + notices,
    )


def frequent(rooms: Sequence[Room], least: int) -> tuple[list[int], list[str]]:
    """Numbers, rising, and names of the classes of objects that are in at least so many of the rooms."""
    counts = Counter(number for room in rooms for number in room.objects)
    named = {number: name for room in rooms for number, name in room.objects.items()}
    numbers = sorted(number for number, count in counts.items() if count >= least)
    return numbers, ade20k.short_names([named[number] for number in numbers])


def _scene_parsing(folder: Path) -> Iterator[Room]:
    file = folder / "sceneCategories.txt"
    for name, scene in read_map(file, REMEDY).items():
        split = next((split for prefix, split in PREFIXES.items() if name.startswith(prefix)), None)
        if split is None or "/" in name:
            raise UserError(f"{file}: '{name}' begins with neither {' nor '.join(PREFIXES)}; {REMEDY}")
        if scene in ROOMS:
            labels = folder / "annotations" / split / f"{name}.png"
            yield Room(FOLDERS[split], scene, folder / "images" / split / f"{name}.jpg", labels)


def _full(folder: Path) -> Iterator[Room]:
    for name, split in FOLDERS.items():
        for scene in ROOMS:
            for photo in sorted((folder / "images/ADE" / name).glob(f"*/{scene}/ADE_*.jpg")):
                labels = photo.with_name(f"{photo.stem}_seg.png")
                try:
                    objects = ade20k.read_object_names(photo.with_suffix(".json"))
                except BadSample as error:
                    yield Room(split, scene, photo, labels, error=error)
                else:
                    yield Room(split, scene, photo, labels, objects)


def _sample(
    raw_dir: Path, room: Room, label: int, segments: Callable[[Room, np.ndarray, Frame], Segments],
    settings: "PlacesRooms",
) -> Sample:  # fmt: skip
    if room.error:
        raise room.error
    photo = read_photo(room.photo)
    frame = Frame.of(photo.shape, settings.fit, settings.size)
    return Sample(
        sample_id=room.photo.stem,
        image=frame.image(photo),
        label=label,
        source=room.photo.relative_to(raw_dir).as_posix(),
        segments=segments(room, read_labels(room.labels, photo.shape[:2]), frame),
    )


def _classes(room: Room, values: np.ndarray, frame: Frame) -> Segments:
    """Of the benchmark: a segment a class."""
    if values.ndim != 2 or values.max() > ade20k.CLASSES:
        raise BadSample(f"{room.labels}: is no grey image of classes 0..{ade20k.CLASSES}; replace it")
    stored = frame.mask(values)
    return [(number - 1, stored == number) for number in np.unique(stored).tolist() if number]


def _instances(index: Mapping[int, int], room: Room, values: np.ndarray, frame: Frame) -> Segments:
    """Of the full release: a segment an object, of the classes in `index`."""
    if values.ndim != 3 or values.shape[2] != 3:
        raise BadSample(f"{room.labels}: is no colour image, in which classes and instances are kept; replace it")
    # Resized before it is decoded: photographs of the release have millions of pixels.
    classes, instances = ade20k.decode(frame.image(values, Image.Resampling.NEAREST))
    both = classes * 256 + instances
    return [(index[key // 256], both == key) for key in np.unique(both).tolist() if key // 256 in index]
