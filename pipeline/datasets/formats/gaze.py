"""Where people looked at photographs: fixations in CUB-GHA's text files, and the heat maps that are drawn from them.

Rong et al., "Human Attention in Fine-grained Classification", BMVC 2021; normat.md section 5.3. The authors' script
puts a Gaussian of 75 display pixels on each fixation of an enlarged photograph. The enlargement is not on record, so
the width here is the nearest guess, a share of the image's height.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from pipeline.datasets.formats.text import read_rows
from pipeline.errors import UserError

#: Standard deviation of the Gaussian around a fixation, in heights of the image.
SIGMA = 0.07


def heat_map(fixations: np.ndarray, height: int, width: int) -> np.ndarray:
    """H×W uint8, 255 where people looked longest and 0 where least; all 0 if no time is spent anywhere.

    `fixations` are F×3: x, y in pixels of the image and the duration in milliseconds. The map is the sum of
    duration·exp(-r²/(2σ²)) over the fixations, with r the distance to a pixel's (column, row), taken to 0..255.
    """
    x, y, duration = fixations.astype(np.float64).reshape(-1, 3).T
    spread = 2 * (SIGMA * height) ** 2
    # A Gaussian of r² is one of the columns times one of the rows, so that the sum over fixations is a matrix product.
    across = np.exp(-((np.arange(width) - x[:, None]) ** 2) / spread)
    down = np.exp(-((np.arange(height) - y[:, None]) ** 2) / spread)
    heat = (down * duration[:, None]).T @ across
    low, high = heat.min(), heat.max()
    if high == low:
        return np.zeros((height, width), np.uint8)
    return np.rint((heat - low) / (high - low) * 255).astype(np.uint8)


def read_fixations(files: Iterable[Path], remedy: str) -> dict[int, np.ndarray]:
    """All fixations on each photograph, by its id: F×3, x and y in widths and heights of it, duration in milliseconds.

    A line of the `files` is one viewing: the photograph's id, its width and height, then x, y in its pixels and the
    duration of each fixation, all separated by commas. Raises `UserError` with the `remedy` for any other line.
    """
    viewings: dict[int, list[np.ndarray]] = {}
    for file in files:
        for photo, numbers in read_rows(file, 2, remedy, separator=","):
            try:
                key = int(photo)
                width, height, *triples = map(float, numbers.split(","))
                looks = np.array(triples).reshape(-1, 3)
                if not (width > 0 and height > 0 and np.isfinite([*triples, width, height]).all()):
                    raise ValueError("a width or height of none, or no number")
            except ValueError as error:
                raise UserError(
                    f"{file}: a viewing of image {photo} is not an id, width, height and triples of x, y, duration "
                    f"({error}); {remedy}"
                ) from None
            viewings.setdefault(key, []).append(looks / (width, height, 1))
    return {key: np.concatenate(looks) for key, looks in viewings.items()}
