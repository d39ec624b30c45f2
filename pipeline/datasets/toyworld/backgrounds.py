"""Landscapes for creatures: a sky, a ground with its texture, things that stand about, and something to stand on."""

from dataclasses import dataclass

import numpy as np

from pipeline.datasets.toyworld import landmarks
from pipeline.datasets.toyworld.canvas import Canvas, Colour, mixed, noise, whole
from pipeline.datasets.toyworld.shapes import box, ellipse


@dataclass(frozen=True, kw_only=True)
class Landscape:
    above: Colour
    """The sky at the top."""
    below: Colour
    """The sky at the horizon."""
    ground: str
    """Name of the ground's segment."""
    far: Colour
    """The ground at the horizon."""
    near: Colour
    """The ground at the bottom."""
    rough: float = 0.06
    """How far the ground's brightness varies."""
    sky: tuple[str, ...] = ("cloud",)
    """What may float in the sky."""
    things: tuple[str, ...] = ()
    """What may stand behind the creature."""
    tuft: Colour | None = None
    """Colour of the grass in front."""
    stand: str = ""
    """What the creature stands on, if not the ground."""


LANDSCAPES: dict[str, Landscape] = {
    "meadow": Landscape(above=(0.42, 0.66, 0.90), below=(0.83, 0.92, 0.96), ground="grass", far=(0.62, 0.78, 0.42),
                        near=(0.36, 0.60, 0.27), things=("tree", "flower", "bush", "flower"), tuft=(0.30, 0.54, 0.22)),
    "snow": Landscape(above=(0.60, 0.72, 0.86), below=(0.88, 0.91, 0.95), ground="snow", far=(0.86, 0.90, 0.95),
                      near=(0.96, 0.97, 0.99), rough=0.02, things=("fir", "fir", "stone")),
    "desert": Landscape(above=(0.36, 0.62, 0.86), below=(0.96, 0.88, 0.74), ground="sand", far=(0.90, 0.74, 0.50),
                        near=(0.84, 0.64, 0.38), things=("cactus", "stone", "cactus")),
    "lake": Landscape(above=(0.52, 0.72, 0.90), below=(0.90, 0.94, 0.95), ground="water", far=(0.55, 0.75, 0.82),
                      near=(0.20, 0.46, 0.62), rough=0.03, things=("reed", "reed"), stand="rock"),
    "forest": Landscape(above=(0.30, 0.44, 0.34), below=(0.62, 0.74, 0.55), ground="grass", far=(0.38, 0.48, 0.28),
                        near=(0.30, 0.30, 0.18), sky=(), things=("tree", "tree", "mushroom", "tree", "bush"),
                        tuft=(0.24, 0.36, 0.18)),
    "sunset": Landscape(above=(0.42, 0.30, 0.52), below=(0.98, 0.68, 0.42), ground="earth", far=(0.52, 0.36, 0.34),
                        near=(0.34, 0.24, 0.26), sky=("sun", "cloud"), things=("stone", "tree")),
    "autumn": Landscape(above=(0.62, 0.74, 0.84), below=(0.96, 0.92, 0.82), ground="grass", far=(0.80, 0.68, 0.36),
                        near=(0.66, 0.46, 0.22), things=("red tree", "mushroom", "red tree", "stone"),
                        tuft=(0.60, 0.46, 0.18)),
    "sky": Landscape(above=(0.28, 0.54, 0.86), below=(0.78, 0.89, 0.97), ground="", far=(0, 0, 0), near=(0, 0, 0),
                     sky=("cloud", "cloud", "sun", "cloud", "cloud"), stand="branch"),
    "heath": Landscape(above=(0.66, 0.72, 0.80), below=(0.90, 0.90, 0.92), ground="heather", far=(0.66, 0.52, 0.66),
                       near=(0.48, 0.34, 0.46), things=("stone", "bush", "fir"), tuft=(0.56, 0.34, 0.54)),
    "night": Landscape(above=(0.06, 0.08, 0.22), below=(0.22, 0.26, 0.44), ground="grass", far=(0.20, 0.28, 0.34),
                       near=(0.10, 0.17, 0.20), sky=("moon", "star", "star", "star"), things=("fir", "bush"),
                       tuft=(0.10, 0.20, 0.20)),
    "beach": Landscape(above=(0.34, 0.70, 0.88), below=(0.84, 0.95, 0.95), ground="sand", far=(0.96, 0.90, 0.74),
                       near=(0.90, 0.80, 0.60), rough=0.04, things=("palm", "shell", "stone")),
    "mountains": Landscape(above=(0.46, 0.64, 0.84), below=(0.86, 0.91, 0.95), ground="gravel", far=(0.62, 0.64, 0.62),
                           near=(0.48, 0.48, 0.46), rough=0.1, things=("mountain", "mountain", "stone", "stone")),
}  # fmt: skip


def behind(canvas: Canvas, rng: np.random.Generator, kind: str, feet: tuple[float, float], width: float) -> None:
    """Everything behind a creature that stands at `feet` (x, y) and is so wide."""
    land = LANDSCAPES[kind]
    horizon = float(rng.uniform(0.40, 0.55)) if land.ground else 1.0
    rows = (np.arange(canvas.side, dtype=np.float32) + 0.5)[:, None] / canvas.side
    canvas.begin("sky")
    sky = canvas.fill(whole(), (0, 0, 0))
    haze = noise(rng, canvas.side, 5) * 0.03
    canvas.paint(sky, mixed((land.above, land.below), np.clip(rows / horizon, 0, 1)) + haze[..., None])
    for name in land.sky:
        landmarks.draw(canvas, rng, name, float(rng.uniform(0, 1)), float(rng.uniform(0.02, 0.75)) * horizon, 1.0)
    if land.ground:
        canvas.begin(land.ground)
        ground = canvas.fill(box(0, horizon, 1, 1), (0, 0, 0))
        grain = noise(rng, canvas.side, 24) * land.rough + noise(rng, canvas.side, 6) * land.rough
        depth = np.clip((rows - horizon) / (1 - horizon), 0, 1)
        canvas.paint(ground, mixed((land.far, land.near), depth) * (1 + grain[..., None]))
        for name in land.things:
            y = horizon + float(rng.uniform(0, 0.15)) ** 1.0
            landmarks.draw(canvas, rng, name, float(rng.uniform(0, 1)), y, 0.6 + (y - horizon) * 3)
    if land.stand:
        landmarks.draw(canvas, rng, land.stand, *feet, width)
    else:
        canvas.shadow(ellipse(feet[0] - 0.01, feet[1], width * 0.42, width * 0.07), 0.45, 0.02)


def before(canvas: Canvas, rng: np.random.Generator, kind: str, feet: tuple[float, float]) -> None:
    """The grass in front of the creature's feet."""
    tuft = LANDSCAPES[kind].tuft
    for _ in range(5 if tuft else 0):
        x, y = float(rng.uniform(0, 1)), float(rng.uniform(feet[1], 1.05))
        canvas.begin("tuft")
        landmarks.tuft(canvas, rng, x, y, np.asarray(tuft))
