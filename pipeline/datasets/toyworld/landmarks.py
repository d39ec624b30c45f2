"""Things that stand in a landscape or float in its sky; each is an object of its own."""

from collections.abc import Callable

import numpy as np

from pipeline.datasets.toyworld.brush import Brush
from pipeline.datasets.toyworld.canvas import Canvas, Colour
from pipeline.datasets.toyworld.shapes import Pose, ellipse, ribbon, smooth


def draw(canvas: Canvas, rng: np.random.Generator, name: str, x: float, y: float, scale: float) -> None:
    """The thing `name` with its foot (in the sky: its middle) at (x, y)."""
    segment, paint = THINGS[name]
    canvas.begin(segment)
    paint(Brush(canvas, rng, Pose(x, y, scale * float(rng.uniform(0.85, 1.15)), mirror=bool(rng.random() < 0.5))))


def tuft(canvas: Canvas, rng: np.random.Generator, x: float, y: float, colour: Colour) -> None:
    """A tuft of grass with its foot at (x, y)."""
    canvas.begin("tuft")
    brush = Brush(canvas, rng, Pose(x, y))
    for lean in np.linspace(-0.03, 0.03, 5):
        tip = (lean + float(rng.normal(0, 0.008)), -float(rng.uniform(0.05, 0.08)))
        blade = ribbon([(lean / 3, 0), (lean / 1.6, -0.03), tip], [0.014, 0.01, 0.001])
        brush.fill(blade, np.asarray(colour) * float(rng.uniform(0.85, 1.2)))


def _cloud(b: Brush) -> None:
    for x, y, radius in ((-0.07, 0.01, 0.04), (0, -0.015, 0.055), (0.07, 0.01, 0.04), (0, 0.02, 0.07)):
        b.fill(ellipse(x, y, radius * 1.2, radius * 0.62), (0.97, 0.98, 1.0), shade=0.06)


def _tree(crown: Colour) -> Callable[[Brush], None]:
    def paint(b: Brush) -> None:
        b.fill(ribbon([(0, 0.01), (0, -0.16)], [0.05, 0.03]), (0.40, 0.28, 0.20), shade=0.3)
        for x, y, radius in ((-0.06, -0.2, 0.075), (0.06, -0.2, 0.075), (0, -0.26, 0.09)):
            b.fill(ellipse(x, y, radius), np.asarray(crown) * float(b.rng.uniform(0.92, 1.08)), shade=0.25)

    return paint


def _bush(b: Brush) -> None:
    for x, y, radius in ((-0.05, -0.035, 0.045), (0.05, -0.035, 0.045), (0, -0.05, 0.06)):
        b.fill(ellipse(x, y, radius), (0.33, 0.50, 0.28), shade=0.25)


def _fir(b: Brush) -> None:
    b.fill(ribbon([(0, 0.0), (0, -0.06)], 0.025), (0.35, 0.25, 0.2))
    for y, half in ((-0.04, 0.08), (-0.11, 0.065), (-0.18, 0.045)):
        b.fill([(-half, y), (half, y), (0, y - 0.11)], (0.20, 0.38, 0.32), shade=0.25)


def _stone(b: Brush) -> None:
    outline = smooth([(-0.06, 0), (-0.045, -0.045), (0.01, -0.06), (0.055, -0.03), (0.06, 0.005), (0, 0.015)])
    b.fill(outline, (0.58, 0.57, 0.56), shade=0.35)


def _flower(b: Brush) -> None:
    petal = ((0.93, 0.55, 0.65), (0.98, 0.85, 0.35), (0.95, 0.95, 0.98), (0.62, 0.50, 0.86))[b.rng.integers(4)]
    b.fill(ribbon([(0, 0.01), (0.004, -0.07)], 0.009), (0.25, 0.48, 0.2))
    for angle in np.arange(5) * 2 * np.pi / 5:
        b.fill(ellipse(0.019 * np.cos(angle), -0.08 + 0.019 * np.sin(angle), 0.014), petal)
    b.fill(ellipse(0, -0.08, 0.01), (0.95, 0.75, 0.2))


def _cactus(b: Brush) -> None:
    green = (0.34, 0.55, 0.36)
    b.fill(ribbon([(-0.05, -0.12), (-0.05, -0.07), (0, -0.06)], 0.03), green, shade=0.3)
    b.fill(ribbon([(0.05, -0.15), (0.05, -0.09), (0, -0.08)], 0.03), green, shade=0.3)
    b.fill(smooth([(-0.022, 0), (-0.022, -0.17), (0, -0.195), (0.022, -0.17), (0.022, 0)]), green, shade=0.3)


