"""Synthesised cells: ten classes of three families before three backgrounds (normat.md section 5.1).

After the ten-class generator of Tjoa and Guan, "Quantifying Explainability of Saliency Methods in Deep Neural Networks
with a Synthetic Dataset" (arXiv 2009.02899). Lengths below are pixels of its 512×512 images; other sizes scale them.

    circular      0 ring    1 ring with a bar    2 ring with a bar and a pole
    rectangular   3, 4, 5 rectangle with a red, green or blue border
    tail          6, 7, 8 ring with one, three or eight tails
    blank         9 nothing but background

The mask tells what makes the class: 0.9 on that part, 0.4 elsewhere on the cell, 0 on the background, as bytes.

Where we depart from the original: the pose moves the coordinates that shapes are computed in, not a finished picture.
So nothing is resampled, edges are sharp at every size and the mask has three values only; in exchange the grid of noise
that roughens the outlines lies along the image, not along the cell. Rectangles get a field of noise of its own for each
axis and are turned before they are moved, as the other cells are; half thicknesses are not cut to integers.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.datasets.enlarge import enlarge
from pipeline.datasets.samples import Prepared, Sample, given

if TYPE_CHECKING:
    from pipeline.settings.datasets import Cells

SOURCES = ()
COLUMNS = ("mask", "factors")
OFFICIAL = {"train": 4096, "test": 1024}

CLASSES = ("ring", "bar", "cross", "red", "green", "blue", "one tail", "three tails", "eight tails", "blank")
BACKGROUNDS = ("dark", "blurred", "noisy")
RECTANGLES = (3, 4, 5)
#: Number of tails by class; they stand at equal angles, the first one downwards.
TAILS = {6: 1, 7: 3, 8: 8}
#: Classes that extras make.
EXTRAS = (1, 2, *TAILS)

#: What a pixel shows. Bars, poles and tails are extras: they lie over the ring.
NOTHING, BORDER, INSIDE, EXTRA = range(4)

#: Relevance of what a pixel shows: if the border makes the class, and if extras do.
BY_BORDER, BY_EXTRA = np.rint(255 * np.array([[0, 0.9, 0.4, 0], [0, 0.4, 0.4, 0.9]])).astype(np.uint8)

#: Uniform draws that make a cell: lengths in pixels at 512, the angle in degrees, the shift as a share of the side.
RANGES = {
    "radius": (90, 110), "stretch": (0.5, 1.5), "height": (100, 200), "width": (100, 200),
    "border": (10, 30), "bar": (10, 30), "pole": (5, 40), "tail": (10, 30),
    "noise": (6, 12), "noise_cell": (31, 64),
    "angle": (-60, 60), "shift_x": (-0.33, 0.33), "shift_y": (-0.33, 0.33),
}  # fmt: skip
LOW, HIGH = np.array(list(RANGES.values()), float).T
SIDE = 512

#: Nodes along a side of the finest grid of noise: cells of 31 pixels for outlines, of 32 for the noisy background.
NODES = 16

#: Least share of the image that the one tail of class 6 covers; a cell with less is drawn again.
LEAST_TAIL = 0.003

#: Everything that is random about an image; the raw draws of grids and colours are scaled when they are used.
DRAWS = np.dtype(
    [
        ("label", int),
        ("background", int),
        ("centre", float, 2),
        ("rate", float, 3),
        ("backdrop", float, (3, NODES, NODES)),
        *((name, float) for name in RANGES),
        ("colours", float, (2, 3)),
        ("fields", float, (3, NODES, NODES)),
    ]
)

#: At most so many images, and pixels, are rendered at the same time: enough to outweigh the cost of a call.
BATCH, BATCH_PIXELS = 64, 2**18


def prepare(raw_dir: Path, settings: "Cells") -> Prepared:
    """Both splits, drawn while they are read; `raw_dir` is not used."""
    return Prepared(
        class_names=CLASSES,
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        train=given(samples("train", range(settings.train), settings.size, settings.seed)),
        test=given(samples("test", range(settings.test), settings.size, settings.seed)),
        columns=COLUMNS,
    )


def samples(split: str, rows: range, size: int, seed: int) -> Iterator[Sample]:
    """These rows of a split, `size` × `size` pixels; a row is the same whatever other rows are asked for."""
    batch = min(BATCH, max(1, BATCH_PIXELS // size**2))
    for start in range(0, len(rows), batch):
        numbers = rows[start : start + batch]
        draws, images, parts = render([np.random.default_rng([seed, split == "test", row]) for row in numbers], size)
        for row, draw, image, part in zip(numbers, draws, images, parts, strict=True):
            yield Sample(
                sample_id=f"{split}-{row:05d}",
                image=image,
                label=int(draw["label"]),
                mask=np.take(BY_EXTRA if draw["label"] in EXTRAS else BY_BORDER, part),
                factors={"background": BACKGROUNDS[draw["background"]]},
            )


def render(generators: list[np.random.Generator], size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An image from each of B generators: their `DRAWS`, images B×S×S×3 uint8, and what each pixel shows, B×S×S uint8.

    S is the `size`. A generator gives the same image whatever its neighbours.
    """
    draws = np.zeros(len(generators), DRAWS)
    for draw, generator in zip(draws, generators, strict=True):
        draw["label"], draw["background"] = generator.integers(len(CLASSES)), generator.integers(len(BACKGROUNDS))
        draw["centre"] = generator.uniform(SIDE / 4, 3 * SIDE / 4, 2)
        draw["rate"] = generator.uniform(1e-4, 1e-3, 3)
        draw["backdrop"] = generator.random((3, NODES, NODES))
    parts = np.empty((len(draws), size, size), np.uint8)
    new = np.arange(len(draws))
    while len(new):
        for row in new:
            _draw_cell(draws[row], generators[row])
        parts[new] = _parts(draws[new], size)
        short = (parts[new] == EXTRA).mean((1, 2)) < LEAST_TAIL
        new = new[short & (draws["label"][new] == 6)]
    return draws, _images(draws, parts), parts


