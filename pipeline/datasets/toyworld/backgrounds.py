"""Landscapes for creatures: a sky, hills, a ground with its texture, things that stand about, and a place to stand."""

from dataclasses import dataclass

import numpy as np

from pipeline.datasets.toyworld import landmarks
from pipeline.datasets.toyworld.canvas import Canvas, Colour, mixed, noise, whole
from pipeline.datasets.toyworld.shapes import Points, box, ellipse, ribbon, smooth


@dataclass(frozen=True, kw_only=True)
class Landscape:
    """Colours and contents of one kind of background."""

    above: Colour
    """The sky at the top."""
    below: Colour
    """The sky at the horizon."""
    ground: str
    """Name of the ground's segment; empty where there is only sky."""
    far: Colour = (0, 0, 0)
    """The ground at the horizon."""
    near: Colour = (0, 0, 0)
    """The ground at the bottom."""
    rough: float = 0.05
    """How far the ground's brightness varies."""
    marks: str = ""
    """What the ground is strewn with: blades, ripples or pebbles."""
    hills: Colour | None = None
    """Hills behind the horizon."""
    ridge: str = "hill"
    """Name of their segments."""
    sky: tuple[str, ...] = ("cloud",)
    """What floats in the sky."""
    things: tuple[str, ...] = ()
    """What stands behind the creature."""
    tuft: Colour | None = None
    """Grass in front of the creature."""
    stand: str = ""
    """What the creature stands on, if not the ground."""


LANDSCAPES: dict[str, Landscape] = {
    "meadow": Landscape(
        above=(0.42, 0.66, 0.90), below=(0.85, 0.93, 0.97), ground="grass", far=(0.66, 0.80, 0.44),
        near=(0.40, 0.63, 0.28), marks="blades", hills=(0.58, 0.72, 0.52), things=("tree", "flower", "bush", "flower"),
        tuft=(0.34, 0.58, 0.24),
    ),
    "snow": Landscape(
        above=(0.56, 0.70, 0.86), below=(0.88, 0.91, 0.95), ground="snow", far=(0.82, 0.87, 0.94),
        near=(0.95, 0.96, 0.99), rough=0.02, marks="pebbles", hills=(0.72, 0.79, 0.88), things=("fir", "fir", "stone"),
    ),
    "desert": Landscape(
        above=(0.36, 0.62, 0.86), below=(0.96, 0.90, 0.78), ground="sand", far=(0.92, 0.76, 0.52),
        near=(0.86, 0.64, 0.38), marks="ripples", hills=(0.86, 0.66, 0.48), things=("cactus", "stone", "cactus"),
    ),
    "lake": Landscape(
        above=(0.52, 0.72, 0.90), below=(0.92, 0.95, 0.96), ground="water", far=(0.62, 0.80, 0.86),
        near=(0.18, 0.44, 0.60), rough=0.02, marks="ripples", hills=(0.46, 0.60, 0.52), things=("reed", "reed", "reed"),
        stand="rock",
    ),
    "forest": Landscape(
        above=(0.34, 0.48, 0.38), below=(0.70, 0.80, 0.62), ground="grass", far=(0.44, 0.52, 0.32),
        near=(0.32, 0.33, 0.20), marks="blades", hills=(0.42, 0.56, 0.40), sky=(),
        things=("tree", "tree", "mushroom", "tree", "tree", "bush"), tuft=(0.27, 0.40, 0.20),
    ),
    "sunset": Landscape(
        above=(0.38, 0.28, 0.52), below=(1.0, 0.72, 0.46), ground="earth", far=(0.58, 0.38, 0.36),
        near=(0.36, 0.25, 0.28), marks="pebbles", hills=(0.52, 0.32, 0.42), sky=("sun", "cloud"),
        things=("stone", "dark tree"),
    ),
    "autumn": Landscape(
        above=(0.62, 0.74, 0.84), below=(0.97, 0.94, 0.86), ground="grass", far=(0.82, 0.70, 0.40),
        near=(0.66, 0.48, 0.24), marks="pebbles", hills=(0.76, 0.58, 0.36),
        things=("red tree", "mushroom", "red tree", "stone"), tuft=(0.62, 0.48, 0.20),
    ),
    "sky": Landscape(
        above=(0.28, 0.54, 0.86), below=(0.80, 0.90, 0.97), ground="", sky=("cloud", "cloud", "sun", "cloud", "cloud"),
        stand="branch",
    ),
    "heath": Landscape(
        above=(0.64, 0.71, 0.80), below=(0.92, 0.91, 0.92), ground="heather", far=(0.70, 0.54, 0.68),
        near=(0.50, 0.35, 0.48), marks="blades", hills=(0.56, 0.56, 0.64), things=("stone", "bush", "fir"),
        tuft=(0.60, 0.36, 0.58),
    ),
    "night": Landscape(
        above=(0.05, 0.07, 0.20), below=(0.24, 0.28, 0.48), ground="grass", far=(0.22, 0.31, 0.37),
        near=(0.11, 0.19, 0.22), marks="blades", hills=(0.15, 0.20, 0.32), sky=("moon", "star", "star", "star", "star"),
        things=("fir", "bush", "fir"), tuft=(0.12, 0.24, 0.24),
    ),
    "beach": Landscape(
        above=(0.30, 0.68, 0.88), below=(0.86, 0.96, 0.96), ground="sand", far=(0.97, 0.92, 0.78),
        near=(0.92, 0.82, 0.62), rough=0.03, marks="pebbles", hills=(0.28, 0.62, 0.74), ridge="water",
        things=("palm", "shell", "stone"),
    ),
    "mountains": Landscape(
        above=(0.46, 0.64, 0.84), below=(0.88, 0.92, 0.96), ground="gravel", far=(0.66, 0.68, 0.64),
        near=(0.50, 0.50, 0.47), rough=0.08, marks="pebbles",
        things=("mountain", "mountain", "mountain", "stone", "stone"),
    ),
}  # fmt: skip