def _reed(b: Brush) -> None:
    for x in (-0.03, 0.0, 0.03):
        top = -0.16 - float(b.rng.uniform(0, 0.05))
        b.fill(ribbon([(x, 0.01), (x * 1.3, top)], 0.008), (0.42, 0.56, 0.30))
        b.fill(ellipse(x * 1.3, top, 0.01, 0.028), (0.45, 0.30, 0.18))


def _mushroom(b: Brush) -> None:
    b.fill(ribbon([(0, 0.01), (0, -0.045)], [0.026, 0.02]), (0.94, 0.90, 0.82), shade=0.2)
    cap = smooth([(-0.045, -0.035), (-0.03, -0.07), (0, -0.082), (0.03, -0.07), (0.045, -0.035)])
    b.fill(cap, (0.78, 0.25, 0.20), shade=0.25)


def _palm(b: Brush) -> None:
    b.fill(ribbon([(0, 0.01), (0.015, -0.12), (0.05, -0.24)], [0.035, 0.025, 0.02]), (0.55, 0.42, 0.28), shade=0.3)
    for x, y in ((-0.09, 0.03), (-0.08, -0.03), (0, -0.06), (0.09, -0.03), (0.1, 0.03)):
        leaf = [(0.05, -0.24), (0.05 + x * 0.6, -0.27 + y * 0.6), (0.05 + x, -0.23 + y)]
        b.fill(ribbon(leaf, [0.01, 0.035, 0.003]), (0.28, 0.55, 0.30), shade=0.2)


def _shell(b: Brush) -> None:
    outline = smooth([(0, 0), (-0.03, -0.02), (-0.015, -0.04), (0.015, -0.04), (0.03, -0.02)])
    b.fill(outline, (0.95, 0.78, 0.70), shade=0.3)


def _mountain(b: Brush) -> None:
    b.fill([(-0.3, 0.0), (0, -0.3), (0.3, 0.0)], (0.52, 0.56, 0.62), shade=0.2)
    snow = [(-0.08, -0.22), (0, -0.3), (0.08, -0.22), (0.03, -0.2), (0, -0.22), (-0.04, -0.19)]
    b.tint(snow, (0.96, 0.97, 0.99))


def _sun(b: Brush) -> None:
    for radius in (0.13, 0.1):
        b.tint(ellipse(0, 0, radius), (1.0, 0.92, 0.6), 0.25)
    b.fill(ellipse(0, 0, 0.07), (1.0, 0.90, 0.55))


def _moon(b: Brush) -> None:
    b.fill(ellipse(0, 0, 0.065), (0.96, 0.94, 0.82))
    b.tint(ellipse(0.02, -0.015, 0.014), (0.86, 0.84, 0.74))
    b.tint(ellipse(-0.022, 0.02, 0.01), (0.86, 0.84, 0.74))


def _star(b: Brush) -> None:
    b.fill(ellipse(0, 0, 0.01), (1.0, 0.98, 0.85))


def _rock(b: Brush) -> None:
    outline = smooth([(-0.5, 0.25), (-0.42, 0.02), (-0.1, -0.05), (0.3, -0.03), (0.5, 0.22), (0, 0.32)])
    b.fill(outline, (0.52, 0.52, 0.52), shade=0.3)


def _branch(b: Brush) -> None:
    outline = ribbon([(-3, 0.2), (-1, 0.02), (0.5, 0.04), (3, -0.1)], [0.16, 0.12, 0.1, 0.05])
    b.fill(outline, (0.45, 0.33, 0.24), shade=0.3)


#: Name -> name of its segment, and how to paint it.
THINGS: dict[str, tuple[str, Callable[[Brush], None]]] = {
    "branch": ("branch", _branch),
    "bush": ("bush", _bush),
    "cactus": ("cactus", _cactus),
    "cloud": ("cloud", _cloud),
    "dark tree": ("tree", _tree((0.30, 0.24, 0.30))),
    "fir": ("tree", _fir),
    "flower": ("flower", _flower),
    "moon": ("moon", _moon),
    "mountain": ("mountain", _mountain),
    "mushroom": ("mushroom", _mushroom),
    "palm": ("tree", _palm),
    "red tree": ("tree", _tree((0.82, 0.46, 0.22))),
    "reed": ("reed", _reed),
    "rock": ("stone", _rock),
    "shell": ("shell", _shell),
    "star": ("star", _star),
    "stone": ("stone", _stone),
    "sun": ("sun", _sun),
    "tree": ("tree", _tree((0.36, 0.56, 0.30))),
}
