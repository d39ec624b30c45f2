"""What hangs in rooms, painted around its middle, and what stands on furniture, painted around its foot."""

from collections.abc import Callable

import numpy as np

from pipeline.datasets.toyworld.interior import DARK, LEAF, METAL, WHITE, InteriorBrush
from pipeline.datasets.toyworld.shapes import box, ellipse, ribbon, rounded, smooth


def _mirror(b: InteriorBrush) -> None:
    b.fill(rounded(-0.085, -0.11, 0.085, 0.11, 0.03), b.wood * 0.9)
    b.tint(rounded(-0.07, -0.095, 0.07, 0.095, 0.022), (0.76, 0.87, 0.92))
    for x in (-0.035, 0.005):
        b.tint(ribbon([(x - 0.02, 0.05), (x + 0.05, -0.06)], 0.014), WHITE, 0.7)


def _computer(b: InteriorBrush) -> None:
    b.fill(rounded(-0.035, -0.014, 0.035, 0.0, 0.005), DARK * 1.4)
    b.fill(box(-0.01, -0.04, 0.01, -0.008), DARK * 1.4, line=0)
    b.fill(rounded(-0.095, -0.15, 0.095, -0.03, 0.01), DARK)
    b.tint(box(-0.083, -0.14, 0.083, -0.042), (0.38, 0.68, 0.90))
    for row, length in enumerate((0.1, 0.07, 0.12)):
        b.tint(box(-0.07, -0.125 + row * 0.026, -0.07 + length, -0.113 + row * 0.026), WHITE)


def _screen(b: InteriorBrush) -> None:
    b.fill(box(-0.21, -0.15, 0.21, -0.132), METAL * 0.8)
    b.fill(box(-0.2, -0.135, 0.2, 0.12), WHITE, shade=0.04)
    for x, high in ((-0.13, 0.06), (-0.07, 0.11), (-0.01, 0.08), (0.05, 0.15)):
        b.tint(box(x, 0.09 - high, x + 0.04, 0.09), b.cloth * 1.1)
    b.tint(box(-0.15, 0.09, 0.12, 0.096), DARK)
    b.tint(box(-0.15, -0.11, 0.08, -0.09), DARK * 1.5)


def _clock(b: InteriorBrush) -> None:
    b.fill(ellipse(0, 0, 0.052), b.wood * 0.8)
    b.tint(ellipse(0, 0, 0.042), WHITE)
    for angle, length in ((float(b.rng.uniform(0, 6.28)), 0.033), (float(b.rng.uniform(0, 6.28)), 0.023)):
        b.tint(ribbon([(0, 0), (length * np.cos(angle), length * np.sin(angle))], 0.008), DARK)


def _chandelier(b: InteriorBrush) -> None:
    b.canvas.tint(b.pose(ellipse(0, 0.03, 0.2, 0.13)), (1.0, 0.93, 0.70), 0.18)
    b.fill(box(-0.005, -0.16, 0.005, 0.04), METAL * 0.6, line=0)
    b.fill(ribbon(smooth([(-0.12, 0.0), (-0.08, 0.05), (0, 0.06), (0.08, 0.05), (0.12, 0.0)], closed=False), 0.013),
           np.array((0.72, 0.58, 0.30)))  # fmt: skip
    for x, y in ((-0.12, -0.01), (-0.055, 0.035), (0.055, 0.035), (0.12, -0.01)):
        b.fill([(x - 0.014, y - 0.03), (x + 0.014, y - 0.03), (x + 0.024, y + 0.008), (x - 0.024, y + 0.008)],
               np.array((1.0, 0.90, 0.62)), shade=0)  # fmt: skip


def _vase(b: InteriorBrush) -> None:
    for x, y, petal in ((-0.035, -0.115, 0), (0.0, -0.14, 1), (0.038, -0.11, 2)):
        b.fill(ribbon([(0, -0.05), (x, y)], 0.007), LEAF, line=0)
        b.fill(ellipse(x, y, 0.02), np.array([(0.92, 0.45, 0.52), (0.97, 0.80, 0.32), (0.75, 0.55, 0.85)][petal]))
    b.fill(smooth([(-0.015, -0.07), (-0.035, -0.03), (-0.02, 0.0), (0.02, 0.0), (0.035, -0.03), (0.015, -0.07)]),
           b.cloth * 1.25, shade=0.3)  # fmt: skip


def _window(b: InteriorBrush) -> None:
    b.fill(box(-0.115, -0.14, 0.115, 0.14), WHITE, shade=0)
    b.tint(box(-0.1, -0.125, 0.1, 0.125), (0.66, 0.84, 0.96))
    hills = smooth([(-0.1, 0.05), (-0.03, 0.02), (0.04, 0.06), (0.1, 0.03)], closed=False)
    b.tint([*hills, (0.1, 0.125), (-0.1, 0.125)], (0.55, 0.74, 0.45))
    b.tint(box(-0.006, -0.125, 0.006, 0.125), WHITE)
    b.tint(box(-0.1, -0.02, 0.1, -0.008), WHITE)


def _curtain(b: InteriorBrush) -> None:
    b.fill(box(-0.19, -0.185, 0.19, -0.172), b.wood * 0.7, line=0)
    for side in (-1, 1):
        drape = np.array([(0.09, -0.175), (0.18, -0.175), (0.185, 0.2), (0.115, 0.2), (0.1, 0.0)]) * (side, 1)
        b.fill(drape, b.cloth * 1.1, shade=0.2)
        for x in (0.12, 0.15):
            b.tint(ribbon([(side * x, -0.17), (side * (x + 0.01), 0.195)], 0.008), b.cloth * 0.8)


def _painting(b: InteriorBrush) -> None:
    b.fill(box(-0.09, -0.07, 0.09, 0.07), b.wood * 0.75)
    b.tint(box(-0.075, -0.055, 0.075, 0.055), b.cloth * 0.5 + 0.48)
    b.tint(ellipse(0.03, -0.02, 0.018), (0.98, 0.80, 0.42))
    hills = [(-0.075, 0.055), (-0.075, 0.02), (-0.03, -0.025), (0.04, 0.005), (0.075, 0.03), (0.075, 0.055)]
    b.tint(hills, b.cloth * 0.8)


#: Name in ADE20K -> how to paint it.
FITTINGS: dict[str, Callable[[InteriorBrush], None]] = {
    "chandelier": _chandelier,
    "clock": _clock,
    "computer": _computer,
    "curtain": _curtain,
    "mirror": _mirror,
    "painting": _painting,
    "screen": _screen,
    "vase": _vase,
    "window": _window,
}