def behind(canvas: Canvas, rng: np.random.Generator, kind: str, feet: tuple[float, float], scale: float) -> None:
    """Everything behind a creature of this scale that stands at `feet` (x, y)."""
    land = LANDSCAPES[kind]
    horizon = float(rng.uniform(0.40, 0.52)) if land.ground else 1.0
    rows = (np.arange(canvas.side, dtype=np.float32)[:, None] + 0.5) / canvas.side
    canvas.begin("sky")
    haze = noise(rng, canvas.side, 5) * np.float32(0.02)
    sky = mixed((land.above, land.below), np.clip(rows / horizon, 0, 1) ** 0.8)
    canvas.fill(whole(), sky + haze[..., None])
    for name in land.sky:
        landmarks.draw(canvas, rng, name, float(rng.uniform(0, 1)), float(rng.uniform(0.1, 0.75)) * horizon, 1.0)
    if land.hills is not None:
        _hills(canvas, rng, land, horizon)
    if land.ground:
        canvas.begin(land.ground)
        grain = noise(rng, canvas.side, 24) + noise(rng, canvas.side, 6)
        ground = mixed((land.far, land.near), np.clip((rows - horizon) / (1 - horizon), 0, 1))
        canvas.fill(box(0, horizon, 1, 1), ground * (1 + grain * np.float32(land.rough))[..., None])
        if land.marks:
            _strew(canvas, rng, land, horizon)
        # The farther ones first: they stand higher up in the picture.
        for name, depth in zip(land.things, np.sort(rng.uniform(0.01, 0.16, len(land.things))), strict=True):
            landmarks.draw(canvas, rng, name, float(rng.uniform(0, 1)), horizon + float(depth), 0.6 + 4 * float(depth))
    if land.stand:
        landmarks.draw(canvas, rng, land.stand, *feet, scale * 0.6)
    else:
        canvas.shadow(ellipse(feet[0] + 0.02, feet[1], scale * 0.25, scale * 0.036), 0.5, 0.02)


def before(canvas: Canvas, rng: np.random.Generator, kind: str, feet: tuple[float, float]) -> None:
    """The grass in front of a creature's feet."""
    colour = LANDSCAPES[kind].tuft
    if colour is None:
        return
    for y in np.sort(rng.uniform(feet[1] + 0.02, 1.08, 6)):
        landmarks.tuft(canvas, rng, float(rng.uniform(0, 1)), float(y), colour)


def _hills(canvas: Canvas, rng: np.random.Generator, land: Landscape, horizon: float) -> None:
    for height, clear in ((0.11, 0.45), (0.06, 0.1)):
        tops = horizon - height * rng.uniform(0.3, 1.0, 6)
        ridge = smooth(list(zip(np.linspace(-0.1, 1.1, 6), tops, strict=True)), closed=False)
        canvas.begin(land.ridge)
        # Air between: the farther ones take on the sky's colour.
        colour = np.asarray(land.hills) * (1 - clear) + np.asarray(land.below) * clear
        canvas.fill(np.concatenate([ridge, [(1.1, horizon + 0.05), (-0.1, horizon + 0.05)]]), colour)


def _strew(canvas: Canvas, rng: np.random.Generator, land: Landscape, horizon: float) -> None:
    """Cover the ground with small marks, larger towards the front."""
    for light in (0.7, 1.25):
        x, depth, length = rng.uniform((0, 0.02, 0.6), (1, 1, 1.4), (22, 3)).T
        marks = zip(x, horizon + depth * (1 - horizon), 0.3 + 0.7 * depth, length, strict=True)
        canvas.tint(canvas.stencil(*(_MARKS[land.marks](*mark) for mark in marks)), np.asarray(land.near) * light, 0.6)


def _blade(x: float, y: float, scale: float, length: float) -> Points:
    return [(x - 0.004 * scale, y), (x + 0.01, y - 0.05 * scale * length), (x + 0.004 * scale, y)]


def _ripple(x: float, y: float, scale: float, length: float) -> Points:
    line = [(x - 0.06 * length, y), (x, y - 0.006 * scale), (x + 0.06 * length, y)]
    return ribbon(line, [0.001, 0.009 * scale, 0.001])


def _pebble(x: float, y: float, scale: float, length: float) -> Points:
    return ellipse(x, y, 0.012 * scale * length, 0.006 * scale * length)


_MARKS = {"blades": _blade, "ripples": _ripple, "pebbles": _pebble}
