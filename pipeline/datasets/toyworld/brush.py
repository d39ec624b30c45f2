"""Paints one thing at its place in the picture."""

from dataclasses import dataclass

import numpy as np

from pipeline.datasets.toyworld.canvas import Canvas, Colour
from pipeline.datasets.toyworld.shapes import Points, Pose


@dataclass(frozen=True)
class Brush:
    """A canvas, and where the outlines that are given to it belong. Colours beyond 0..1 are cut off."""

    canvas: Canvas
    rng: np.random.Generator
    pose: Pose

    def fill(self, outline: Points, colour: Colour, *, shade: float = 0.0, line: float = 0.0) -> None:
        """Paint a shape of the thing; see `Canvas.fill`."""
        self.canvas.fill(self.pose(outline), np.clip(colour, 0, 1), shade=shade, line=line)

    def tint(self, outline: Points, colour: Colour, strength: float = 1.0) -> None:
        """A detail on what is painted already, or its light on what is around."""
        self.canvas.tint(self.pose(outline), np.clip(colour, 0, 1), strength)
