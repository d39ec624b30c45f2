"""aYahoo in miniature: drawn creatures, some of them listed twice with different boxes (ayahoo.py)."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from pipeline.datasets.toyworld.draw import SUBJECTS, pictures
from pipeline.datasets.toyworld.trees.apascal import listed, write_names

if TYPE_CHECKING:
    from pipeline.settings.datasets import Ayahoo

#: The last one of so many photographs has two objects.
PERIOD = 6


def write(folder: Path, settings: "Ayahoo") -> None:
    """Lists of `train` + `test` objects, and their photographs, in the official layout.

    Which objects are test images the reader draws, so that spurious backgrounds are among them too.
    """
    subject, wanted = SUBJECTS["creatures"], settings.miniature
    lists, photos = folder / "attribute_data", folder / "ayahoo_test_images"
    photos.mkdir(parents=True)
    write_names(lists, subject)
    total = wanted.train + wanted.test
    drawn: Counter[str] = Counter()
    lines: list[str] = []
    for row, picture in enumerate(
        pictures("creatures", "train", total, size=wanted.size, seed=wanted.seed, spurious=wanted.spurious)
    ):
        name = subject.class_names[picture.label].replace(" ", "_")
        drawn[name] += 1
        image = f"{name}_{drawn[name]}.jpg"
        Image.fromarray(picture.image).save(photos / image, quality=95)
        margins = (0, wanted.size // 16) if row % PERIOD == PERIOD - 1 else (0,)
        lines += [f"{listed(image, picture, subject, margin).line()}\n" for margin in margins]
        if len(lines) >= total:
            break
    (lists / "ayahoo_test.txt").write_text("".join(lines[:total]))
