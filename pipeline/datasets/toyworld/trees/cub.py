"""CUB-200-2011 with gaze in miniature: drawn creatures, with every list of the official archive (cub.py).

Boxes and parts are in pixels from the upper left corner, cut to a tenth. A part is clicked on once. How certain people
were of an attribute is drawn at random, also that it was not visible. The fixations on a picture are dealt out to the
five runs, in whole pixels and milliseconds.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pipeline.datasets.toyworld.draw import SUBJECTS, pictures
from pipeline.datasets.toyworld.picture import Picture, Subject

if TYPE_CHECKING:
    from pipeline.settings.datasets import Cub

RUNS = 5
#: What people say of an attribute, and how often.
CERTAINTIES = {"not visible": 0.05, "guessing": 0.05, "probably": 0.25, "definitely": 0.65}
#: Percent of people who see an attribute in a class that does not have it, and in one that has.
PERCENT = (5.0, 95.0)


def write(folder: Path, settings: "Cub") -> None:
    """Lists, photographs and fixations in the official layout."""
    subject, wanted = SUBJECTS["creatures"], settings.miniature
    place = folder / "CUB_200_2011"
    classes = [f"{row:03d}.{name.capitalize().replace(' ', '_')}" for row, name in enumerate(subject.class_names, 1)]
    for name in classes:
        (place / "images" / name).mkdir(parents=True)
    rng = np.random.default_rng(wanted.seed)
    lists: dict[str, list[str]] = defaultdict(list)
    number = 0
    for split, count in (("train", wanted.train), ("test", wanted.test)):
        for picture in pictures(
            "creatures", split, count, size=wanted.size, seed=wanted.seed, spurious=wanted.spurious
        ):
            number += 1
            name = classes[picture.label]
            file = f"{name}/{name[4:]}_{number:04d}.jpg"
            Image.fromarray(picture.image).save(place / "images" / file, quality=95)
            lists["images"].append(f"{number} {file}")
            lists["image_class_labels"].append(f"{number} {picture.label + 1}")
            lists["train_test_split"].append(f"{number} {int(split == 'train')}")
            lists["bounding_boxes"].append(f"{number} {' '.join(map(_tenth, picture.bbox))}")
            lists["parts/part_locs"] += _parts(number, picture, subject.part_names)
            lists["attributes/image_attribute_labels"] += _attributes(number, picture, rng)
            for run, line in enumerate(_viewings(number, picture), start=1):
                lists[f"../CUB_GHA/data_5runs/Fixation_run{run}"].append(line)
    lists["parts/part_click_locs"] = [f"{line} 1.5" for line in lists["parts/part_locs"]]
    for name, lines in {**lists, **_names(subject, classes)}.items():
        file = place / f"{name}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{line}\n" for line in lines))


def _names(subject: Subject, classes: Iterable[str]) -> dict[str, list[str]]:
    """The lists that are about no photograph."""
    percent = np.choose(subject.class_attributes, PERCENT).tolist()
    return {
        "classes": _numbered(classes),
        "parts/parts": _numbered(subject.part_names),
        "../attributes": _numbered(subject.attribute_names),
        "attributes/certainties": _numbered(CERTAINTIES),
        "attributes/class_attribute_labels_continuous": [" ".join(map(str, row)) for row in percent],
    }


def _parts(number: int, picture: Picture, names: Sequence[str]) -> Iterator[str]:
    for part, name in enumerate(names, start=1):
        x, y = map(_tenth, picture.parts.get(name, (0.0, 0.0)))
        yield f"{number} {part} {x} {y} {int(name in picture.parts)}"


def _attributes(number: int, picture: Picture, rng: np.random.Generator) -> Iterator[str]:
    count = len(picture.attributes)
    certainties = rng.choice(len(CERTAINTIES), count, p=list(CERTAINTIES.values())) + 1
    rows = zip(picture.attributes, certainties, rng.gamma(2, 1.5, count), strict=True)
    for attribute, (shown, certainty, seconds) in enumerate(rows, start=1):
        yield f"{number} {attribute} {shown} {certainty} {seconds:.3f}"


def _viewings(number: int, picture: Picture) -> Iterator[str]:
    height, width = picture.mask.shape
    for run in range(RUNS):
        looks = picture.fixations[run::RUNS].astype(int)
        yield ",".join(map(str, (number, width, height, *looks.flatten())))


def _tenth(value: float) -> str:
    """Cut, not rounded, so that a place stays inside its picture."""
    return f"{int(value * 10) / 10:.1f}"


def _numbered(names: Iterable[str]) -> list[str]:
    return [f"{number} {name}" for number, name in enumerate(names, start=1)]
