"""PASCAL-Part (Chen et al., CVPR 2014): masks of objects and of their parts in the photographs of VOC 2010.

One MATLAB file an image, `Annotations_Part/<name>.mat`, with a struct `anno`: `imname`, and `objects`, each with
`class` (VOC's name), `class_ind`, `mask` (0 or 1, as large as the photograph) and `parts`, each with `part_name` and
`mask`. The parts are not read, since no known experiment of csg.md uses them.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.io import loadmat

from pipeline.datasets.raw.sources import Source
from pipeline.datasets.samples import BadSample

SOURCE = Source(
    file="trainval.tar.gz",
    folder="PASCAL-Part",
    urls=("http://roozbehm.info/pascal-parts/trainval.tar.gz",),
    page="http://roozbehm.info/pascal-parts/pascal-parts.html",
    licence="none stated; cite Chen et al., Detect What You Can, CVPR 2014",
    rough_size=78_000_000,
    provides="PASCAL-Part/Annotations_Part",
    unpack_to="PASCAL-Part",
)


@dataclass(frozen=True, eq=False)
class PartObject:
    """One object of an annotation."""

    class_name: str
    mask: np.ndarray
    """H×W bool."""


def read_objects(file: Path) -> list[PartObject]:
    """Objects of one annotation in its order.

    SciPy parses the file; nothing in one can run code. Raises `BadSample` naming a file that is missing, damaged, or
    has another structure.
    """
    if not file.is_file():
        raise BadSample(f"{file}: no such file; put it there")
    try:
        objects = loadmat(file, variable_names=["anno"])["anno"][0, 0]["objects"].ravel()
        found = [PartObject(str(item["class"].item()), item["mask"] != 0) for item in objects]
        if wrong := [item.mask.shape for item in found if item.mask.ndim != 2]:
            raise ValueError(f"a mask has {len(wrong[0])} dimensions")
    except Exception as error:  # a damaged file can end in nearly any of them
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise BadSample(f"{file}: no annotation of PASCAL-Part ({reason}); replace it") from None
    return found
