"""The text files of CUB-200-2011: what photographs there are and what is known about each (cub.py shows the layout)."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from pipeline.datasets.formats.text import read_map, read_rows
from pipeline.errors import UserError

#: An attribute that so many percent of people see belongs to the class.
MAJORITY = 50
#: Certainty of an attribute that was marked without being visible (attributes/certainties.txt).
NOT_VISIBLE = 1
#: What stands for an attribute that no line is about.
UNMARKED = 255


@dataclass(frozen=True, kw_only=True)
class Photo:
    """What the lists say about one photograph; coordinates in its pixels."""

    number: int
    file: str
    """Under images/."""
    label: int
    """Index into the classes."""
    train: bool
    bbox: tuple[float, float, float, float]
    """x, y, width, height."""
    parts: Mapping[int, tuple[float, float]]
    """Place (x, y) of each visible part, by its index into the part names."""


@dataclass(frozen=True, kw_only=True)
class Lists:
    """All photographs of a copy, in order of their numbers."""

    class_names: Sequence[str]
    part_names: Sequence[str]
    photos: Sequence[Photo]


def read_lists(folder: Path, remedy: str) -> Lists:
    """Classes, parts and photographs of CUB_200_2011/.

    Raises `UserError` with the `remedy` for a list that is missing or malformed, and for an image that one list names
    and another does not.
    """
    files = _files(folder / "images.txt", remedy)
    classes = read_numbered(folder / "classes.txt", remedy)
    parts = read_numbered(folder / "parts" / "parts.txt", remedy)
    class_index = {float(number): index for index, number in enumerate(classes)}
    labels = _choices(folder / "image_class_labels.txt", files, class_index, remedy)
    train = _choices(folder / "train_test_split.txt", files, {0.0: False, 1.0: True}, remedy)
    boxes = _one_each(folder / "bounding_boxes.txt", 4, files, remedy)
    places = _places(folder / "parts" / "part_locs.txt", files, list(parts), remedy)
    return Lists(
        # "001.Black_footed_Albatross"
        class_names=[name.split(".", 1)[-1].replace("_", " ") for name in classes.values()],
        part_names=list(parts.values()),
        photos=[
            Photo(
                number=number, file=file, label=labels[number], train=train[number],
                bbox=tuple(boxes[number]), parts=places[number],
            )
            for number, file in files.items()
        ],
    )  # fmt: skip


def read_numbered(file: Path, remedy: str) -> dict[int, str]:
    """Lines "number name", in order of the numbers; raises `UserError` as `read_map`, and for any other line."""
    found: dict[int, str] = {}
    for key, name in read_map(file, remedy).items():
        if not key.isdecimal() or int(key) in found:
            raise UserError(f"{file}: '{key} {name}' does not begin with a number of its own; {remedy}")
        found[int(key)] = name
    return dict(sorted(found.items()))


def read_image_attributes(file: Path, numbers: Sequence[int], count: int, remedy: str, *, absent: bool) -> np.ndarray:
    """What was marked in each photograph: photographs × `count` uint8, 0 or 1, `UNMARKED` where no line says.

    `numbers` are the photographs', in ascending order. If `absent`, what was marked without being visible is 0. Raises
    `UserError` with the `remedy` for a malformed line, and for one about an unknown image or attribute.
    """
    lines = _attribute_lines(file, remedy)
    image, attribute, is_present, certainty = lines.T
    unknown = ~np.isin(image, numbers)
    if unknown.any():
        raise UserError(f"{file}: image {image[unknown][0]} is not in images.txt; {remedy}")
    wrong = (attribute < 1) | (attribute > count) | (is_present < 0) | (is_present > 1)
    if wrong.any():
        line = " ".join(map(str, lines[wrong][0]))
        raise UserError(f"{file}: '{line}' has an attribute beyond 1..{count} or is neither 0 nor 1; {remedy}")
    if absent:
        is_present = is_present * (certainty != NOT_VISIBLE)
    marked = np.full((len(numbers), count), UNMARKED, np.uint8)
    marked[np.searchsorted(numbers, image), attribute - 1] = is_present
    if np.count_nonzero(marked != UNMARKED) != len(lines):
        raise UserError(f"{file}: has two lines for the same attribute of the same image; {remedy}")
    return marked


def read_class_attributes(file: Path, classes: int, count: int, remedy: str) -> np.ndarray:
    """What most people see in each class: classes × `count` uint8, 0 or 1; raises `UserError` for any other size."""
    rows = [_floats(file, row, remedy) for row in read_rows(file, count, remedy)]
    if len(rows) != classes:
        raise UserError(f"{file}: {len(rows)} rows, expected one for each of {classes} classes; {remedy}")
    return (np.array(rows) >= MAJORITY).astype(np.uint8)


def _attribute_lines(file: Path, remedy: str) -> np.ndarray:
    """Lines × 4: image, attribute, present, certainty.

    The official file has 3.7 million lines. Some have more than the five fields; the first four are good in all.
    """
    try:
        table = pd.read_csv(file, sep=r"\s+", header=None, names=range(4), usecols=range(4), dtype=np.int32)
    except FileNotFoundError:
        raise UserError(f"{file}: no such file; {remedy}, or set attributes: class") from None
    except (ValueError, OverflowError) as error:
        for number, line in enumerate(file.read_text(errors="replace").splitlines(), start=1):
            fields = line.split()
            if fields and not (len(fields) >= 4 and all(text.isdecimal() for text in fields[:4])):
                raise UserError(f"{file}:{number}: does not begin with four whole numbers; {remedy}") from None
        raise UserError(f"{file}: is no list of attributes ({error}); {remedy}") from None
    if table.empty:
        raise UserError(f"{file}: is empty; {remedy}")
    return table.to_numpy()


def _files(file: Path, remedy: str) -> dict[int, str]:
    """Photographs under images/ by their numbers."""
    files = read_numbered(file, remedy)
    for number, name in files.items():
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise UserError(f"{file}: image {number} is '{name}', which lies outside images/; {remedy}")
    return files


def _choices(file: Path, numbers: Collection[int], known: Mapping[float, int], remedy: str) -> dict[int, int]:
    """For each image of `numbers` what its value in the file stands for."""
    found = _one_each(file, 1, numbers, remedy)
    for number, (value,) in found.items():
        if value not in known:
            raise UserError(f"{file}: image {number} has {value:g}, which is none of {len(known)} values; {remedy}")
    return {number: known[value] for number, (value,) in found.items()}


def _one_each(file: Path, count: int, numbers: Collection[int], remedy: str) -> dict[int, list[float]]:
    """`count` numbers for each image of `numbers`."""
    found: dict[int, list[float]] = {}
    for number, values in _of_images(file, count, numbers, remedy):
        if number in found:
            raise UserError(f"{file}: image {number} is listed twice; {remedy}")
        found[number] = values
    _check_complete(file, found, numbers, remedy)
    return found


def _places(
    file: Path, numbers: Collection[int], parts: Sequence[int], remedy: str
) -> dict[int, dict[int, tuple[float, float]]]:
    """Visible parts of each image of `numbers`, by index into the `parts`."""
    index = {float(part): place for place, part in enumerate(parts)}
    listed: dict[int, set[float]] = {}
    found: dict[int, dict[int, tuple[float, float]]] = {}
    for number, (part, x, y, visible) in _of_images(file, 4, numbers, remedy):
        if part not in index or part in listed.setdefault(number, set()) or visible not in (0, 1):
            raise UserError(
                f"{file}: image {number}: '{part:g} {x:g} {y:g} {visible:g}' is not a part of parts.txt with its place "
                f"and 0 or 1, or comes twice; {remedy}"
            )
        listed[number].add(part)
        places = found.setdefault(number, {})
        if visible:
            places[index[part]] = x, y
    _check_complete(file, found, numbers, remedy)
    return found


def _of_images(file: Path, count: int, numbers: Collection[int], remedy: str) -> Iterator[tuple[int, list[float]]]:
    """Lines of an image's number and `count` more; the image must be one of `numbers`."""
    for row in read_rows(file, 1 + count, remedy):
        image, *values = _floats(file, row, remedy)
        if image not in numbers:
            raise UserError(f"{file}: image {row[0]} is not in images.txt; {remedy}")
        yield int(image), values


def _check_complete(file: Path, found: Collection[int], numbers: Collection[int], remedy: str) -> None:
    if missing := [number for number in numbers if number not in found]:
        raise UserError(f"{file}: has no line for image {missing[0]} of images.txt; {remedy}")


def _floats(file: Path, row: Sequence[str], remedy: str) -> list[float]:
    try:
        values = [float(text) for text in row]
        if all(map(math.isfinite, values)):
            return values
    except ValueError:
        pass
    raise UserError(f"{file}: '{' '.join(row[:8])}' is not {len(row)} numbers; {remedy}")
