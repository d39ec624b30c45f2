"""ADE20K (Zhou et al., CVPR 2017): its two packagings, and how their annotations number objects.

    ADEChallengeData2016/images/{training,validation}/ADE_*.jpg            "scene parsing benchmark"
    ADEChallengeData2016/annotations/{training,validation}/ADE_*.png       0 other, 1..150 class
    ADEChallengeData2016/objectInfo150.txt, sceneCategories.txt
    ADE20K_2021_17_01/images/ADE/{training,validation}/<group>/<scene>/ADE_*.jpg         the full release
    ADE20K_2021_17_01/images/ADE/{training,validation}/<group>/<scene>/ADE_*_seg.png     class and instance
    ADE20K_2021_17_01/images/ADE/{training,validation}/<group>/<scene>/ADE_*.json        names, parts, outlines

In `_seg.png`, class = red // 10 · 256 + green, the `name_ndx` of the JSON file, and blue tells the instances of an
image apart: their numbers spread evenly over 1..255, so that among more of them some share a blue and only the pair of
class and blue is one object. 0 is unlabelled. Parts of objects are in files of their own, which are not read.
"""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.datasets.formats.text import read_rows
from pipeline.datasets.raw.sources import Source
from pipeline.datasets.samples import BadSample
from pipeline.errors import UserError

PAGE = "https://groups.csail.mit.edu/vision/datasets/ADE20K/"
LICENCE = "images: research and education, non-commercial; annotations: BSD-3"
SCENE_PARSING = Source(
    file="ADEChallengeData2016.zip",
    urls=("http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip",),
    page="http://sceneparsing.csail.mit.edu/",
    licence=LICENCE,
    provides="ADEChallengeData2016",
)
FULL = Source(
    file="ADE20K_2021_17_01.zip",
    page=PAGE,
    licence=LICENCE,
    accept="given to registered users, who agree to its terms of use",
    provides="ADE20K_2021_17_01",
    only_with="layout: full",
)

#: Object classes of the scene parsing benchmark.
CLASSES = 150


def read_class_names(file: Path, remedy: str) -> list[str]:
    """Names of the 150 classes of the benchmark, from objectInfo150.txt; see `short_names`.

    Raises `UserError` naming the file if it is missing or has other rows.
    """
    rows = list(read_rows(file, 5, remedy, separator="\t"))
    # Some numbers of the official file have a blank behind them.
    if [row[0].strip() for row in rows[1:]] != [str(number) for number in range(1, CLASSES + 1)]:
        raise UserError(f"{file}: expected a heading and the rows 1 to {CLASSES} in order; {remedy}")
    return short_names([row[4] for row in rows[1:]])


def short_names(names: Sequence[str]) -> list[str]:
    """Names like "car, auto, automobile" as "car"; those that begin alike stay whole."""
    first = [name.partition(",")[0].strip() for name in names]
    uses = Counter(first)
    return [short if uses[short] == 1 else name.strip() for short, name in zip(first, names, strict=True)]


def read_object_names(file: Path) -> dict[int, str]:
    """Names of the object classes in one image of the full release, by number; its parts of objects left out.

    Raises `BadSample` naming a file that is missing, is no JSON or has another structure.
    """
    try:
        # Free text in another encoding costs a file nothing; names of classes are plain.
        objects = json.loads(file.read_bytes().decode("utf-8", errors="replace"))["annotation"]["object"]
        # MATLAB wrote them, in which one object and a list of one are the same.
        objects = [objects] if isinstance(objects, dict) else objects
        return {int(item["name_ndx"]): str(item["name"]) for item in objects if item["parts"]["part_level"] == 0}
    except FileNotFoundError:
        raise BadSample(f"{file}: no such file; put it there") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise BadSample(f"{file}: no annotation of ADE20K ({reason}); replace it") from None


def decode(colours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class and instance, H×W integers, of each pixel of a `_seg.png`, H×W×3 uint8."""
    red, green, blue = np.moveaxis(colours.astype(int), -1, 0)
    return red // 10 * 256 + green, blue


def encode(classes: np.ndarray, instances: np.ndarray) -> np.ndarray:
    """Inverse of `decode`, for classes below 26 · 256 and instances 0..255."""
    return np.stack([classes // 256 * 10, classes % 256, instances], axis=-1).astype(np.uint8)
