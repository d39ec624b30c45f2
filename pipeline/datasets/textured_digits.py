"""Textured MNIST: a digit filled with one texture before another one, the digit's shape as mask (reff.md section 2.1).

Adachi and Yamaguchi, "Learning Robust Convolutional Neural Networks with Relevant Feature Focusing via Explanations"
(ICME 2022). Which textures go with which digit was in a table that is lost: the specification deals them out.

Training digits come before backgrounds that tell the digit, unless `background_randomness` draws them from all; test
digits before random ones, or with `test_background_shift` before those of another digit. Each row has twelve uniform
draws of its own, used in the same way whatever the settings: sets that differ in randomness alone show the same digits
at the same places, and the same backgrounds wherever both draw them from the same classes.

The scans that ship with scikit-learn are split after a permutation by NumPy; the prototype of section 9 may have used
another one, and drew its textures anew every epoch, while rows are fixed here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from sklearn.datasets import load_digits

from pipeline.datasets import fashion_mnist, kmnist, mnist, usps
from pipeline.datasets.enlarge import enlarge
from pipeline.datasets.samples import IMAGENET_MEAN, IMAGENET_STD, Prepared, Read, Sample
from pipeline.datasets.textures import bundled, dtd
from pipeline.datasets.textures.bank import Bank, tied
from pipeline.errors import UserError

if TYPE_CHECKING:
    from pipeline.settings.datasets import TexturedDigits

SOURCES = (dtd.SOURCE,)
COLUMNS = ("mask", "factors")
OFFICIAL: dict[str, int] = {}

#: Digits of other datasets; None: the scans of scikit-learn.
SHAPES: dict[str, ModuleType | None] = {
    "digits": None, "mnist": mnist, "fashion_mnist": fashion_mnist, "kmnist": kmnist, "usps": usps,
}  # fmt: skip
SCANS_TRAIN = 1297
SCANS_SEED = 42

#: Digits whose shapes are enlarged at the same time.
BATCH = 64


@dataclass(frozen=True, kw_only=True)
class Shapes:
    """Digits of one split."""

    images: np.ndarray
    """N×h×h uint8."""
    white: int
    """Value of full brightness."""
    labels: np.ndarray
    """N integers 0..9."""
    source: str | None
    """File that they are from, relative to run.raw_dir."""


@dataclass(frozen=True, kw_only=True)
class Draw:
    """A row's uniform draws on 0..1: places are shares of the room there is, choices shares of a list."""

    y: float
    x: float
    background_random: float
    background_class: float
    background_picture: float
    background_y: float
    background_x: float
    texture_random: float
    texture_class: float
    texture_picture: float
    texture_y: float
    texture_x: float

    @classmethod
    def of(cls, seed: int, split: str, row: int) -> "Draw":
        """The draws of a row: a generator for each, so that rows do not depend on each other."""
        generator = np.random.default_rng([seed, split == "test", row])
        return cls(**dict(zip(cls.__dataclass_fields__, generator.random(12).tolist(), strict=True)))


def prepare(raw_dir: Path, settings: "TexturedDigits") -> Prepared:
    """Both splits, put together while they are read.

    Raises `UserError` as the reader of the digits and that of the textures do, and for a digit larger than its image.
    A texture that is missing or damaged is a `BadSample` of each row that uses it.
    """
    if settings.digit_size > settings.size:
        raise UserError(
            f"params.yaml: datasets (from: textured_digits): digit_size: {settings.digit_size} is larger than "
            f"size: {settings.size}; give at most that"
        )
    shapes = read_shapes(raw_dir, settings.digits)
    size = settings.size
    textures = dtd.bank(raw_dir, size) if settings.textures == "dtd" else bundled.bank(size)
    notices = list(textures.notices)
    if (settings.digit_range, settings.background_range) != ((0, 1), (0, 1)):
        notices.append(
            f"textures are squeezed to intensities {settings.digit_range} in the digit and "
            f"{settings.background_range} around it, a simplification of the task"
        )
    return Prepared(
        class_names=getattr(SHAPES[settings.digits], "CLASSES", tuple("0123456789")),
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        train=Split("train", settings, shapes["train"], textures).rows(),
        test=Split("test", settings, shapes["test"], textures).rows(),
        columns=COLUMNS,
        notices=notices,
    )


