"""How a face is painted: features around the middle of the face, seen from the front, each attribute visible."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.datasets.toyworld.canvas import Canvas, Colour, Place, Stencil
from pipeline.datasets.toyworld.shapes import Points, Pose, box, ellipse, ribbon, scalloped, smooth

REGIONS = (
    "face", "hair", "eye", "eyebrow", "nose", "mouth", "beard", "ear", "neck", "clothes", "glasses", "hat", "jewellery",
)  # fmt: skip
HAIR = {
    "Black Hair": (0.15, 0.13, 0.15), "Brown Hair": (0.42, 0.27, 0.18), "Blond Hair": (0.90, 0.74, 0.42),
    "Gray Hair": (0.70, 0.71, 0.73),
}  # fmt: skip
PALE = np.array((0.97, 0.88, 0.83))
GOLD = np.array((0.95, 0.76, 0.28))
LINE = 0.005


@dataclass(frozen=True)
class Person:
    """What stays the same about a person besides the attributes."""

    skin: Colour
    iris: Colour
    clothes: Colour
    style: str = "short"
    """Of the hair: short, bob, long, bun or curls."""
    width: float = 1.0
    """Of the face."""


@dataclass(frozen=True)
class Face:
    """One view of a person."""

    person: Person
    shown: frozenset[str]
    """The attributes that hold."""
    pose: Pose
    look: tuple[float, float]
    """Where the irises are, off the middle of the eyes."""
    light: float
    """Added to all colours."""

    def paint(self, canvas: Canvas) -> None:
        """Paint it as the present object of the canvas."""
        self._back_hair(canvas)
        self._shoulders(canvas)
        face = self._skull(canvas)
        self._age(canvas, face)
        for side in (-1, 1):
            self._eye(canvas, side)
            self._brow(canvas, side)
        self._nose(canvas)
        self._mouth(canvas)
        self._beard(canvas)
        self._front_hair(canvas)
        self._extras(canvas)

    def places(self) -> Iterator[Place]:
        """Every part; left and right are the person's own."""
        ear = 0.203 * self.person.width
        for name, place, regions in (
            ("left eye", (0.08, -0.02), ("eye",)),
            ("right eye", (-0.08, -0.02), ("eye",)),
            ("nose", (0, 0.055), ("nose",)),
            ("mouth", (0, 0.148), ("mouth",)),
            ("chin", (0, 0.225), ("face", "beard")),
            ("left ear", (ear, 0.03), ("ear",)),
            ("right ear", (-ear, 0.03), ("ear",)),
            ("forehead", (0, -0.115), ("face",)),
        ):
            x, y = self.pose([place])[0]
            yield name, (float(x), float(y)), regions

    @property
    def _skin(self) -> np.ndarray:
        skin = PALE if "Pale Skin" in self.shown else np.asarray(self.person.skin)
        return np.clip(skin + self.light, 0, 1)

    @property
    def _hair(self) -> np.ndarray:
        colour = next((HAIR[name] for name in HAIR if name in self.shown), (0.5, 0.4, 0.35))
        return np.clip(np.asarray(colour) + self.light, 0, 1)

    def _fill(self, canvas: Canvas, outline: Points, colour: Colour, region: str, *, shade: float = 0.0,
              line: float = LINE) -> Stencil:  # fmt: skip
        return canvas.fill(self.pose(outline), colour, region, shade=shade, line=line)

    def _back_hair(self, canvas: Canvas) -> None:
        style = self.person.style
        if "Bald" in self.shown or style == "short":
            return
        if style == "curls":
            turn = np.radians(np.linspace(140, 400, 16))
            ring = scalloped(np.stack([0.25 * np.cos(turn), -0.06 + 0.26 * np.sin(turn)], axis=1), -0.03)
            self._fill(canvas, ring, self._hair * 0.8, "hair", shade=0.2)
            return
        if style == "bun":
            self._fill(canvas, ellipse(0, -0.3, 0.085), self._hair, "hair", shade=0.3)
            return
        low = 0.36 if style == "long" else 0.18
        side = [(0.19, -0.16), (0.235, -0.02), (0.225, 0.12), (0.245, low)]
        if "Wavy Hair" in self.shown:
            side = [side[0], *scalloped(side[1:], 0.03)]
        right = np.asarray(side)
        outline = np.concatenate([right, (right * (-1, 1))[::-1], smooth([(-0.19, -0.16), (0, -0.27), (0.19, -0.16)],
                                                                          closed=False)])  # fmt: skip
        self._fill(canvas, outline, self._hair * 0.8, "hair", shade=0.2)

    def _shoulders(self, canvas: Canvas) -> None:
        clothes = np.clip(np.asarray(self.person.clothes) + self.light, 0, 1)
        neck = [(-0.085, 0.12), (0.085, 0.12), (0.09, 0.3), (0.12, 0.38), (-0.12, 0.38), (-0.09, 0.3)]
        coat = smooth([(-0.47, 0.95), (-0.43, 0.52), (-0.34, 0.39), (-0.13, 0.325), (0, 0.385), (0.13, 0.325),
                       (0.34, 0.39), (0.43, 0.52), (0.47, 0.95)])  # fmt: skip
        throat = self._fill(canvas, neck, self._skin * 0.9, "neck")
        canvas.tint(self.pose(ellipse(0, 0.2, 0.13, 0.09)), self._skin * 0.68, 0.6, within=throat)
        self._fill(canvas, coat, clothes, "clothes", shade=0.3)
        if "Wearing Necktie" in self.shown:
            for side in (-1, 1):
                collar = np.array([(0.0, 0.39), (0.13, 0.315), (0.15, 0.38), (0.05, 0.45)]) * (side, 1)
                self._fill(canvas, collar, (0.96, 0.96, 0.97), "clothes")
            tie = [(-0.032, 0.385), (0.032, 0.385), (0.025, 0.43), (0.05, 0.62), (-0.05, 0.62), (-0.025, 0.43)]
            self._fill(canvas, tie, (0.72, 0.18, 0.22), "clothes", shade=0.2)
            canvas.tint(self.pose(box(-0.026, 0.425, 0.026, 0.435)), (0.45, 0.1, 0.14))
        if "Wearing Necklace" in self.shown:
            chain = smooth([(-0.09, 0.29), (-0.05, 0.345), (0, 0.362), (0.05, 0.345), (0.09, 0.29)], closed=False)
            self._fill(canvas, ribbon(chain, 0.014), GOLD, "jewellery", line=0)
            self._fill(canvas, ellipse(0, 0.37, 0.018), GOLD, "jewellery")

    def _skull(self, canvas: Canvas) -> Stencil:
        wide = self.person.width
        for side in (-1, 1):
            ear = ellipse(side * 0.188 * wide, 0.0, 0.03, 0.05, side * 10)
            self._fill(canvas, ear, self._skin * 0.95, "ear", shade=0.2)
            if "Wearing Earrings" in self.shown:
                self._fill(canvas, ellipse(side * 0.195 * wide, 0.065, 0.017), GOLD, "jewellery", shade=0.3)
        jaw = (0.172, 0.115) if "Male" in self.shown else (0.15, 0.08)
        half = np.array([(0.0, -0.245), (0.12, -0.215), (0.18, -0.1), (0.185, 0.02), (jaw[0], 0.13), (jaw[1], 0.215)])
        outline = np.concatenate([half, [(0, 0.25)], (half[1:] * (-1, 1))[::-1]]) * (wide, 1)
        face = self._fill(canvas, smooth(outline), self._skin, "face", shade=0.16)
        if "Rosy Cheeks" in self.shown:
            for side in (-1, 1):
                for radius in (0.046, 0.036, 0.025):
                    blush = self.pose(ellipse(side * 0.112, 0.07, radius, radius * 0.8))
                    canvas.tint(blush, (0.95, 0.42, 0.42), 0.2, within=face)
        return face

    def _age(self, canvas: Canvas, face: Stencil) -> None:
        if "Young" in self.shown:
            return
        lines = [[(-0.08, -0.118), (0, -0.124), (0.08, -0.118)], [(-0.07, -0.098), (0, -0.103), (0.07, -0.098)]]
        for side in (-1, 1):
            lines.append([(side * 0.05, 0.022), (side * 0.085, 0.03), (side * 0.115, 0.02)])
            lines.append([(side * 0.05, 0.075), (side * 0.083, 0.11), (side * 0.09, 0.145)])
        for line in lines:
            canvas.tint(self.pose(ribbon(smooth(line, closed=False), 0.007)), self._skin * 0.72, 0.8, within=face)

    def _eye(self, canvas: Canvas, side: int) -> None:
        x, y = side * 0.08, -0.02
        high = 0.015 if "Narrow Eyes" in self.shown else 0.028
        white = self._fill(canvas, ellipse(x, y, 0.043, high), (0.98, 0.98, 0.97), "eye", line=0)
        at_x, at_y = x + self.look[0], y + self.look[1]
        for radius, colour in ((0.024, np.asarray(self.person.iris)), (0.012, np.array((0.05, 0.05, 0.06)))):
            canvas.tint(self.pose(ellipse(at_x, at_y, radius)), colour, within=white)
        canvas.tint(self.pose(ellipse(at_x - 0.006, at_y - 0.008, 0.006)), (1, 1, 1), within=white)
        lid = smooth([(x - 0.046, y + 0.002), (x, y - high - 0.002), (x + 0.046, y + 0.002)], closed=False)
        self._fill(canvas, ribbon(lid, [0.008] + [0.012] * (len(lid) - 2) + [0.006]), (0.16, 0.11, 0.10), "eye", line=0)
        if "Male" not in self.shown:
            for out, up in ((0.045, 0.0), (0.036, -0.014)):
                lash = [(x + side * out, y + up), (x + side * (out + 0.02), y + up - 0.016)]
                self._fill(canvas, ribbon(lash, [0.009, 0.002]), (0.16, 0.11, 0.10), "eye", line=0)

    def _brow(self, canvas: Canvas, side: int) -> None:
        rise = 0.024 if "Arched Eyebrows" in self.shown else 0.006
        thick = 0.028 if "Bushy Eyebrows" in self.shown else 0.012
        line = [(side * 0.035, -0.068), (side * 0.09, -0.072 - rise), (side * 0.128, -0.062)]
        brow = ribbon(smooth(line, closed=False), np.linspace(thick, thick * 0.5, 17))
        self._fill(canvas, brow, self._hair * (0.6 if "Blond Hair" in self.shown else 0.75), "eyebrow", line=0)

    def _nose(self, canvas: Canvas) -> None:
        wide = 0.05 if "Big Nose" in self.shown else 0.027
        long = 0.09 if "Big Nose" in self.shown else 0.076
        nose = smooth([(0.0, -0.01), (0.014, 0.03), (wide, long - 0.022), (wide * 0.75, long), (0, long + 0.008),
                       (-wide * 0.75, long), (-wide, long - 0.022), (-0.014, 0.03)])  # fmt: skip
        self._fill(canvas, nose, self._skin * 0.97, "nose", shade=0.3, line=0)
        for side in (-1, 1):
            canvas.tint(self.pose(ellipse(side * wide * 0.5, long - 0.004, 0.009, 0.006)), self._skin * 0.5)

    def _mouth(self, canvas: Canvas) -> None:
        smiling, is_open = "Smiling" in self.shown, "Mouth Slightly Open" in self.shown
        wide, lift = (0.078, 0.032) if smiling else (0.056, 0.004)
        thick = 0.03 if "Big Lips" in self.shown else 0.017
        gap, y = (0.03 if is_open else 0.0), 0.148
        lips = (0.80, 0.12, 0.22) if "Wearing Lipstick" in self.shown else self._skin * (0.82, 0.62, 0.62)

        def curve(middle: float) -> np.ndarray:
            return smooth([(-wide, y - lift), (-wide / 2, y - lift * 0.25 + middle * 0.7), (0, y + middle),
                           (wide / 2, y - lift * 0.25 + middle * 0.7), (wide, y - lift)], closed=False)  # fmt: skip

        self._fill(canvas, np.concatenate([curve(-thick), curve(gap + thick)[::-1]]), lips, "mouth", shade=0.15)
        if is_open:
            inside = canvas.tint(self.pose(np.concatenate([curve(-0.002), curve(gap)[::-1]])), (0.30, 0.08, 0.10))
            teeth = self.pose(np.concatenate([curve(-0.004), curve(gap * 0.4)[::-1]]))
            canvas.tint(teeth, (0.97, 0.96, 0.94), within=inside)
        else:
            canvas.tint(self.pose(ribbon(curve(0.0), 0.006)), np.asarray(lips) * 0.5)

    def _beard(self, canvas: Canvas) -> None:
        colour = self._hair * 0.85
        if "Mustache" in self.shown:
            half = [(0.0, 0.108), (0.04, 0.1), (0.09, 0.145), (0.05, 0.134), (0.0, 0.128)]
            outline = np.concatenate([half, (np.asarray(half[1:-1]) * (-1, 1))[::-1]])
            self._fill(canvas, smooth(outline), colour, "beard", shade=0.2)
        if "Goatee" in self.shown:
            half = [(0, 0.192), (0.055, 0.2), (0.058, 0.235), (0.03, 0.27)]
            outline = np.concatenate([half, (np.asarray(half[1:]) * (-1, 1))[::-1]])
            self._fill(canvas, smooth(outline), colour, "beard", shade=0.25)

    def _front_hair(self, canvas: Canvas) -> None:
        if "Bald" in self.shown:
            canvas.tint(self.pose(ellipse(-0.06, -0.19, 0.05, 0.022, -20)), (1, 1, 1), 0.3)
            return
        wide = self.person.width
        low = 0.03 if "Male" in self.shown else 0.0
        half = np.array([(0.198, low), (0.208, -0.1), (0.15, -0.235), (0, -0.285)])
        outer = np.concatenate([half, (half[:-1] * (-1, 1))[::-1]]) * (wide, 1)
        crown = scalloped(outer, 0.018) if "Wavy Hair" in self.shown else smooth(outer, closed=False)
        if "Bangs" in self.shown:
            line = scalloped([(-0.165, -0.07), (-0.085, -0.085), (0.0, -0.088), (0.085, -0.085), (0.165, -0.07)], -0.02)
        else:
            parting = [(-0.172, -0.05), (-0.13, -0.13), (0.05, -0.19), (0.14, -0.125), (0.172, -0.05)]
            line = smooth(parting, closed=False)
        hair = self._fill(canvas, np.concatenate([crown, line * (wide, 1)]), self._hair, "hair", shade=0.25)
        for x in (-0.1, -0.03, 0.04, 0.11):
            strand = smooth([(x * 0.5, -0.27), (x, -0.2), (x * 1.25, -0.12)], closed=False)
            canvas.tint(self.pose(ribbon(strand, 0.006)), self._hair * 1.35 + 0.04, 0.5, within=hair)

    def _extras(self, canvas: Canvas) -> None:
        if "Wearing Hat" in self.shown:
            hat = np.clip(np.asarray(self.person.clothes) * 0.85 + self.light, 0, 1)
            dome = smooth([(-0.215, -0.15), (-0.2, -0.26), (-0.1, -0.34), (0.1, -0.34), (0.2, -0.26), (0.215, -0.15)],
                          closed=False)  # fmt: skip
            self._fill(canvas, dome, hat, "hat", shade=0.3)
            band = [(-0.228, -0.19), (0, -0.215), (0.228, -0.19), (0.222, -0.13), (0, -0.155), (-0.222, -0.13)]
            self._fill(canvas, smooth(band, 4), hat * 1.25, "hat", shade=0.2)
        if "Eyeglasses" in self.shown:
            frame = (0.14, 0.13, 0.16)
            for side in (-1, 1):
                rim = np.concatenate([ellipse(side * 0.083, -0.015, 0.066, 0.052), [(side * 0.083 + 0.066, -0.015)]])
                canvas.tint(self.pose(rim), (0.85, 0.93, 1.0), 0.16)
                self._fill(canvas, ribbon(rim, 0.012), frame, "glasses", line=0)
                temple = ribbon([(side * 0.148, -0.02), (side * 0.19, -0.03)], 0.011)
                self._fill(canvas, temple, frame, "glasses", line=0)
            self._fill(canvas, ribbon([(-0.018, -0.02), (0, -0.027), (0.018, -0.02)], 0.011), frame, "glasses", line=0)