def _draw_cell(draw: np.void, generator: np.random.Generator) -> None:
    for name, value in zip(RANGES, generator.uniform(LOW, HIGH), strict=True):
        draw[name] = value
    draw["colours"] = generator.random((2, 3))
    draw["fields"] = generator.normal(size=(3, NODES, NODES))


def _parts(draws: np.ndarray, size: int) -> np.ndarray:
    """What each pixel shows, B×size×size uint8, for draws of B images."""
    parts = np.zeros((len(draws), size, size), np.uint8)
    for label, shape in SHAPES.items():
        rows = draws["label"] == label
        if rows.any():
            parts[rows] = shape(draws[rows][:, None, None], size)
    return parts


def _ring(draws: np.ndarray, size: int) -> np.ndarray:
    """Parts of classes without extras; `draws` are B×1×1 here and below, to go with images."""
    x, y = _coordinates(draws, size)
    y /= draws["stretch"]
    distance = np.sqrt(x**2 + y**2) + _noise(draws, size, 0)
    return np.where(distance < draws["radius"] - draws["border"], INSIDE, (distance <= draws["radius"]) * BORDER)


def _rectangle(draws: np.ndarray, size: int) -> np.ndarray:
    x, y = _rough_coordinates(draws, size)
    beyond = np.maximum(np.abs(x) - draws["width"] / 2, np.abs(y) - draws["height"] / 2)
    return np.where(beyond <= -draws["border"], INSIDE, (beyond <= 0) * BORDER)


def _with_bars(draws: np.ndarray, size: int, *, pole: bool) -> np.ndarray:
    x, y = (np.abs(axis) for axis in _rough_coordinates(draws, size))
    over = (x <= draws["radius"]) & (y <= draws["bar"] / 2)
    if pole:
        over |= (y <= draws["stretch"] * draws["radius"]) & (x <= draws["pole"] / 2)
    return np.where(over, EXTRA, _ring(draws, size))


def _with_tails(draws: np.ndarray, size: int, *, number: int) -> np.ndarray:
    x, y = _rough_coordinates(draws, size)
    start, end = (share * draws["stretch"] * draws["radius"] for share in (0.8, 1.5))
    over = np.zeros(x.shape, bool)
    for angle in 2 * np.pi * np.arange(number) / number:
        across, along = np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y
        over |= (np.abs(across) <= draws["tail"] / 2) & (start <= along) & (along <= end + draws["border"])
    return np.where(over, EXTRA, _ring(draws, size))


