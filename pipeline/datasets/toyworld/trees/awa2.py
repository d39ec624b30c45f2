"""Animals with Attributes 2 in miniature: drawn creatures, with the attributes of their class (awa2.py)."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from pipeline.datasets.toyworld.draw import SUBJECTS, pictures

if TYPE_CHECKING:
    from pipeline.settings.datasets import Awa2


def write(folder: Path, settings: "Awa2") -> None:
    """Lists and `train` + `test` photographs in the official layout.

    Which photographs are test images the reader draws, so that spurious backgrounds are among them too.
    """
    subject, wanted = SUBJECTS["creatures"], settings.miniature
    place = folder / "Animals_with_Attributes2"
    classes = [name.replace(" ", "+") for name in subject.class_names]
    for name in classes:
        (place / "JPEGImages" / name).mkdir(parents=True)
    for file, names in {"classes": classes, "predicates": subject.attribute_names}.items():
        lines = [f"{number:6d}\t{name}\n" for number, name in enumerate(names, start=1)]
        (place / f"{file}.txt").write_text("".join(lines))
    rows = [" ".join(map(str, row)) + "\n" for row in subject.class_attributes.tolist()]
    (place / "predicate-matrix-binary.txt").write_text("".join(rows))
    drawn: Counter[str] = Counter()
    total = wanted.train + wanted.test
    for picture in pictures("creatures", "train", total, size=wanted.size, seed=wanted.seed, spurious=wanted.spurious):
        name = classes[picture.label]
        drawn[name] += 1
        file = place / "JPEGImages" / name / f"{name}_{10_000 + drawn[name]}.jpg"
        Image.fromarray(picture.image).save(file, quality=95)
