"""How a creature is built: outlines of its parts around its own origin, looking right, and how they are coloured.

What changes with a trait changes in the region of that trait only, so that attributes have a place in the picture.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.datasets.toyworld.canvas import Canvas, Place
from pipeline.datasets.toyworld.shapes import Points, Pose, ellipse, ribbon, rounded, scalloped, smooth

REGIONS = ("head", "beak", "eye", "crest", "throat", "body", "belly", "wing", "tail", "leg")
#: How far down the feet are.
GROUND = {"short": 0.235, "long": 0.30}
#: The utmost points of any creature in any posture.
REACH = ((-0.44, 0.0), (-0.42, 0.16), (-0.38, -0.16), (0.12, -0.37), (0.41, -0.14), (0.14, 0.31), (-0.05, 0.31))

COLOURS = {
    "brown": (0.60, 0.43, 0.28), "grey": (0.61, 0.63, 0.68), "white": (0.95, 0.93, 0.89), "black": (0.25, 0.24, 0.28),
    "blue": (0.18, 0.42, 0.86), "red": (0.84, 0.20, 0.18), "yellow": (0.96, 0.78, 0.16), "green": (0.20, 0.62, 0.28),
    "orange": (0.97, 0.57, 0.14), "dark": (0.33, 0.30, 0.30), "pink": (0.93, 0.66, 0.64), "ivory": (0.94, 0.89, 0.74),
    "plum": (0.64, 0.24, 0.52),
}  # fmt: skip
LINE = 0.007

_BODY = smooth([
    (-0.21, 0.0), (-0.12, -0.085), (0.0, -0.115), (0.075, -0.16), (0.15, -0.2), (0.24, -0.15), (0.247, -0.08),
    (0.225, 0.02), (0.14, 0.11), (0.01, 0.135), (-0.12, 0.085),
])  # fmt: skip
_HEAD = (0.165, -0.165)
_SHOULDER = (0.08, -0.03)
_WING = np.concatenate([
    smooth([(0.12, -0.02), (0.085, -0.075), (0.0, -0.088), (-0.12, -0.055), (-0.25, 0.035)], closed=False),
    scalloped([(-0.25, 0.035), (-0.165, 0.055), (-0.08, 0.068), (0.005, 0.066), (0.075, 0.045)], 0.018),
])  # fmt: skip
_COVERTS = smooth([
    (0.12, -0.02), (0.08, -0.08), (0.0, -0.09), (-0.075, -0.05), (-0.04, 0.005), (0.03, 0.025), (0.09, 0.02),
])  # fmt: skip
_RUMP = (-0.15, 0.0)
_TAILS: dict[str, Points] = {
    "short": [(-0.14, -0.04), *scalloped([(-0.29, -0.035), (-0.295, 0.0), (-0.29, 0.035)], 0.012), (-0.14, 0.04)],
    "long": [(-0.14, -0.035), *scalloped([(-0.42, -0.03), (-0.42, 0.025)], 0.014), (-0.14, 0.035)],
    "forked": [(-0.14, -0.035), (-0.40, -0.085), (-0.285, 0.0), (-0.40, 0.085), (-0.14, 0.035)],
    "fan": [
        (-0.14, -0.03),
        *scalloped([(-0.32, -0.125), (-0.36, -0.065), (-0.375, 0.0), (-0.36, 0.065), (-0.32, 0.125)], 0.018),
        (-0.14, 0.03),
    ],
}
_BILLS: dict[str, Points] = {
    "cone": [(0.07, -0.04), (0.155, 0.01), (0.07, 0.045)],
    "curved": smooth([(0.06, -0.045), (0.125, -0.035), (0.17, 0.015), (0.165, 0.075), (0.135, 0.04), (0.065, 0.045)]),
    "long": [(0.07, -0.035), (0.235, 0.015), (0.07, 0.035)],
    "snout": rounded(0.03, -0.03, 0.16, 0.06, 0.04),
}

#: Places of the spots on a spotted belly.
_SPOTS = ((0.02, 0.115), (0.06, 0.08), (0.07, 0.118), (0.11, 0.05), (0.115, 0.095), (0.15, 0.01), (0.155, 0.06),
          (0.19, 0.025), (0.185, -0.02), (0.205, 0.0))  # fmt: skip


def _turned(points: Points, around: tuple[float, float], degrees: float) -> np.ndarray:
    return Pose(*around, turn=degrees)(np.asarray(points) - around)


@dataclass(frozen=True)
class Creature:
    """One animal: what it looks like, where it stands and how it holds itself."""

    traits: dict[str, str]
    pose: Pose
    lift: float
    """Degrees by which the wing is raised."""
    droop: float
    """Degrees by which the tail points down."""
    tones: dict[str, np.ndarray]
    """Its own shades of COLOURS."""

    @classmethod
    def drawn(cls, rng: np.random.Generator, traits: dict[str, str], pose: Pose) -> "Creature":
        """A creature with these traits at this place; how it holds itself does not depend on them."""
        raised = rng.random() < 0.4
        lift, droop = float(rng.uniform(30, 85)), float(rng.uniform(-12, 18))
        change = rng.uniform(-0.03, 0.03, (len(COLOURS), 3)) + rng.uniform(-0.04, 0.04)
        tones = dict(zip(COLOURS, np.clip(np.array(list(COLOURS.values())) + change, 0.02, 1), strict=True))
        return cls(traits, pose, lift if raised else 0.0, droop, tones)

    @property
    def foot(self) -> tuple[float, float]:
        """Where it touches the ground, between its feet, in the picture."""
        x, y = self.pose([(0.05, GROUND[self.traits["leg"]])])[0]
        return float(x), float(y)

    def paint(self, canvas: Canvas) -> None:
        """Paint it as the present object of the canvas."""
        if self.lift:
            far = self.pose(_turned(_WING, _SHOULDER, self.lift - 24))
            canvas.fill(far, self.tones[self.traits["wing"]] * 0.68, "wing", shade=0.2, line=LINE)
        self._tail(canvas)
        self._legs(canvas)
        self._crest(canvas)
        self._trunk(canvas)
        self._beak(canvas)
        self._eye(canvas)
        self._wing(canvas)

    def places(self) -> Iterator[Place]:
        """Every part that this side may show."""
        x, y = _HEAD
        near, far = ("left", "right") if self.pose.mirror else ("right", "left")
        shin = GROUND[self.traits["leg"]] - 0.05
        wing = [(name, _turned([point], _SHOULDER, turn)[0], ("wing",)) for name, point, turn in (
            (f"{near} wing", (-0.06, 0.0), self.lift),
            (f"{far} wing", (-0.22, 0.04), self.lift - 24),
        )]  # fmt: skip
        found = [
            ("back", (-0.04, -0.096), ("body",)),
            ("beak", (x + 0.11, y + 0.012), ("beak",)),
            ("belly", (0.06, 0.1), ("belly",)),
            ("breast", (0.19, 0.0), ("belly", "body")),
            ("crown", (x - 0.01, y - 0.073), ("head",)),
            ("forehead", (x + 0.06, y - 0.055), ("head",)),
            (f"{near} eye", (x + 0.035, y - 0.018), ("eye",)),
            (f"{near} leg", (0.0, shin), ("leg",)),
            (f"{far} leg", (0.08, shin), ("leg",)),
            ("nape", (x - 0.075, y + 0.01), ("head",)),
            ("tail", _turned([(-0.25, 0.0)], _RUMP, -self.droop)[0], ("tail",)),
            ("throat", (x + 0.045, y + 0.1), ("throat",)),
            *(wing if self.lift else wing[:1]),
        ]
        for name, place, regions in found:
            at_x, at_y = self.pose([place])[0]
            yield name, (float(at_x), float(at_y)), regions

    def _tail(self, canvas: Canvas) -> None:
        def placed(points: Points) -> np.ndarray:
            return self.pose(_turned(points, _RUMP, -self.droop))

        colour = self.tones[self.traits["body"]] * 0.86
        tail = canvas.fill(placed(_TAILS[self.traits["tail"]]), colour, "tail")
        for y in (-0.05, 0.0, 0.05):
            canvas.tint(placed(ribbon([(-0.2, y / 3), (-0.36, y)], 0.006)), colour * 0.7, within=tail)
        if self.traits["tail pattern"] == "banded":
            for x in (-0.205, -0.265, -0.325, -0.385):
                canvas.tint(placed(ribbon([(x, -0.2), (x, 0.2)], 0.028)), self.tones["ivory"], within=tail)
        canvas.shade(tail, 0.22)
        canvas.line(tail, LINE)

    def _legs(self, canvas: Canvas) -> None:
        down = GROUND[self.traits["leg"]]
        colour = self.tones[self.traits["leg colour"]]
        for x, light in ((0.09, 0.75), (0.01, 1.0)):
            shin = ribbon([(x, 0.09), (x - 0.012, down - 0.06), (x, down - 0.008)], [0.034, 0.024, 0.022])
            canvas.fill(self.pose(shin), colour * light, "leg", shade=0.25)
            for toe in (-0.03, 0.045, 0.058):
                foot = ribbon([(x, down - 0.012), (x + toe, down + 0.004 - (toe - 0.04) * 0.15)], [0.02, 0.012])
                canvas.fill(self.pose(foot), colour * light, "leg")

    def _crest(self, canvas: Canvas) -> None:
        x, y = _HEAD
        head = self.traits["head"]
        if head == "crested":
            for turn, length in ((-48, 0.085), (-22, 0.105), (4, 0.09)):
                feather = [(x - 0.028, y - 0.05), (x - 0.012, y - 0.09 - length / 2), (x, y - 0.09 - length),
                           (x + 0.012, y - 0.09 - length / 2), (x + 0.028, y - 0.05)]  # fmt: skip
                feather = self.pose(_turned(smooth(feather), _HEAD, turn))
                canvas.fill(feather, self.tones["plum"], "crest", shade=0.25, line=LINE)
        elif head == "eared":
            for dx, light in ((0.05, 0.82), (-0.03, 1.0)):
                ear = smooth([(x + dx - 0.045, y - 0.05), (x + dx - 0.035, y - 0.13), (x + dx - 0.012, y - 0.185),
                              (x + dx + 0.025, y - 0.13), (x + dx + 0.04, y - 0.05)])  # fmt: skip
                inner = (ear - (x + dx, y - 0.1)) * (0.55, 0.68) + (x + dx, y - 0.093)
                canvas.fill(self.pose(ear), self.tones[self.traits["body"]] * light, "crest", shade=0.2, line=LINE)
                canvas.tint(self.pose(inner), self.tones["pink"] * light)
        elif head == "horned":
            for dx, light in ((0.055, 0.85), (-0.01, 1.0)):
                horn = smooth([(x + dx, y - 0.06), (x + dx + 0.008, y - 0.125), (x + dx - 0.025, y - 0.175),
                               (x + dx - 0.065, y - 0.19)], closed=False)  # fmt: skip
                outline = self.pose(ribbon(horn, np.linspace(0.042, 0.004, len(horn))))
                canvas.fill(outline, self.tones["ivory"] * light, "crest", shade=0.3, line=LINE)

    def _trunk(self, canvas: Canvas) -> None:
        """Body, belly, throat and head: one skin with one outline."""
        x, y = _HEAD
        tones, traits = self.tones, self.traits
        skin = tones[traits["body"]]
        body = canvas.fill(self.pose(_BODY), skin, "body")
        if traits["body pattern"] == "striped":
            stripe = skin + 0.42 if traits["body"] == "black" else skin * 0.42
            for at in np.arange(-0.19, 0.12, 0.05):
                line = ribbon([(at + 0.03, -0.22), (at + 0.02, -0.05), (at - 0.02, 0.14)], [0.026, 0.02, 0.008])
                canvas.tint(self.pose(line), stripe, within=body)
        pale = {"plain": skin * 0.6 + (0.36, 0.34, 0.31), "white": tones["white"], "yellow": tones["yellow"]}
        under = self.pose(ellipse(0.1, 0.055, 0.155, 0.088, -38))
        belly = canvas.fill(under, pale[traits["belly"]], "belly", within=body)
        if traits["belly pattern"] == "spotted":
            for at_x, at_y in _SPOTS:
                canvas.tint(self.pose(ellipse(at_x, at_y, 0.0135)), np.array((0.16, 0.12, 0.12)), within=belly)
        throat = tones["red"] if traits["throat"] == "red" else skin * 0.75 + 0.2
        canvas.fill(self.pose(ellipse(x + 0.045, y + 0.085, 0.055, 0.06, -15)), throat, "throat", within=body)
        head = canvas.fill(self.pose(ellipse(x, y, 0.09)), skin, "head")
        if traits["head"] == "masked":
            mask = smooth([(x - 0.085, y - 0.005), (x + 0.02, y - 0.055), (x + 0.12, y - 0.045), (x + 0.12, y + 0.02),
                           (x + 0.02, y + 0.025)])  # fmt: skip
            canvas.tint(self.pose(mask), (0.10, 0.09, 0.13), within=head)
        whole = body | head
        canvas.shade(whole, 0.3)
        canvas.line(whole, LINE)

    def _beak(self, canvas: Canvas) -> None:
        x, y = _HEAD
        bill = self.traits["bill"]
        colour = self.tones[self.traits["bill colour"]] * (1.0 if self.traits["bill colour"] == "orange" else 1.25)
        beak = canvas.fill(self.pose(np.asarray(_BILLS[bill]) + _HEAD), colour, "beak", shade=0.3, line=LINE)
        slit = [(x + 0.075, y + 0.012), (x + 0.15, y + (0.03 if bill == "curved" else 0.016))]
        if bill == "snout":
            canvas.tint(self.pose(ellipse(x + 0.125, y - 0.002, 0.011)), colour * 0.4, within=beak)
            slit = [(x + 0.06, y + 0.035), (x + 0.13, y + 0.035)]
        canvas.tint(self.pose(ribbon(slit, 0.007)), colour * 0.5, within=beak)

    def _eye(self, canvas: Canvas) -> None:
        x, y = _HEAD[0] + 0.035, _HEAD[1] - 0.018
        iris = {"black": np.array((0.13, 0.11, 0.11)), "yellow": self.tones["yellow"], "red": self.tones["red"]}
        canvas.fill(self.pose(ellipse(x, y, 0.033)), (0.97, 0.97, 0.95), "eye", line=LINE * 0.7)
        canvas.fill(self.pose(ellipse(x + 0.002, y, 0.026)), iris[self.traits["eye"]], "eye")
        canvas.fill(self.pose(ellipse(x + 0.004, y, 0.013)), (0.05, 0.04, 0.05), "eye")
        shine = self.pose([(x, y)])[0] - 0.008 * self.pose.scale
        canvas.tint(ellipse(*shine, 0.006 * self.pose.scale), (1.0, 1.0, 1.0))

    def _wing(self, canvas: Canvas) -> None:
        def placed(points: Points) -> np.ndarray:
            return self.pose(_turned(points, _SHOULDER, self.lift))

        colour = self.tones[self.traits["wing"]]
        wing = canvas.fill(placed(_WING), colour * 0.86, "wing")
        for x in (-0.165, -0.08, 0.005):
            canvas.tint(placed(ribbon([(x + 0.05, -0.01), (x, 0.056)], 0.007)), colour * 0.55, within=wing)
        coverts = canvas.tint(placed(_COVERTS), np.minimum(colour * 1.08, 1), line=LINE * 0.7, within=wing)
        if self.traits["wing pattern"] == "barred":
            for x in (0.035, -0.05):
                bar = smooth([(x + 0.02, -0.11), (x - 0.01, -0.03), (x, 0.09)], closed=False)
                canvas.tint(placed(ribbon(bar, 0.026)), self.tones["white"], within=wing)
        canvas.shade(wing, 0.22)
        canvas.line(wing, LINE)
        canvas.shade(coverts, 0.1)