#: Parts by class; the blank class has none.
SHAPES = {
    0: _ring, 1: partial(_with_bars, pole=False), 2: partial(_with_bars, pole=True),
    **dict.fromkeys(RECTANGLES, _rectangle),
    **{label: partial(_with_tails, number=number) for label, number in TAILS.items()},
}  # fmt: skip


def _coordinates(draws: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel lies in the upright cell, B×size×size each; the cell was turned first, then moved by pixels."""
    axis = (np.arange(size) + 0.5) * SIDE / size - SIDE / 2
    x, y = (axis - np.trunc(draws[name] * size) * SIDE / size for name in ("shift_x", "shift_y"))
    y = y.swapaxes(1, 2)
    angle = np.deg2rad(draws["angle"])
    return np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x


def _rough_coordinates(draws: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    x, y = _coordinates(draws, size)
    x += _noise(draws, size, 1)
    y += _noise(draws, size, 2)
    return x, y


def _noise(draws: np.ndarray, size: int, field: int) -> np.ndarray:
    """A field of smooth noise for each image, B×size×size in pixels at 512."""
    nodes = (SIDE / draws["noise_cell"]).astype(int)
    return enlarge(draws["noise"] * draws["fields"][:, 0, 0, field], size, nodes)


def _colours(draws: np.ndarray) -> np.ndarray:
    """Colour of what a pixel can show, B×4×3 on the scale 0..1."""
    label = draws["label"]
    own = np.eye(3)[(label - 3).clip(0, 2)]
    rectangle = np.isin(label, RECTANGLES)[:, None]
    low = np.where(rectangle, 0.6 * own, 0.5)
    high = np.where(rectangle, 0.2 + 0.7 * own, 0.9)
    colours = np.zeros((len(draws), 4, 3))
    colours[:, BORDER] = low + (high - low) * draws["colours"][:, 0]
    colours[:, INSIDE] = np.array((0.1, 0.1, 0.3)) + 0.2 * draws["colours"][:, 1]
    colours[:, EXTRA] = colours[:, BORDER] * np.where(np.isin(label, list(TAILS)), 0.75, 1)[:, None]
    return colours


def _blurred(draws: np.ndarray, size: int) -> np.ndarray:
    return enlarge(0.2 + 0.5 * draws["backdrop"][..., :8, :8], size)


def _noisy(draws: np.ndarray, size: int) -> np.ndarray:
    axis = (np.arange(size) + 0.5) * SIDE / size - SIDE / 2
    x, y = (axis - draws["centre"][:, i, None] for i in (0, 1))
    distance = np.sqrt(x[:, None, :] ** 2 + y[:, :, None] ** 2)[:, None]
    phase = enlarge(0.7 + 0.6 * draws["backdrop"], size)
    phase *= distance
    phase *= draws["rate"][:, :, None, None] * 180 / np.pi
    return 0.25 + 0.25 * np.sin(phase, out=phase)


#: Values of a background on the scale 0..1, B×3×size×size; the dark one adds nothing.
BACKDROPS = {1: _blurred, 2: _noisy}


def _images(draws: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Colours of what the pixels show, with what is behind them, as bytes: B×size×size×3."""
    colours = 255 * _colours(draws)
    images = np.empty((*parts.shape, 3), np.uint8)
    for image, part, levels in zip(images, parts, np.rint(colours).astype(np.uint8), strict=True):
        image[...] = np.take(levels, part, axis=0)
    for kind, backdrops in BACKDROPS.items():
        rows = np.flatnonzero(draws["background"] == kind)
        if len(rows):
            values = backdrops(draws[rows], parts.shape[-1])
            values *= 255
            for row, backdrop in zip(rows, values, strict=True):
                _add_backdrop(images[row], parts[row], colours[row], backdrop)
    return images


def _add_backdrop(image: np.ndarray, part: np.ndarray, colours: np.ndarray, backdrop: np.ndarray) -> None:
    """Adds a background, 3×size×size on the scale 0..255, to the channels of `image` that are near zero."""
    for channel in range(3):
        image[..., channel] += (part == NOTHING) * np.rint(backdrop[channel]).astype(np.uint8)
    for shown, channel in np.argwhere(colours < 255 * 0.01):
        if shown != NOTHING:
            here = part == shown
            image[here, channel] = np.rint(colours[shown, channel] + backdrop[channel][here])
