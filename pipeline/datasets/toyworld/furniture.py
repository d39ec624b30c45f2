"""What stands in rooms, each thing painted around the middle of its foot, as large as at the front of the room."""

from collections.abc import Callable

from pipeline.datasets.toyworld.interior import DARK, LEAF, METAL, SPINES, WHITE, InteriorBrush
from pipeline.datasets.toyworld.shapes import Pose, box, ellipse, ribbon, rounded, smooth


def _bed(b: InteriorBrush) -> None:
    b.fill(rounded(-0.235, -0.25, 0.235, -0.02, 0.03), b.wood)
    b.fill([(-0.21, -0.13), (0.21, -0.13), (0.25, -0.05), (-0.25, -0.05)], WHITE, shade=0)
    for x in (-0.1, 0.1):
        b.fill(rounded(x - 0.08, -0.155, x + 0.08, -0.095, 0.025), WHITE * 0.98, shade=0.25)
    b.fill([(-0.225, -0.095), (0.225, -0.095), (0.26, -0.03), (-0.26, -0.03)], b.cloth * 1.15, shade=0)
    b.fill(rounded(-0.26, -0.035, 0.26, 0.04, 0.012), b.cloth, shade=0.2)
    b.tint(box(-0.255, -0.012, 0.255, -0.002), b.cloth * 1.3)


def _bathtub(b: InteriorBrush) -> None:
    for x in (-0.15, 0.15):
        b.fill(ellipse(x, -0.008, 0.018, 0.014), METAL)
    b.fill(smooth([(-0.23, -0.135), (-0.205, -0.05), (-0.15, -0.012), (0.15, -0.012), (0.205, -0.05), (0.23, -0.135)]),
           WHITE, shade=0.35)  # fmt: skip
    b.fill(rounded(-0.245, -0.155, 0.245, -0.12, 0.017), WHITE * 0.98, shade=0.2)
    b.tint(rounded(-0.215, -0.147, 0.215, -0.132, 0.007), (0.55, 0.78, 0.88))
    b.fill(ribbon([(0.17, -0.15), (0.17, -0.2), (0.135, -0.2)], 0.015), METAL)


def _toilet(b: InteriorBrush) -> None:
    b.fill(rounded(-0.075, -0.21, 0.075, -0.09, 0.015), WHITE, shade=0.25)
    b.fill(smooth([(-0.075, -0.085), (-0.05, -0.03), (-0.045, 0.0), (0.045, 0.0), (0.05, -0.03), (0.075, -0.085)]),
           WHITE * 0.95, shade=0.3)  # fmt: skip
    b.fill(ellipse(0, -0.09, 0.088, 0.032), WHITE, shade=0.1)
    b.tint(ellipse(0, -0.09, 0.058, 0.018), (0.62, 0.72, 0.78))
    b.tint(box(-0.055, -0.195, -0.025, -0.187), METAL * 0.8)


def _sink(b: InteriorBrush) -> None:
    b.block(-0.11, -0.15, 0.11, 0, b.wood * 1.05, depth=0.005)
    b.tint(box(-0.002, -0.14, 0.002, -0.005), b.wood * 0.6)
    b.fill(rounded(-0.125, -0.172, 0.125, -0.142, 0.012), WHITE, shade=0.15)
    b.tint(ellipse(0, -0.16, 0.07, 0.01), (0.66, 0.76, 0.80))
    b.fill(ribbon([(0.0, -0.165), (0.0, -0.215), (0.035, -0.215), (0.035, -0.2)], 0.014), METAL)


def _wardrobe(b: InteriorBrush) -> None:
    b.block(-0.13, -0.36, 0.13, 0, b.wood)
    for x in (-0.12, 0.005):
        b.tint(box(x, -0.345, x + 0.115, -0.02), b.wood * 0.85)
        b.tint(box(x + 0.012, -0.33, x + 0.103, -0.035), b.wood * 1.06)
    for x in (-0.02, 0.02):
        b.tint(ellipse(x, -0.18, 0.007), METAL)


def _lamp(b: InteriorBrush) -> None:
    b.canvas.tint(b.pose(ellipse(0, -0.31, 0.13)), (1.0, 0.93, 0.70), 0.22)
    b.fill(ellipse(0, -0.008, 0.05, 0.014), DARK * 1.5)
    b.fill(box(-0.006, -0.3, 0.006, -0.01), DARK * 1.5, line=0)
    b.fill([(-0.04, -0.37), (0.04, -0.37), (0.07, -0.26), (-0.07, -0.26)], (0.99, 0.88, 0.60), shade=0.12)


