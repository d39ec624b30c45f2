"""Textures to fill shapes and backgrounds with: what a bank of them is, and how its classes go with the ten digits."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np

from pipeline.errors import UserError

#: Texture classes for digits; all others are for backgrounds (reff.md section 2.1).
DIGIT_CLASSES = 10

#: Bytes of decoded pictures that a cache keeps.
BUDGET = 2**28


@dataclass(frozen=True, kw_only=True)
class Bank:
    """Pictures of textures by class. No picture of one split is in the other."""

    digits: Sequence[str]
    """Classes that fill digits."""
    backgrounds: Sequence[str]
    """Classes that fill backgrounds."""
    pictures: Mapping[str, Mapping[str, Sequence[str]]]
    """Names of the pictures, by split and class."""
    read: Callable[[str], np.ndarray]
    """Picture by name: H×W×3 uint8, both sides at least those of the image to fill. Raises `BadSample`."""
    notices: Sequence[str] = ()


def deal(classes: Sequence[str], preferred: Sequence[str], place: str) -> tuple[list[str], list[str]]:
    """Classes for digits and classes for backgrounds, each in the given order.

    A quarter of the classes, but never more than ten, is for digits: the preferred ones as far as they are there, then
    the first others. All 47 official classes give the ten periodic ones, a copy with eight gives two. Raises
    `UserError` naming the `place` where they are from if there are fewer than two for each.
    """
    if len(classes) < 4:
        raise UserError(f"{place}: {len(classes)} classes of textures, at least 4 are needed; add some, or use bundled")
    ranked = sorted(classes, key=lambda name: name not in preferred)
    chosen = set(ranked[: min(DIGIT_CLASSES, max(2, len(classes) // 4))])
    return [name for name in classes if name in chosen], [name for name in classes if name not in chosen]


def tied(classes: Sequence[str], digit: int) -> Sequence[str]:
    """The classes that go with a digit, dealt round-robin; if they run out, digits share them in the same order."""
    return classes[digit::DIGIT_CLASSES] or [classes[digit % len(classes)]]


class Cache:
    """Keeps the latest results of `read` within a number of bytes; safe to use from several threads."""

    def __init__(self, read: Callable[[str], np.ndarray], budget: int = BUDGET) -> None:
        self._read, self._left = read, budget
        self._kept: OrderedDict[str, np.ndarray] = OrderedDict()
        self._lock = Lock()

    def __call__(self, name: str) -> np.ndarray:
        """The result of `read`, not to be written to."""
        with self._lock:
            if name in self._kept:
                self._kept.move_to_end(name)
                return self._kept[name]
        picture = self._read(name)
        with self._lock:
            if name not in self._kept:
                self._kept[name] = picture
                self._left -= picture.nbytes
            while self._left < 0:
                self._left += self._kept.popitem(last=False)[1].nbytes
        return picture
