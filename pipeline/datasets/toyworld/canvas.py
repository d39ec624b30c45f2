"""A canvas that knows what it shows: shapes are painted over one another, each a region of an object.

It has 3×3 samples a pixel. The picture is their mean, which smooths edges. A pixel belongs to a region or an object if
that covers more than half of its samples. Nine cannot be halved: at most one of two objects gets the pixel.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.datasets.toyworld.shapes import Points

SAMPLES = 3
#: Light falls from the upper left, more from above than from the left.
_LIGHT_X, _LIGHT_Y = 0.5, 1.0

#: A part of an object: its name, its place, and the regions of which one is seen there if it is visible.
Place = tuple[str, tuple[float, float], tuple[str, ...]]

Colour = tuple[float, float, float] | np.ndarray
"""Red, green, blue, each 0..1. Where a shape is painted, also one a sample: side×side×3, or what broadcasts to it."""


@dataclass(frozen=True)
class Stencil:
    """Samples inside a shape: a rectangle of the canvas, and which of its samples belong."""

    top: int
    left: int
    inside: np.ndarray
    """h×w bool; empty if the shape lies outside the picture."""

    def __and__(self, other: "Stencil") -> "Stencil":
        """What both have, in the rectangle of the first."""
        inside = np.zeros_like(self.inside)
        top, left = max(self.top, other.top), max(self.left, other.left)
        bottom = min(self.top + self.inside.shape[0], other.top + other.inside.shape[0])
        right = min(self.left + self.inside.shape[1], other.left + other.inside.shape[1])
        if bottom > top and right > left:
            mine = (slice(top - self.top, bottom - self.top), slice(left - self.left, right - self.left))
            its = (slice(top - other.top, bottom - other.top), slice(left - other.left, right - other.left))
            inside[mine] = self.inside[mine] & other.inside[its]
        return Stencil(self.top, self.left, inside)

    def __or__(self, other: "Stencil") -> "Stencil":
        """What either has."""
        top, left = min(self.top, other.top), min(self.left, other.left)
        bottom = max(self.top + self.inside.shape[0], other.top + other.inside.shape[0])
        right = max(self.left + self.inside.shape[1], other.left + other.inside.shape[1])
        inside = np.zeros((bottom - top, right - left), bool)
        for part in (self, other):
            height, width = part.inside.shape
            inside[part.top - top :, part.left - left :][:height, :width] |= part.inside
        return Stencil(top, left, inside)


class Canvas:
    """A square picture in the making. Coordinates run from 0 to 1, x to the right, y down."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.side = size * SAMPLES
        self._colours = np.zeros((self.side, self.side, 3), np.float32)
        self._ids = np.zeros((self.side, self.side), np.uint8)
        self._regions: dict[tuple[int, str], int] = {}
        self.objects: list[str] = []
        """Names of the objects begun so far."""

    def begin(self, name: str) -> int:
        """A new object: regions filled from now on are its own. Returns its number."""
        self.objects.append(name)
        return len(self.objects) - 1

    def stencil(self, *outlines: Points) -> Stencil:
        """Samples inside any of some closed outlines."""
        shapes = [np.asarray(outline, dtype=float) * self.side - 0.5 for outline in outlines]
        points = shapes[0] if len(shapes) == 1 else np.concatenate(shapes)
        left, top = (max(math.floor(value), 0) for value in points.min(axis=0))
        right, bottom = (min(math.ceil(value), self.side - 1) for value in points.max(axis=0))
        inside = np.zeros((max(bottom - top + 1, 0), max(right - left + 1, 0)), np.uint8)
        if inside.size:
            for shape in shapes:
                cv2.fillPoly(inside, [np.round((shape - (left, top)) * 16).astype(np.int32)], 1, shift=4)
        return Stencil(top, left, inside.view(bool))

    def fill(
        self,
        shape: Stencil | Points,
        colour: Colour,
        region: str = "",
        *,
        shade: float = 0,
        line: float = 0,
        within: Stencil | None = None,
    ) -> Stencil:
        """Paint a region of the present object, opaque; see `tint` for the rest. Returns where."""
        stencil = self._stencil(shape, within)
        number = self._regions.setdefault((len(self.objects) - 1, region), len(self._regions) + 1)
        self._cut(self._ids, stencil)[stencil.inside] = number
        return self.tint(stencil, colour, shade=shade, line=line)

    def tint(
        self,
        shape: Stencil | Points,
        colour: Colour,
        strength: float = 1,
        *,
        shade: float = 0,
        line: float = 0,
        within: Stencil | None = None,
    ) -> Stencil:
        """Colour samples without changing what they belong to: a pattern, a light, a shadow.

        `strength` 1 covers what is there. `shade` models the shape as a rounded one in the light, 0 is flat; `line`
        draws its edge, darker, so wide (as a share of the side). `within` cuts it off. Returns where.
        """
        stencil = self._stencil(shape, within)
        if stencil.inside.size:
            self._mix(stencil, np.asarray(colour, np.float32), strength)
            if shade:
                self.shade(stencil, shade)
            if line:
                self.line(stencil, line)
        return stencil

    def shade(self, stencil: Stencil, strength: float) -> None:
        """Lighten the side towards the light and darken the other one, as on a rounded body."""
        height, width = stencil.inside.shape
        reach = max(min(height, width) // 5, 1)
        padded = np.pad(stencil.inside, reach).astype(np.float32)
        soft = cv2.blur(padded, (2 * reach + 1, 2 * reach + 1), borderType=cv2.BORDER_CONSTANT)
        x, y = round(reach * _LIGHT_X), round(reach * _LIGHT_Y)
        towards = soft[reach - y : reach - y + height, reach - x : reach - x + width]
        away = soft[reach + y : reach + y + height, reach + x : reach + x + width]
        light = 1 + np.float32(strength) * (away - towards) * stencil.inside
        self._cut(self._colours, stencil)[:] *= light[..., None]

    def line(self, stencil: Stencil, width: float, darkness: float = 0.55) -> None:
        """Darken the edge of a stencil, inside it."""
        reach = max(round(width * self.side), 1)
        inner = cv2.erode(np.pad(stencil.inside, reach).view(np.uint8), np.ones((2 * reach + 1,) * 2, np.uint8))
        edge = stencil.inside & ~inner[reach:-reach, reach:-reach].view(bool)
        self._cut(self._colours, stencil)[edge] *= np.float32(1 - darkness)

    def shadow(self, outline: Points, strength: float, blur: float) -> None:
        """Darken softly, over everything so far."""
        reach = max(round(blur * self.side), 1)
        points = np.asarray(outline, dtype=float)
        margin = 1.5 * blur
        (left, top), (right, bottom) = points.min(axis=0) - margin, points.max(axis=0) + margin
        area = self.stencil([(left, top), (right, top), (right, bottom), (left, bottom)])
        if area.inside.size:
            soft = cv2.blur((area & self.stencil(points)).inside.astype(np.float32), (2 * reach + 1,) * 2)
            self._cut(self._colours, area)[:] *= 1 - np.float32(strength) * soft[..., None]

    def image(self) -> np.ndarray:
        """size×size×3 uint8."""
        mean = cv2.resize(np.clip(self._colours, 0, 1), (self.size, self.size), interpolation=cv2.INTER_AREA)
        return np.round(mean * 255).astype(np.uint8)

    def mask(self, wanted: Callable[[int, str], bool]) -> np.ndarray:
        """size×size bool: pixels covered by more than half by regions that are `wanted` (object number, region)."""
        chosen = np.zeros(256, np.uint8)
        # The mean over a pixel of 9 for what is wanted and 0 for the rest counts its samples, without rounding.
        chosen[[number for key, number in self._regions.items() if wanted(*key)]] = SAMPLES**2
        counts = cv2.resize(cv2.LUT(self._ids, chosen), (self.size, self.size), interpolation=cv2.INTER_AREA)
        return counts > SAMPLES**2 // 2

    def regions(self, owner: int, names: Iterable[str]) -> dict[str, np.ndarray]:
        """Masks of an object's regions, of those among `names` that get any pixel."""
        masks = {name: self.mask(lambda number, region, name=name: (number, region) == (owner, name)) for name in names}
        return {name: mask for name, mask in masks.items() if mask.any()}

    def segments(self) -> list[tuple[str, np.ndarray]]:
        """Names and masks of the objects, of those that get any pixel."""
        masks = [self.mask(lambda owner, _, number=number: owner == number) for number in range(len(self.objects))]
        return [(name, mask) for name, mask in zip(self.objects, masks, strict=True) if mask.any()]

    def visible(self, owner: int, places: Iterable[Place]) -> dict[str, tuple[float, float]]:
        """Places in pixels, of those that are in the picture and show the object `owner` in one of their regions."""
        mask = self.mask(lambda number, _: number == owner)
        wanted = {number: region for (of, region), number in self._regions.items() if of == owner}
        found = {}
        for name, (x, y), regions in places:
            if 0 <= x < 1 and 0 <= y < 1 and mask[int(y * self.size), int(x * self.size)]:
                shown = wanted.get(int(self._ids[int(y * self.side), int(x * self.side)]))
                if shown in regions:
                    found[name] = (x * self.size, y * self.size)
        return found

    def _mix(self, stencil: Stencil, colour: np.ndarray, strength: float) -> None:
        if colour.ndim > 1:
            colour = self._cut(np.broadcast_to(colour, self._colours.shape), stencil)[stencil.inside]
        cut = self._cut(self._colours, stencil)
        if strength < 1:
            held = cut[stencil.inside]
            colour = held + (colour - held) * np.float32(strength)
        cut[stencil.inside] = colour

    def _stencil(self, shape: Stencil | Points, within: Stencil | None) -> Stencil:
        stencil = shape if isinstance(shape, Stencil) else self.stencil(shape)
        return stencil if within is None else stencil & within

    def _cut(self, values: np.ndarray, stencil: Stencil) -> np.ndarray:
        height, width = stencil.inside.shape
        return values[stencil.top : stencil.top + height, stencil.left : stencil.left + width]


def tight_box(mask: np.ndarray) -> tuple[float, float, float, float]:
    """Smallest box around a mask that is not empty: x, y, width, height in pixels."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (float(columns[0]), float(rows[0]), float(columns[-1] - columns[0] + 1), float(rows[-1] - rows[0] + 1))


def whole() -> np.ndarray:
    """Outline of the whole picture."""
    return np.array([(0, 0), (1, 0), (1, 1), (0, 1)])


def noise(rng: np.random.Generator, side: int, cells: int) -> np.ndarray:
    """Soft noise, side×side float32 around 0, mostly within ±1, whose spots are about 1/`cells` of the side wide."""
    coarse = rng.normal(0, 0.6, (cells, cells)).astype(np.float32)
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)


def mixed(colours: Iterable[Colour], weights: np.ndarray) -> np.ndarray:
    """Between two colours by weights 0..1: their shape with a last axis of 3, float32."""
    first, second = (np.asarray(colour, np.float32) for colour in colours)
    return first + (second - first) * np.asarray(weights, np.float32)[..., None]