def _rug(b: InteriorBrush) -> None:
    for scale, colour in ((1.0, b.cloth), (0.84, b.cloth * 1.4), (0.74, b.cloth), (0.35, b.cloth * 1.5)):
        outline = ellipse(0, 0, 0.33 * scale, 0.07 * scale)
        if scale == 1.0:
            b.fill(outline, colour, shade=0)
        else:
            b.tint(outline, colour)


def _desk(b: InteriorBrush) -> None:
    b.legs((-0.2,), -0.15, b.wood, 0.03)
    b.block(0.07, -0.15, 0.21, 0, b.wood * 0.92, depth=0)
    for y in (-0.135, -0.09, -0.045):
        b.tint(box(0.083, y, 0.197, y + 0.035), b.wood * 1.08)
        b.tint(box(0.125, y + 0.012, 0.155, y + 0.02), DARK)
    b.block(-0.235, -0.165, 0.235, -0.145, b.wood, depth=0.03)


def _television(b: InteriorBrush) -> None:
    b.block(-0.16, -0.07, 0.16, 0, b.wood * 0.9)
    b.fill(box(-0.03, -0.1, 0.03, -0.08), DARK, line=0)
    b.fill(rounded(-0.15, -0.26, 0.15, -0.09, 0.01), DARK)
    b.tint(box(-0.137, -0.247, 0.137, -0.104), (0.13, 0.16, 0.24))
    b.tint([(-0.137, -0.247), (-0.02, -0.247), (-0.1, -0.104), (-0.137, -0.104)], (0.30, 0.36, 0.48))


def _seat(b: InteriorBrush, half: float, cushions: int) -> None:
    for x in (-half + 0.02, half - 0.02):
        b.fill(box(x - 0.01, -0.02, x + 0.01, 0.0), b.wood * 0.6, line=0)
    b.fill(rounded(-half + 0.02, -0.21, half - 0.02, -0.03, 0.035), b.cloth, shade=0.2)
    width = 2 * (half - 0.04) / cushions
    for number in range(cushions):
        left = -half + 0.04 + number * width
        b.fill(rounded(left, -0.185, left + width, -0.095, 0.02), b.cloth * 1.12, shade=0.25)
        b.fill(rounded(left, -0.105, left + width, -0.06, 0.015), b.cloth * 1.2, shade=0.15)
    b.fill(box(-half + 0.03, -0.065, half - 0.03, -0.015), b.cloth * 0.9)
    for x in (-half, half - 0.055):
        b.fill(rounded(x, -0.14, x + 0.055, -0.012, 0.025), b.cloth * 1.05, shade=0.25)


def _table(b: InteriorBrush, half: float = 0.25, high: float = 0.14) -> None:
    b.legs((-half + 0.03, half - 0.03), -high, b.wood, 0.02)
    b.legs((-half + 0.08, half - 0.08), -high, b.wood * 0.8, 0.015)
    b.block(-half, -high - 0.01, half, -high + 0.012, b.wood, depth=0.055)


def _coffee_table(b: InteriorBrush) -> None:
    _table(b, 0.16, 0.065)
    b.tint([(-0.06, -0.1), (0.0, -0.105), (0.015, -0.085), (-0.05, -0.082)], b.cloth * 1.2)


def _chair(b: InteriorBrush) -> None:
    b.legs((-0.055, 0.055), -0.1, b.wood)
    b.fill(rounded(-0.062, -0.245, 0.062, -0.1, 0.015), b.wood)
    b.tint(rounded(-0.046, -0.228, 0.046, -0.125, 0.01), b.cloth * 1.05)
    b.fill([(-0.055, -0.125), (0.055, -0.125), (0.075, -0.09), (-0.075, -0.09)], b.cloth * 1.2, shade=0)
    b.fill(box(-0.075, -0.092, 0.075, -0.078), b.wood * 0.9)


def _swivel_chair(b: InteriorBrush) -> None:
    b.fill(box(-0.008, -0.1, 0.008, -0.015), METAL * 0.8, line=0)
    for x in (-0.06, 0.06, 0.0):
        b.fill(ribbon([(0, -0.03), (x, -0.004)], 0.014), DARK * 1.3, line=0)
        b.fill(ellipse(x, -0.004, 0.011), DARK, line=0)
    b.fill(rounded(-0.06, -0.26, 0.06, -0.12, 0.035), DARK * 1.7, shade=0.3)
    b.fill(rounded(-0.075, -0.13, 0.075, -0.09, 0.018), DARK * 2.0, shade=0.25)