def read_shapes(raw_dir: Path, name: str) -> dict[str, Shapes]:
    """Digits "train" and "test" of the dataset with this name; raises `UserError` as its reader does."""
    module = SHAPES[name]
    if module is None:
        scans, labels = load_digits(return_X_y=True)
        order = np.random.default_rng(SCANS_SEED).permutation(len(labels))
        scans = scans.reshape(-1, 8, 8).astype(np.uint8)
        return {
            split: Shapes(images=scans[rows], white=16, labels=labels[rows], source=None)
            for split, rows in (("train", order[:SCANS_TRAIN]), ("test", order[SCANS_TRAIN:]))
        }
    # The images are the first file of each split.
    files = {"train": module.SOURCES[0], "test": module.SOURCES[len(module.SOURCES) // 2]}
    return {
        split: Shapes(images=images, white=255, labels=labels, source=str(files[split].path(Path())))
        for split, (images, labels) in module.read(raw_dir).items()
    }


class Split:
    """What all rows of a split share."""

    def __init__(self, name: str, settings: "TexturedDigits", shapes: Shapes, textures: Bank) -> None:
        self.name, self.settings, self.shapes, self.textures = name, settings, shapes, textures
        self.pictures = textures.pictures[name]
        if settings.texture_split == "shared":
            train, test = textures.pictures["train"], textures.pictures["test"]
            self.pictures = {texture: [*train[texture], *test[texture]] for texture in train}
        test = name == "test"
        self.randomness = settings.test_background_randomness if test else settings.background_randomness
        self.shift = settings.test_background_shift if test else 0
        self.digit_levels = _levels(settings.digit_range)
        self.background_levels = _levels(settings.background_range)

    def rows(self) -> Iterator[Read]:
        """Ways to all samples, in the order of the digits."""
        shapes, settings = self.shapes, self.settings
        for start in range(0, len(shapes.labels), BATCH):
            images = shapes.images[start : start + BATCH]
            masks = enlarge(images, settings.digit_size) > settings.threshold * shapes.white
            for row, mask in enumerate(masks, start):
                yield partial(self.sample, row, mask)

    def sample(self, row: int, shape: np.ndarray) -> Sample:
        """A row whose digit has this `shape`, digit_size × digit_size bool; raises `BadSample` as the textures do."""
        settings, label = self.settings, int(self.shapes.labels[row])
        draw = Draw.of(settings.seed, self.name, row)
        background, texture = self._background(draw, label), self._texture(draw, label)
        background_file = _pick(self.pictures[background], draw.background_picture)
        texture_file = _pick(self.pictures[texture], draw.texture_picture)
        room = settings.size - settings.digit_size
        y, x = _place(draw.y, room), _place(draw.x, room)
        mask = np.zeros((settings.size, settings.size), bool)
        mask[y : y + settings.digit_size, x : x + settings.digit_size] = shape
        behind, background_y, background_x = self._crop(background_file, draw.background_y, draw.background_x)
        inside, texture_y, texture_x = self._crop(texture_file, draw.texture_y, draw.texture_x)
        inside, behind = np.take(self.digit_levels, inside), np.take(self.background_levels, behind)
        return Sample(
            sample_id=f"{self.name}-{row:05d}",
            image=np.where(mask[..., None], inside, behind),
            label=label,
            source=self.shapes.source,
            mask=mask,
            factors={
                "background": background, "background_file": background_file,
                "background_y": background_y, "background_x": background_x,
                "texture": texture, "texture_file": texture_file, "texture_y": texture_y, "texture_x": texture_x,
                "y": y, "x": x,
            },
        )  # fmt: skip

    def _background(self, draw: Draw, label: int) -> str:
        classes = self.textures.backgrounds
        if draw.background_random >= self.randomness:
            classes = tied(classes, (label + self.shift) % 10)
        return _pick(classes, draw.background_class)

    def _texture(self, draw: Draw, label: int) -> str:
        classes = self.textures.digits
        if draw.texture_random >= self.settings.texture_randomness:
            classes = tied(classes, label)
        return _pick(classes, draw.texture_class)

    def _crop(self, file: str, y: float, x: float) -> tuple[np.ndarray, int, int]:
        """A crop as large as the image, and the row and column at which it begins."""
        picture, size = self.textures.read(file), self.settings.size
        top, left = _place(y, picture.shape[0] - size), _place(x, picture.shape[1] - size)
        return picture[top : top + size, left : left + size], top, left


def _pick(items: Sequence[str], share: float) -> str:
    return items[int(share * len(items))]


def _place(share: float, room: int) -> int:
    """One of 0..room, all alike."""
    return int(share * (room + 1))


def _levels(bounds: tuple[float, float]) -> np.ndarray:
    """What becomes of each byte of a texture when 0..1 is squeezed to these bounds."""
    low, high = bounds
    return np.rint(255 * low + (high - low) * np.arange(256)).astype(np.uint8)
