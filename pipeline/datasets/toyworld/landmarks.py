"""Things that stand in a landscape or float in its sky; each is an object of its own."""

from collections.abc import Callable

import numpy as np

from pipeline.datasets.toyworld.canvas import Canvas
from pipeline.datasets.toyworld.shapes import Pose, ellipse, ribbon, smooth

Draw = Callable[[Canvas, np.random.Generator, Pose], None]


def draw(canvas: Canvas, rng: np.random.Generator, name: str, x: float, y: float, scale: float) -> None:
    """The thing `name` with its foot (in the sky: its middle) at (x, y)."""
    segment, paint = THINGS[name]
    canvas.begin(segment)
    paint(canvas, rng, Pose(x, y, scale * float(rng.uniform(0.85, 1.15)), mirror=bool(rng.random() < 0.5)))


def tuft(canvas: Canvas, rng: np.random.Generator, x: float, y: float, colour: np.ndarray) -> None:
    """A tuft of grass with its foot at (x, y)."""
    for lean in np.linspace(-0.03, 0.03, 5):
        tip = (x + lean + float(rng.normal(0, 0.008)), y - float(rng.uniform(0.05, 0.08)))
        blade = ribbon([(x + lean / 3, y), (x + lean / 1.6, y - 0.03), tip], [0.014, 0.01, 0.001])
        canvas.fill(blade, colour * float(rng.uniform(0.85, 1.2)))


def _cloud(canvas, rng, pose):
    for x, y, radius in [(-0.07, 0.01, 0.04), (0, -0.015, 0.055), (0.07, 0.01, 0.04), (0, 0.02, 0.07)]:
        canvas.fill(pose(ellipse(x, y, radius * 1.2, radius * 0.62)), (0.97, 0.98, 1.0), shade=0.06)


def _tree(crown):
    def paint(canvas, rng, pose):
        canvas.fill(pose(ribbon([(0, 0.01), (0, -0.16)], [0.05, 0.03])), (0.40, 0.28, 0.20), shade=0.3)
        for x, y, radius in [(-0.06, -0.2, 0.075), (0.06, -0.2, 0.075), (0, -0.26, 0.09)]:
            canvas.fill(pose(ellipse(x, y, radius)), np.asarray(crown) * float(rng.uniform(0.92, 1.08)), shade=0.25)
    return paint


def _bush(canvas, rng, pose):
    for x, y, radius in [(-0.05, -0.035, 0.045), (0.05, -0.035, 0.045), (0, -0.05, 0.06)]:
        canvas.fill(pose(ellipse(x, y, radius)), (0.33, 0.50, 0.28), shade=0.25)


def _fir(canvas, rng, pose):
    canvas.fill(pose(ribbon([(0, 0.0), (0, -0.06)], 0.025)), (0.35, 0.25, 0.2))
    for y, half in [(-0.04, 0.08), (-0.11, 0.065), (-0.18, 0.045)]:
        canvas.fill(pose([(-half, y), (half, y), (0, y - 0.11)]), (0.20, 0.38, 0.32), shade=0.25)


def _stone(canvas, rng, pose):
    outline = smooth([(-0.06, 0), (-0.045, -0.045), (0.01, -0.06), (0.055, -0.03), (0.06, 0.005), (0, 0.015)])
    canvas.fill(pose(outline), (0.58, 0.57, 0.56), shade=0.35)


def _flower(canvas, rng, pose):
    petal = [(0.93, 0.55, 0.65), (0.98, 0.85, 0.35), (0.95, 0.95, 0.98), (0.62, 0.50, 0.86)][rng.integers(4)]
    canvas.fill(pose(ribbon([(0, 0.01), (0.004, -0.07)], 0.009)), (0.25, 0.48, 0.2))
    for turn in range(5):
        angle = turn * 2 * np.pi / 5
        canvas.fill(pose(ellipse(0.019 * np.cos(angle), -0.08 + 0.019 * np.sin(angle), 0.014)), petal)
    canvas.fill(pose(ellipse(0, -0.08, 0.01)), (0.95, 0.75, 0.2))


def _cactus(canvas, rng, pose):
    green = (0.34, 0.55, 0.36)
    canvas.fill(pose(ribbon([(-0.05, -0.12), (-0.05, -0.07), (0, -0.06)], 0.03)), green, shade=0.3)
    canvas.fill(pose(ribbon([(0.05, -0.15), (0.05, -0.09), (0, -0.08)], 0.03)), green, shade=0.3)
    canvas.fill(pose(smooth([(-0.022, 0), (-0.022, -0.17), (0, -0.195), (0.022, -0.17), (0.022, 0)])), green, shade=0.3)


