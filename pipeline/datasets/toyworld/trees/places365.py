"""Places365 in miniature: drawn rooms, and creatures in landscapes as images of other categories (places365.py)."""

from collections import Counter
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from pipeline.datasets.places365 import CATEGORIES, IMAGES, LISTS, ROOMS
from pipeline.datasets.toyworld.draw import SUBJECTS, pictures

if TYPE_CHECKING:
    from pipeline.settings.datasets import Places365

#: Paths of all categories in order; those of the rooms are the real ones.
CATEGORY_PATHS = [f"/o/other_{number:03d}" for number in range(CATEGORIES)]
for _room, _number in ROOMS.items():
    CATEGORY_PATHS[_number] = f"/{_room[0]}/{_room}"


def write(folder: Path, settings: "Places365") -> None:
    """Lists and `train` + `test` photographs in the official layout, one half of them rooms.

    Which photographs are test images the reader draws, so that spurious backgrounds are among them too.
    """
    wanted, subject = settings.miniature, SUBJECTS["rooms"]
    total = wanted.train + wanted.test
    place, images = LISTS.place(folder), IMAGES.place(folder)
    categories = cycle(number for number in range(CATEGORIES) if number not in ROOMS.values())
    drawn: Counter[int] = Counter()
    lines: list[tuple[int, str]] = []
    for kind, count in {"rooms": total - total // 2, "creatures": total // 2}.items():
        for picture in pictures(kind, "train", count, size=wanted.size, seed=wanted.seed, spurious=wanted.spurious):
            number = ROOMS[subject.class_names[picture.label]] if kind == "rooms" else next(categories)
            drawn[number] += 1
            path = f"{CATEGORY_PATHS[number]}/{drawn[number]:08d}.jpg"
            file = images / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture.image).save(file, quality=95)
            lines.append((number, f"{path} {number}\n"))
    place.write_text("".join(line for _, line in sorted(lines)))
    listed = [f"{path} {number}\n" for number, path in enumerate(CATEGORY_PATHS)]
    place.with_name("categories_places365.txt").write_text("".join(listed))
