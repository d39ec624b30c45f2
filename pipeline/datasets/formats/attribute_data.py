"""The text files of aPascal and aYahoo (Farhadi, Endres, Hoiem, Forsyth 2009: Describing objects by their attributes).

    attribute_data/
        class_names.txt       a class a line: the 20 of PASCAL VOC, then the 12 of aYahoo
        attribute_names.txt   an attribute a line, 64
        apascal_train.txt     a line an object: image file, class, xmin, ymin, xmax, ymax, then 0 or 1 an attribute
        apascal_test.txt
        ayahoo_test.txt

intersection.md section 8. Boxes count pixels from 1 and include the last one: aPascal has them from PASCAL VOC, which
defines them so, and the files come with a reader in MATLAB, for which `xmin:xmax` means just this. A box in which first
and last are the same, as one of aYahoo's is, is hence one pixel wide and not empty. Objects without any attribute
(25, 598 and 366 in the three files) are kept.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.datasets.formats.text import read_rows
from pipeline.datasets.raw.sources import Source
from pipeline.datasets.samples import BadSample
from pipeline.errors import UserError

SOURCE = Source(
    file="attribute_data.tar.gz",
    urls=("http://vision.cs.uiuc.edu/attributes/attribute_data.tar.gz",),
    page="http://vision.cs.uiuc.edu/attributes/",
    licence="none known, cite the paper",
    provides="attribute_data",
)
REMEDY = f"replace it by the official one in {SOURCE.file} from {SOURCE.urls[0]}"


@dataclass(frozen=True, eq=False)
class AttributedObject:
    """One line: an object in an image."""

    image: str
    """Name of the image file."""
    number: int
    """Which object of its image it is, from 1 in the order of the file."""
    class_name: str
    box: tuple[float, float, float, float]
    """xmin, ymin, xmax, ymax as listed: pixels from 1, the last one included."""
    attributes: np.ndarray
    """0 or 1 an attribute, uint8."""

    @property
    def sample_id(self) -> str:
        """The image file and the number of the object in it."""
        return f"{self.image}#{self.number}"

    @property
    def area(self) -> float:
        """Pixels in the box."""
        xmin, ymin, xmax, ymax = self.box
        return (xmax - xmin + 1) * (ymax - ymin + 1)

    def bounds(self, shape: tuple[int, ...], file: Path) -> tuple[int, int, int, int]:
        """The box as left, top, right, bottom in an image of `shape` (height, width, …): whole pixels from 0, the last
        one excluded, clipped to the image. Raises `BadSample` naming the image's `file` if nothing is left of it."""
        height, width = shape[:2]
        xmin, ymin, xmax, ymax = (round(edge) for edge in self.box)
        left, top, right, bottom = max(xmin - 1, 0), max(ymin - 1, 0), min(xmax, width), min(ymax, height)
        if left >= right or top >= bottom:
            raise BadSample(
                f"{file}: box {self._box()} of object {self.number} holds no pixel of {width}×{height}; correct it"
            )
        return left, top, right, bottom

    def line(self) -> str:
        """The object as a line of the list."""
        return f"{self.image} {self.class_name} {self._box()} {' '.join(map(str, self.attributes.tolist()))}"

    def _box(self) -> str:
        return " ".join(f"{edge:.15g}" for edge in self.box)


def read_names(file: Path) -> list[str]:
    """Class or attribute names, one a line; raises `UserError` if there are none or one comes twice."""
    names = [name for (name,) in read_rows(file, 1, REMEDY)]
    if not names or len(set(names)) < len(names):
        reason = f"'{Counter(names).most_common(1)[0][0]}' is listed twice" if names else "lists no names"
        raise UserError(f"{file}: {reason}; {REMEDY}")
    return names


def read_objects(file: Path, class_names: Sequence[str], attribute_count: int) -> list[AttributedObject]:
    """All objects of a list, in order; raises `UserError` naming file, line and remedy for one that is malformed."""
    found: list[AttributedObject] = []
    seen: Counter[str] = Counter()
    for image, class_name, *values in read_rows(file, 6 + attribute_count, REMEDY):
        place = f"{file}: object {len(found) + 1} ({image})"
        if class_name not in class_names:
            raise UserError(f"{place}: class '{class_name}' is not in class_names.txt; {REMEDY}")
        seen[image] += 1
        box, attributes = _box(values[:4], place), _bits(values[4:], place)
        found.append(AttributedObject(image, seen[image], class_name, box, attributes))
    if not found:
        raise UserError(f"{file}: lists no objects; {REMEDY}")
    return found


def listed(class_names: Sequence[str], objects: Sequence[AttributedObject]) -> list[str]:
    """The classes, in official order, that are among `objects`: either dataset has its own share of the names."""
    occurring = {item.class_name for item in objects}
    return [name for name in class_names if name in occurring]


def _box(values: Sequence[str], place: str) -> tuple[float, float, float, float]:
    try:
        xmin, ymin, xmax, ymax = (float(value) for value in values)
    except ValueError:
        raise UserError(f"{place}: box '{' '.join(values)}' is not four numbers; {REMEDY}") from None
    if not all(map(math.isfinite, (xmin, ymin, xmax, ymax))):
        raise UserError(f"{place}: box '{' '.join(values)}' is not four finite numbers; {REMEDY}")
    return xmin, ymin, xmax, ymax


def _bits(values: Sequence[str], place: str) -> np.ndarray:
    if wrong := [value for value in values if value not in ("0", "1")]:
        raise UserError(f"{place}: attribute value '{wrong[0]}', expected 0 or 1; {REMEDY}")
    return np.array(values, dtype=np.uint8)