def _reed(canvas, rng, pose):
    for x in (-0.03, 0.0, 0.03):
        top = -0.16 - float(rng.uniform(0, 0.05))
        canvas.fill(pose(ribbon([(x, 0.01), (x * 1.3, top)], 0.008)), (0.42, 0.56, 0.30))
        canvas.fill(pose(ellipse(x * 1.3, top, 0.01, 0.028)), (0.45, 0.30, 0.18))


def _mushroom(canvas, rng, pose):
    canvas.fill(pose(ribbon([(0, 0.01), (0, -0.045)], [0.026, 0.02])), (0.94, 0.90, 0.82), shade=0.2)
    canvas.fill(pose(smooth([(-0.045, -0.035), (-0.03, -0.07), (0, -0.082), (0.03, -0.07), (0.045, -0.035)])),
                (0.78, 0.25, 0.20), shade=0.25)


def _palm(canvas, rng, pose):
    canvas.fill(pose(ribbon([(0, 0.01), (0.015, -0.12), (0.05, -0.24)], [0.035, 0.025, 0.02])), (0.55, 0.42, 0.28),
                shade=0.3)
    for x, y in [(-0.09, 0.03), (-0.08, -0.03), (0, -0.06), (0.09, -0.03), (0.1, 0.03)]:
        canvas.fill(pose(ribbon([(0.05, -0.24), (0.05 + x * 0.6, -0.27 + y * 0.6), (0.05 + x, -0.23 + y)],
                                [0.01, 0.035, 0.003])), (0.28, 0.55, 0.30), shade=0.2)


def _shell(canvas, rng, pose):
    canvas.fill(pose(smooth([(0, 0), (-0.03, -0.02), (-0.015, -0.04), (0.015, -0.04), (0.03, -0.02)])),
                (0.95, 0.78, 0.70), shade=0.3)


def _mountain(canvas, rng, pose):
    canvas.fill(pose([(-0.3, 0.0), (0, -0.3), (0.3, 0.0)]), (0.52, 0.56, 0.62), shade=0.2)
    canvas.tint(pose([(-0.08, -0.22), (0, -0.3), (0.08, -0.22), (0.03, -0.2), (0, -0.22), (-0.04, -0.19)]),
                (0.96, 0.97, 0.99))


def _sun(canvas, rng, pose):
    for radius in (0.13, 0.1):
        canvas.tint(pose(ellipse(0, 0, radius)), (1.0, 0.92, 0.6), 0.25)
    canvas.fill(pose(ellipse(0, 0, 0.07)), (1.0, 0.90, 0.55))


def _moon(canvas, rng, pose):
    canvas.fill(pose(ellipse(0, 0, 0.065)), (0.96, 0.94, 0.82))


def _star(canvas, rng, pose):
    canvas.fill(pose(ellipse(0, 0, 0.01)), (1.0, 0.98, 0.85))


def _rock(canvas, rng, pose):
    canvas.fill(pose(smooth([(-0.5, 0.25), (-0.42, 0.02), (-0.1, -0.05), (0.3, -0.03), (0.5, 0.22), (0, 0.32)])),
                (0.52, 0.52, 0.52), shade=0.3)


def _branch(canvas, rng, pose):
    canvas.fill(pose(ribbon([(-3, 0.2), (-1, 0.02), (0.5, 0.04), (3, -0.1)], [0.16, 0.12, 0.1, 0.05])),
                (0.45, 0.33, 0.24), shade=0.3)


THINGS: dict[str, tuple[str, Draw]] = {
    "cloud": ("cloud", _cloud), "tree": ("tree", _tree((0.36, 0.56, 0.30))),
    "dark tree": ("tree", _tree((0.30, 0.24, 0.30))), "red tree": ("tree", _tree((0.82, 0.46, 0.22))), "bush": ("bush", _bush), "fir": ("tree", _fir),
    "stone": ("stone", _stone), "flower": ("flower", _flower), "cactus": ("cactus", _cactus), "reed": ("reed", _reed),
    "mushroom": ("mushroom", _mushroom), "palm": ("tree", _palm), "shell": ("shell", _shell),
    "mountain": ("mountain", _mountain), "sun": ("sun", _sun), "moon": ("moon", _moon), "star": ("star", _star),
    "rock": ("stone", _rock), "branch": ("branch", _branch),
}  # fmt: skip
