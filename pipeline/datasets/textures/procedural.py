"""Procedural RGB textures (reff.md section 9).

A class is a kind of pattern with a frequency, an angle and two colours; a tile of it has its own phases, and small
deviations of frequency, angle and colours. Tiles are the same whatever the seed of the dataset, as photographs would
be.
"""

import colorsys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

CLASSES = 44
LAW_SEED = 47


@dataclass(frozen=True)
class Lattice:
    """The pixels of a tile seen along a pattern; lengths are shares of the side of the images."""

    frequency: float
    """Cycles over the side of the images."""
    angle: float
    x: np.ndarray
    """1×T"""
    y: np.ndarray
    """T×1"""

    def along(self) -> np.ndarray:
        """Phase of the pattern at each pixel, T×T."""
        return self._phase(np.cos(self.angle), np.sin(self.angle))

    def across(self) -> np.ndarray:
        """Phase at a right angle to it, T×T."""
        return self._phase(-np.sin(self.angle), np.cos(self.angle))

    def _phase(self, x: float, y: float) -> np.ndarray:
        turns = 2 * np.pi * self.frequency
        return turns * x * self.x + turns * y * self.y


def names() -> list[str]:
    """The classes, in order of their numbers."""
    return [f"{list(KINDS)[number % len(KINDS)]}-{number:02d}" for number in range(CLASSES)]


def side(size: int) -> int:
    """Side of the tiles for images of `size` × `size` pixels: large enough to cut different images out of one."""
    return round(size * 44 / 32)


def draw(name: str, size: int) -> np.ndarray:
    """The tile "<class>/<number>", T×T×3 uint8, T = 44/32 of the `size` of the images."""
    texture, tile = name.split("/")
    kind, number = texture.split("-")
    law = np.random.default_rng([LAW_SEED, int(number)])
    frequency, angle = law.uniform(2, 8), law.uniform(0, np.pi)
    hue, apart = law.uniform(0, 1), law.uniform(0.25, 0.75)
    colours = np.array(
        [colorsys.hsv_to_rgb(h % 1, law.uniform(0.4, 1), law.uniform(0.35, 1)) for h in (hue, hue + apart)]
    )
    own = np.random.default_rng([LAW_SEED, int(number), int(tile)])
    frequency *= np.exp(own.normal(0, 0.08))
    angle += own.normal(0, 0.1)
    colours = (colours + own.normal(0, 0.05, (2, 3))).clip(0, 1)
    axis = (np.arange(side(size)) + 0.5) / size
    values = KINDS[kind](Lattice(frequency, angle, axis[None, :], axis[:, None]), own)
    shades = np.linspace(0, 1, 256)[:, None]
    palette = np.rint(255 * ((1 - shades) * colours[0] + shades * colours[1])).astype(np.uint8)
    return palette[np.rint(255 * values).astype(np.uint8)]


def _grating(at: Lattice, own: np.random.Generator) -> np.ndarray:
    return 0.5 + 0.5 * np.sin(at.along() + own.uniform(0, 2 * np.pi))


def _checker(at: Lattice, own: np.random.Generator) -> np.ndarray:
    first, second = own.uniform(0, 2 * np.pi, 2)
    return (0.5 + 2 * np.sin(at.along() + first) * np.sin(at.across() + second)).clip(0, 1)


def _dots(at: Lattice, own: np.random.Generator) -> np.ndarray:
    first, second = own.uniform(0, 2 * np.pi, 2)
    return (2 * (np.cos(at.along() + first) + np.cos(at.across() + second)) - 1.5).clip(0, 1)


def _noise(at: Lattice, own: np.random.Generator) -> np.ndarray:
    """White noise of which a band around the frequency is left, its deviation a quarter of it."""
    shape = at.y.size, at.x.size
    step = 2 * at.x[0, 0]
    cycles = np.hypot(np.fft.fftfreq(shape[0], step)[:, None], np.fft.rfftfreq(shape[1], step)[None, :])
    band = np.exp(-0.5 * ((cycles - at.frequency) / (0.25 * at.frequency)) ** 2)
    values = np.fft.irfft2(np.fft.rfft2(own.normal(size=shape)) * band, shape)
    return (0.5 + 0.35 * values / values.std()).clip(0, 1)


def _bands(at: Lattice, own: np.random.Generator) -> np.ndarray:
    """A grating that is bent by a slower wave across it."""
    first, second = own.uniform(0, 2 * np.pi, 2)
    return 0.5 + 0.5 * np.sin(at.along() + first + 1.5 * np.sin(at.across() / 2 + second))


def _rings(at: Lattice, own: np.random.Generator) -> np.ndarray:
    """Waves around a place in the tile."""
    middle_x, middle_y = own.uniform(0, at.x.max(), 2)
    distance = np.hypot(at.x - middle_x, at.y - middle_y)
    return 0.5 + 0.5 * np.sin(2 * np.pi * at.frequency * distance + own.uniform(0, 2 * np.pi))


#: Class c is of kind c mod 6. Each gives values 0..1, from the first colour to the second.
KINDS: dict[str, Callable[[Lattice, np.random.Generator], np.ndarray]] = {
    "grating": _grating, "checker": _checker, "dots": _dots, "noise": _noise, "bands": _bands, "rings": _rings,
}  # fmt: skip
