"""What things in rooms have in common: colours, boxes, legs."""

from dataclasses import dataclass

import numpy as np

from pipeline.datasets.toyworld.brush import Brush
from pipeline.datasets.toyworld.canvas import Colour
from pipeline.datasets.toyworld.shapes import Points, box

WHITE = np.array((0.95, 0.95, 0.96))
DARK = np.array((0.20, 0.21, 0.24))
METAL = np.array((0.72, 0.74, 0.78))
LEAF = np.array((0.30, 0.55, 0.30))
#: What a room's wood and cloth are chosen from.
WOODS = np.array([(0.60, 0.42, 0.27), (0.74, 0.56, 0.37), (0.45, 0.30, 0.21), (0.82, 0.70, 0.52)])
CLOTHS = np.array([(0.30, 0.46, 0.66), (0.70, 0.34, 0.32), (0.38, 0.56, 0.46), (0.80, 0.62, 0.30), (0.52, 0.42, 0.62)])
#: Backs of books.
SPINES = np.concatenate([CLOTHS, CLOTHS * 1.25])
LINE = 0.004


@dataclass(frozen=True)
class InteriorBrush(Brush):
    """Paints one thing in a room in the room's wood and cloth."""

    wood: np.ndarray
    cloth: np.ndarray

    def fill(self, outline: Points, colour: Colour, *, shade: float = 0.15, line: float = LINE) -> None:
        """As any brush does, but things in rooms are rounded and have an edge."""
        super().fill(outline, colour, shade=shade, line=line)

    def block(self, left: float, top: float, right: float, bottom: float, colour: Colour, depth: float = 0.02) -> None:
        """A box seen from the front and, as high as `depth`, from above."""
        inset = depth * 0.6
        lid = [(left, top), (left + inset, top - depth), (right - inset, top - depth), (right, top)]
        self.fill(lid, np.asarray(colour) * 1.16, shade=0)
        self.fill(box(left, top, right, bottom), colour, shade=0.12)

    def legs(self, places: tuple[float, ...], top: float, colour: Colour, width: float = 0.016) -> None:
        """Legs from `top` to the floor at these places."""
        for x in places:
            self.fill(box(x - width / 2, top, x + width / 2, 0), np.asarray(colour) * 0.8, line=0)