def _shelf(b: InteriorBrush) -> None:
    b.block(-0.11, -0.36, 0.11, 0, b.wood, depth=0.015)
    for row in range(4):
        floor = -0.275 + row * 0.088
        b.tint(box(-0.1, floor - 0.073, 0.1, floor), b.wood * 0.5)
        x = -0.097
        while x < 0.07:
            wide, high = float(b.rng.uniform(0.012, 0.024)), float(b.rng.uniform(0.045, 0.066))
            b.tint(box(x, floor - high, x + wide, floor), SPINES[b.rng.integers(len(SPINES))])
            x += wide + 0.002


def _plant(b: InteriorBrush) -> None:
    for turn, length in ((-58, 0.13), (-30, 0.17), (-5, 0.19), (22, 0.17), (52, 0.13)):
        leaf = smooth([(0, 0), (-0.028, -length * 0.55), (0, -length), (0.028, -length * 0.55)])
        b.fill(Pose(0, -0.075, turn=turn)(leaf), LEAF * (1.15 - abs(turn) / 150), shade=0.25)
    b.fill([(-0.052, -0.09), (0.052, -0.09), (0.036, 0.0), (-0.036, 0.0)], (0.76, 0.42, 0.28), shade=0.25)


def _cabinet(b: InteriorBrush) -> None:
    b.block(-0.16, -0.17, 0.16, 0, b.wood * 1.08, depth=0.012)
    for x in (-0.152, -0.048, 0.056):
        b.tint(box(x, -0.16, x + 0.096, -0.012), b.wood * 0.86)
        b.tint(box(x + 0.011, -0.148, x + 0.085, -0.024), b.wood * 1.12)
        b.tint(box(x + 0.066, -0.1, x + 0.074, -0.07), METAL * 0.9)


def _stove(b: InteriorBrush) -> None:
    b.block(-0.1, -0.19, 0.1, 0, WHITE * 0.93, depth=0.03)
    for x in (-0.045, 0.045):
        b.tint(ellipse(x, -0.205, 0.03, 0.008), DARK)
    b.tint(box(-0.1, -0.19, 0.1, -0.155), METAL)
    for x in (-0.07, -0.025, 0.025, 0.07):
        b.tint(ellipse(x, -0.172, 0.011), DARK)
    b.tint(rounded(-0.075, -0.12, 0.075, -0.03, 0.012), DARK)
    b.tint(rounded(-0.062, -0.107, 0.062, -0.043, 0.008), (0.62, 0.36, 0.20))
    b.tint(box(-0.07, -0.141, 0.07, -0.132), METAL * 0.75)


def _refrigerator(b: InteriorBrush) -> None:
    b.block(-0.1, -0.38, 0.1, 0, (0.82, 0.86, 0.89), depth=0.015)
    b.tint(box(-0.1, -0.255, 0.1, -0.247), METAL * 0.65)
    for top, bottom in ((-0.33, -0.275), (-0.225, -0.12)):
        b.tint(rounded(-0.083, top, -0.068, bottom, 0.006), METAL * 0.6)


def _door(b: InteriorBrush) -> None:
    b.fill(box(-0.1, -0.39, 0.1, 0), WHITE * 0.9, shade=0)
    b.tint(box(-0.085, -0.375, 0.085, 0), b.wood * 1.05)
    for top, bottom in ((-0.35, -0.21), (-0.18, -0.03)):
        b.tint(box(-0.06, top, 0.06, bottom), b.wood * 0.85)
        b.tint(box(-0.052, top + 0.01, 0.052, bottom), b.wood * 0.97)
    b.tint(ellipse(0.07, -0.19, 0.01), METAL)


#: Name in ADE20K -> how to paint it.
FURNITURE: dict[str, Callable[[InteriorBrush], None]] = {
    "armchair": lambda b: _seat(b, 0.12, 1),
    "bathtub": _bathtub,
    "bed": _bed,
    "cabinet": _cabinet,
    "chair": _chair,
    "coffee table": _coffee_table,
    "desk": _desk,
    "door": _door,
    "lamp": _lamp,
    "plant": _plant,
    "refrigerator": _refrigerator,
    "rug": _rug,
    "shelf": _shelf,
    "sink": _sink,
    "sofa": lambda b: _seat(b, 0.23, 3),
    "stove": _stove,
    "swivel chair": _swivel_chair,
    "table": _table,
    "television": _television,
    "toilet": _toilet,
    "wardrobe": _wardrobe,
}
