"""How a creature is built: outlines of its parts around its own origin, looking right, with their colours."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.datasets.toyworld.canvas import Canvas, Stencil
from pipeline.datasets.toyworld.shapes import Pose, ellipse, ribbon, rounded, smooth

REGIONS = ("head", "beak", "eye", "crest", "throat", "body", "belly", "wing", "tail", "leg")
#: How far down the feet are.
GROUND = {"short": 0.235, "long": 0.30}
HEAD = (0.165, -0.165)

COLOURS = {
    "brown": (0.58, 0.42, 0.28), "grey": (0.60, 0.62, 0.66), "white": (0.94, 0.92, 0.88), "black": (0.24, 0.23, 0.27),
    "blue": (0.20, 0.42, 0.82), "red": (0.82, 0.22, 0.20), "yellow": (0.95, 0.78, 0.20), "green": (0.24, 0.60, 0.30),
    "orange": (0.96, 0.58, 0.16), "dark": (0.30, 0.27, 0.27), "pink": (0.92, 0.66, 0.64), "ivory": (0.93, 0.88, 0.74),
    "plum": (0.62, 0.26, 0.48),
}  # fmt: skip
BODY = smooth([(-0.21, 0.0), (-0.12, -0.085), (0.0, -0.115), (0.08, -0.165), (0.16, -0.2), (0.235, -0.13),
               (0.23, -0.04), (0.20, 0.04), (0.12, 0.115), (0.0, 0.135), (-0.12, 0.09)])
WING = smooth([(0.12, -0.045), (0.02, -0.09), (-0.1, -0.06), (-0.25, 0.03), (-0.1, 0.06), (0.03, 0.06), (0.11, 0.02)])
SHOULDER = (0.08, -0.03)
LINE = 0.008


@dataclass(frozen=True)
class Posture:
    """How the limbs are held."""

    lift: float
    """Degrees by which the wing is raised."""
    tail: float
    """Degrees by which the tail points down."""


def draw_creature(canvas: Canvas, rng: np.random.Generator, traits: dict[str, str], pose: Pose) -> Posture:
    """Paint the creature as the present object of the canvas; returns how it holds itself."""
    posture = Posture(lift=float(rng.choice([0.0, rng.uniform(35, 85)])), tail=float(rng.uniform(-18, 12)))
    tones = _tones(rng)
    body = tones[traits["body"]]
    wing = pose(_turned(WING, SHOULDER, posture.lift))
    if posture.lift:
        canvas.fill(pose(_turned(WING, SHOULDER, posture.lift - 22)), tones[traits["wing"]] * 0.7, "wing", shade=0.2,
                    line=LINE)
    _tail(canvas, traits, pose, posture, tones)
    _legs(canvas, traits, pose, tones)
    trunk = canvas.fill(pose(BODY), body, "body")
    under = {"plain": body * 0.65 + 0.33 * np.array([1, 0.95, 0.85]), "white": tones["white"], "yellow": tones["yellow"]}
    belly = canvas.fill(pose(ellipse(0.075, 0.06, 0.135, 0.075, -25)), under[traits["belly"]], "belly", within=trunk)
    if traits["body pattern"] == "striped":
        stripe = body * 0.45 if traits["body"] != "black" else body + 0.4
        for x in np.arange(-0.2, 0.1, 0.055):
            canvas.tint(pose(ribbon([(x, -0.2), (x + 0.03, 0.0), (x, 0.2)], 0.022)), stripe, within=trunk)
    if traits["belly pattern"] == "spotted":
        for x, y in [(0.0, 0.1), (0.05, 0.075), (0.1, 0.085), (0.09, 0.03), (0.15, 0.045), (0.04, 0.115), (0.17, 0.0)]:
            canvas.tint(pose(ellipse(x, y, 0.013)), body * 0.3, within=belly)
    canvas.shade(trunk, 0.22)
    canvas.line(trunk, LINE)
    canvas.fill(pose(ellipse(0.2, -0.085, 0.052, 0.06, -20)), tones["red"] if traits["throat"] == "red" else body * 0.9 + 0.08, "throat",
                within=trunk)
    _wing(canvas, traits, wing, pose, posture, tones)
    _head(canvas, traits, pose, tones)
    return posture


def _tones(rng):
    jitter = rng.uniform(-0.035, 0.035, (len(COLOURS), 3)) + rng.uniform(-0.04, 0.04)
    return {name: np.clip(np.asarray(colour) + change, 0.02, 1) for (name, colour), change in zip(COLOURS.items(), jitter)}


def _turned(points, around, degrees):
    x, y = around
    return Pose(x, y, 1.0, degrees)(np.asarray(points) - around)


def _tail(canvas, traits, pose, posture, tones):
    shapes = {
        "short": [(-0.14, -0.04), (-0.30, -0.03), (-0.31, 0.03), (-0.14, 0.04)],
        "long": [(-0.14, -0.035), (-0.45, -0.03), (-0.46, 0.02), (-0.14, 0.035)],
        "forked": [(-0.14, -0.035), (-0.40, -0.075), (-0.30, 0.0), (-0.40, 0.075), (-0.14, 0.035)],
        "fan": [(-0.14, -0.03), (-0.32, -0.13), (-0.37, -0.06), (-0.385, 0.0), (-0.37, 0.06), (-0.32, 0.13), (-0.14, 0.03)],
    }
    root = (-0.15, 0.0)
    tail = canvas.fill(pose(_turned(shapes[traits["tail"]], root, -posture.tail)), tones[traits["body"]] * 0.85, "tail")
    if traits["tail pattern"] == "banded":
        for x in (-0.22, -0.29, -0.36, -0.43):
            canvas.tint(pose(_turned(ribbon([(x, -0.2), (x, 0.2)], 0.028), root, -posture.tail)), tones["ivory"], within=tail)
    canvas.shade(tail, 0.2)
    canvas.line(tail, LINE)


def _legs(canvas, traits, pose, tones):
    down = GROUND[traits["leg"]]
    colour = tones["red"] if traits["leg colour"] == "red" else tones["dark"]
    for x, darker in ((0.09, 0.75), (0.01, 1.0)):
        canvas.fill(pose(ribbon([(x, 0.09), (x - 0.01, down - 0.06), (x, down - 0.01)], 0.024)), colour * darker, "leg", shade=0.2)
        canvas.fill(pose(ribbon([(x - 0.03, down), (x, down - 0.012), (x + 0.05, down)], [0.012, 0.024, 0.012])), colour * darker, "leg")


def _wing(canvas, traits, outline, pose, posture, tones):
    colour = tones[traits["wing"]]
    wing = canvas.fill(outline, colour, "wing")
    for y in (-0.02, 0.015):
        canvas.tint(pose(_turned(ribbon([(0.0, y), (-0.2, y + 0.02)], 0.008), SHOULDER, posture.lift)), colour * 0.72, within=wing)
    if traits["wing pattern"] == "barred":
        for x in (0.03, -0.05):
            canvas.tint(pose(_turned(ribbon([(x, -0.12), (x - 0.025, 0.1)], 0.024), SHOULDER, posture.lift)), tones["white"], within=wing)
    canvas.shade(wing, 0.2)
    canvas.line(wing, LINE)


def _head(canvas, traits, pose, tones):
    x, y = HEAD
    body = tones[traits["body"]]
    if traits["head"] == "crested":
        for turn, length in ((-62, 0.1), (-38, 0.12), (-14, 0.1)):
            canvas.fill(pose(_turned(smooth([(x - 0.03, y - 0.06), (x, y - 0.09 - length), (x + 0.03, y - 0.06)], 8), HEAD, turn + 10)), tones["plum"], "crest", shade=0.2, line=LINE)
    if traits["head"] == "eared":
        for dx in (0.045, -0.03):
            canvas.fill(pose([(x + dx - 0.04, y - 0.06), (x + dx - 0.02, y - 0.175), (x + dx + 0.035, y - 0.07)]), body * 0.9, "crest", shade=0.2, line=LINE)
            canvas.tint(pose([(x + dx - 0.025, y - 0.07), (x + dx - 0.015, y - 0.14), (x + dx + 0.015, y - 0.075)]), tones["pink"])
    if traits["head"] == "horned":
        for dx in (0.05, -0.01):
            canvas.fill(pose(ribbon([(x + dx, y - 0.07), (x + dx - 0.01, y - 0.13), (x + dx - 0.05, y - 0.18)], [0.036, 0.028, 0.004])), tones["ivory"], "crest", shade=0.3, line=LINE)
    _beak(canvas, traits, pose, tones)
    head = canvas.fill(pose(ellipse(x, y, 0.09)), body * 1.03, "head")
    if traits["head"] == "masked":
        canvas.tint(pose(smooth([(x - 0.08, y - 0.015), (x + 0.03, y - 0.055), (x + 0.12, y - 0.03), (x + 0.12, y + 0.02), (x + 0.03, y + 0.025)])), (0.10, 0.09, 0.12), within=head)
    canvas.shade(head, 0.2)
    canvas.line(head, LINE)
    eye = {"black": (0.12, 0.10, 0.10), "yellow": tones["yellow"], "red": tones["red"]}[traits["eye"]]
    canvas.fill(pose(ellipse(x + 0.035, y - 0.018, 0.03)), (0.97, 0.97, 0.95), "eye")
    canvas.fill(pose(ellipse(x + 0.037, y - 0.018, 0.025)), eye, "eye")
    canvas.fill(pose(ellipse(x + 0.04, y - 0.018, 0.011)), (0.05, 0.04, 0.05), "eye")


def _beak(canvas, traits, pose, tones):
    x, y = HEAD
    shapes = {
        "cone": [(x + 0.075, y - 0.03), (x + 0.155, y + 0.015), (x + 0.07, y + 0.04)],
        "curved": smooth([(x + 0.07, y - 0.04), (x + 0.14, y - 0.025), (x + 0.175, y + 0.06), (x + 0.13, y + 0.03), (x + 0.07, y + 0.045)]),
        "long": [(x + 0.075, y - 0.025), (x + 0.25, y + 0.02), (x + 0.07, y + 0.03)],
        "snout": rounded(x + 0.04, y - 0.02, x + 0.155, y + 0.065, 0.035),
    }
    colour = tones["orange"] if traits["bill colour"] == "orange" else tones["dark"] * 1.2
    canvas.fill(pose(shapes[traits["bill"]]), colour, "beak", shade=0.25, line=LINE)


def places(traits, posture, *, mirror) -> Iterator[tuple[str, tuple[float, float], tuple[str, ...]]]:
    """Every part: its name, its place before it is posed, and the regions of which one is seen there if it is visible."""
    x, y = HEAD
    near, far = ("left", "right") if mirror else ("right", "left")
    down = GROUND[traits["leg"]]
    yield "back", (-0.03, -0.095), ("body",)
    yield "beak", (x + 0.11, y + 0.015), ("beak",)
    yield "belly", (0.06, 0.095), ("belly",)
    yield "breast", (0.2, 0.0), ("belly", "body")
    yield "crown", (x - 0.01, y - 0.075), ("head",)
    yield "forehead", (x + 0.065, y - 0.045), ("head",)
    yield f"{near} eye", (x + 0.037, y - 0.018), ("eye",)
    yield "nape", (x - 0.075, y + 0.01), ("head",)
    yield "throat", (x + 0.04, y + 0.09), ("throat",)
    yield "tail", tuple(_turned([(-0.25, 0.0)], (-0.15, 0.0), -posture.tail)[0]), ("tail",)
    yield f"{near} leg", (0.0, down - 0.05), ("leg",)
    yield f"{far} leg", (0.08, down - 0.05), ("leg",)
    yield f"{near} wing", tuple(_turned([(-0.05, 0.0)], SHOULDER, posture.lift)[0]), ("wing",)
    if posture.lift:
        yield f"{far} wing", tuple(_turned([(-0.22, 0.045)], SHOULDER, posture.lift - 22)[0]), ("wing",)
