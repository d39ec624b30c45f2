"""Photographs and label images from files, and the frame that takes one to the size that is stored.

Read with Pillow, which notices a truncated file and keeps the indices of palette images, as annotations need them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

from pipeline.datasets.samples import BadSample

Fit = Literal["crop", "pad", "stretch"]


def read_photo(file: Path, *, upright: bool = False) -> np.ndarray:
    """H×W×3 uint8 RGB; grey becomes three equal channels. `upright` turns it as the camera noted.

    Raises `BadSample` naming a file that is missing, truncated, no image, or has more than 8 bits a channel.
    """
    with _opened(file) as image:
        if image.mode[0] in "IF":
            raise BadSample(f"{file}: has more than 8 bits a channel (mode {image.mode}); save it with 8")
        if upright:
            image = ImageOps.exif_transpose(image)
        return np.array(image.convert("RGB"))


def read_labels(file: Path, shape: tuple[int, int] | None = None) -> np.ndarray:
    """Values of an annotation image as they are: H×W for grey and palette images, H×W×C for colour ones.

    With `shape` (height, width) of the photograph that it belongs to, another size raises `BadSample`; so does a file
    that is missing, truncated or no image.
    """
    with _opened(file) as image:
        values = np.array(image)
    if shape is not None and values.shape[:2] != shape:
        raise BadSample(f"{file}: is {_size(values.shape)}, its photograph is {_size(shape)}; replace one of the two")
    return values


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}×{shape[0]} pixels"


def _opened(file: Path) -> Image.Image:
    if not file.is_file():
        raise BadSample(f"{file}: no such file; put it there")
    try:
        image = Image.open(file)
        image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise BadSample(f"{file}: not a whole image ({error}); replace it") from None
    return image


@dataclass(frozen=True)
class Frame:
    """A rectangle in a photograph that becomes a stored image of `size` × `size` pixels.

    The rectangle, in pixels of the photograph, may stick out of it; what lies outside becomes zero. The same frame
    takes an image, its masks, boxes and points along.
    """

    left: float
    top: float
    right: float
    bottom: float
    size: int

    @classmethod
    def of(cls, shape: tuple[int, ...], fit: Fit, size: int) -> "Frame":
        """Frame of a photograph of `shape` (height, width, …): `crop` takes the square in its middle, `pad` the whole
        with zeros around it, `stretch` the whole, changing its aspect."""
        height, width = shape[:2]
        if fit == "stretch":
            return cls(0, 0, width, height, size)
        side = min(height, width) if fit == "crop" else max(height, width)
        left, top = (width - side) // 2, (height - side) // 2
        return cls(left, top, left + side, top + side, size)

    def image(self, image: np.ndarray, resample: Image.Resampling = Image.Resampling.BILINEAR) -> np.ndarray:
        """The frame's part of an H×W or H×W×C uint8 image; shrinking averages (antialiasing)."""
        return self._resized(image, resample)

    def mask(self, mask: np.ndarray) -> np.ndarray:
        """The frame's part of an H×W mask or label image by nearest neighbour; keeps bool as bool."""
        return self._resized(mask.astype(np.uint8), Image.Resampling.NEAREST).astype(mask.dtype)

    def point(self, x: float, y: float) -> tuple[float, float] | None:
        """A place in the photograph as a place in the stored image; None if it lies outside the frame."""
        x = (x - self.left) * self.size / (self.right - self.left)
        y = (y - self.top) * self.size / (self.bottom - self.top)
        return (x, y) if 0 <= x < self.size and 0 <= y < self.size else None

    def box(self, x: float, y: float, width: float, height: float) -> tuple[float, float, float, float]:
        """A box (x, y, width, height) in the photograph as one in the stored image, cut off at its border."""
        scale_x = self.size / (self.right - self.left)
        scale_y = self.size / (self.bottom - self.top)
        left, right = (float(np.clip((v - self.left) * scale_x, 0, self.size)) for v in (x, x + width))
        top, bottom = (float(np.clip((v - self.top) * scale_y, 0, self.size)) for v in (y, y + height))
        return left, top, right - left, bottom - top

    def _resized(self, values: np.ndarray, resample: Image.Resampling) -> np.ndarray:
        left, top, right, bottom = (round(v) for v in (self.left, self.top, self.right, self.bottom))
        height, width = values.shape[:2]
        around = (max(-top, 0), max(bottom - height, 0)), (max(-left, 0), max(right - width, 0))
        if any(map(any, around)):
            values = np.pad(values, (*around, *[(0, 0)] * (values.ndim - 2)))
            (above, _), (before, _) = around
            top, bottom, left, right = top + above, bottom + above, left + before, right + before
        cut = Image.fromarray(values[top:bottom, left:right])
        return np.array(cut if cut.size == (self.size, self.size) else cut.resize((self.size, self.size), resample))
