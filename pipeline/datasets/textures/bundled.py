"""Textures that need no download, stand-ins for Describable Textures: 44 procedural classes and three photographs.

The photographs, of brick, grass and gravel, ship with scikit-image; they are grey, 512×512, and free of rights (CC0).
They take the place of the last three of the 47 procedural classes of reff.md section 9, all of them backgrounds. Each
split has 24 tiles a class; an image is cut out of a tile of 44/32 its side. Tiles of a photograph are squares of half
its side, from its left half for training and from its right half for tests.
"""

from functools import partial

import numpy as np
import skimage.data
from PIL import Image

from pipeline.datasets.textures import procedural
from pipeline.datasets.textures.bank import DIGIT_CLASSES, Bank, Cache, deal

PHOTOGRAPHS = ("brick", "grass", "gravel")
TILES = 24


def bank(size: int) -> Bank:
    """The textures for images of `size` × `size` pixels; the first ten classes fill digits."""
    names = [*procedural.names(), *PHOTOGRAPHS]
    digits, backgrounds = deal(names, names[:DIGIT_CLASSES], "bundled")
    pictures = {
        split: {name: [f"{name}/{tile:02d}" for tile in range(first, first + TILES)] for name in names}
        for split, first in (("train", 0), ("test", TILES))
    }
    return Bank(
        digits=digits,
        backgrounds=backgrounds,
        pictures=pictures,
        read=Cache(partial(draw, size=size)),
        notices=["textures are stand-ins for the photographs of Describable Textures: 44 procedural, 3 photographs"],
    )


def draw(name: str, size: int) -> np.ndarray:
    """The tile "<class>/<number>", T×T×3 uint8, T = 44/32 of the `size` of the images."""
    texture, tile = name.split("/")
    return _cut(texture, int(tile), size) if texture in PHOTOGRAPHS else procedural.draw(name, size)


def _cut(photograph: str, tile: int, size: int) -> np.ndarray:
    """One of the squares of half a photograph's side that lie below each other in its left or in its right half."""
    whole = getattr(skimage.data, photograph)()
    half = whole.shape[0] // 2
    top = tile % TILES * half // (TILES - 1)
    left = tile // TILES * half
    square = Image.fromarray(whole[top : top + half, left : left + half])
    side = procedural.side(size)
    return np.array(square.resize((side, side), Image.Resampling.BILINEAR).convert("RGB"))
