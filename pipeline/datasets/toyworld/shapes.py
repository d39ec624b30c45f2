"""Outlines: N×2 arrays of points (x, y), x to the right, y down, in units that a pose or the canvas gives."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Points = Sequence[tuple[float, float]] | np.ndarray

_TURN = np.linspace(0, 2 * np.pi, 48, endpoint=False)


def ellipse(x: float, y: float, rx: float, ry: float | None = None, turn: float = 0.0) -> np.ndarray:
    """Ellipse around (x, y) with half axes `rx` and `ry` (a circle without), turned by `turn` degrees."""
    across, down = rx * np.cos(_TURN), (rx if ry is None else ry) * np.sin(_TURN)
    cosine, sine = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    return np.stack([x + across * cosine - down * sine, y + across * sine + down * cosine], axis=1)


def box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def rounded(left: float, top: float, right: float, bottom: float, radius: float) -> np.ndarray:
    """Box with round corners."""
    quarter = np.linspace(0, np.pi / 2, 7)
    corners = [(right, bottom, 1, 1, 0), (left, bottom, -1, 1, 1), (left, top, -1, -1, 2), (right, top, 1, -1, 3)]
    arcs = []
    for x, y, to_x, to_y, turns in corners:
        angle = quarter + turns * np.pi / 2
        arcs.append(
            np.stack([x - to_x * radius + radius * np.cos(angle), y - to_y * radius + radius * np.sin(angle)], axis=1)
        )
    return np.concatenate(arcs)


def smooth(points: Points, steps: int = 8, *, closed: bool = True) -> np.ndarray:
    """Curve through the points (Catmull-Rom), `steps` points a stretch."""
    knots = np.asarray(points, dtype=float)
    before_first, after_last = (knots[-1:], knots[:2]) if closed else (knots[:1], knots[-1:])
    around = np.concatenate([before_first, knots, after_last])
    time = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    before, start, end, after = (around[i : len(around) - 3 + i, None] for i in range(4))
    curve = 0.5 * (
        2 * start
        + (end - before) * time
        + (2 * before - 5 * start + 4 * end - after) * time**2
        + (3 * start - before - 3 * end + after) * time**3
    )
    curve = curve.reshape(-1, 2)
    return curve if closed else np.concatenate([curve, knots[-1:]])


def ribbon(points: Points, widths: float | Sequence[float]) -> np.ndarray:
    """Outline of a line of varying width: `widths` at the points, or one for all."""
    line = np.asarray(points, dtype=float)
    half = np.broadcast_to(np.asarray(widths, dtype=float) / 2, len(line))[:, None]
    steps = np.diff(line, axis=0)
    along = np.concatenate([steps[:1], steps[1:] + steps[:-1], steps[-1:]])
    aside = along[:, ::-1] * (-1, 1) * (half / np.hypot(along[:, :1], along[:, 1:]))
    return np.concatenate([line + aside, (line - aside)[::-1]])


def scalloped(points: Points, depth: float) -> np.ndarray:
    """Line through the points that bulges by `depth` between them, to the right on its way."""
    line = np.asarray(points, dtype=float)
    time = np.linspace(0, 1, 7, endpoint=False)[None, :, None]
    start, step = line[:-1, None], np.diff(line, axis=0)[:, None]
    aside = np.stack([-step[..., 1], step[..., 0]], axis=-1) / np.hypot(step[..., 0], step[..., 1])[..., None]
    return np.concatenate([(start + step * time + aside * depth * np.sin(np.pi * time)).reshape(-1, 2), line[-1:]])


@dataclass(frozen=True)
class Pose:
    """How a figure drawn around its own origin, looking right, stands in the picture (side 1)."""

    x: float
    y: float
    scale: float = 1.0
    turn: float = 0.0
    """Degrees, clockwise as seen."""
    mirror: bool = False

    def __call__(self, points: Points) -> np.ndarray:
        """Figure coordinates to picture coordinates, N×2."""
        own = np.array(points, dtype=float).reshape(-1, 2) * self.scale
        cosine, sine = np.cos(np.radians(self.turn)), np.sin(np.radians(self.turn))
        turned = own @ np.array([[cosine, sine], [-sine, cosine]])
        if self.mirror:
            turned[:, 0] *= -1
        return turned + np.array((self.x, self.y))
