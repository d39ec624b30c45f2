"""Skin lesions of three classes, as ISIC 2017 has them: spots that differ in outline, colours and texture.

Their attributes are signs that dermatologists look for. Kinds of background are what such pictures are known to betray
their origin by: a ruler, a coloured patch, the dark rim of the instrument. Hairs belong to what they lie on.
"""

import cv2
import numpy as np

from pipeline.datasets.toyworld.canvas import Canvas, Stencil, mixed, noise, tight_box, whole
from pipeline.datasets.toyworld.gaze import fixations
from pipeline.datasets.toyworld.picture import Picture, Subject
from pipeline.datasets.toyworld.shapes import box, ellipse, ribbon, smooth

#: Class -> its signs.
SIGNS: dict[str, tuple[str, ...]] = {
    "melanoma": ("asymmetry", "irregular border", "several colours", "blue-white veil", "dark dots"),
    "seborrheic keratosis": ("sharp border", "scaly", "waxy", "milia-like cysts", "several colours"),
    "nevus": ("sharp border", "pigment network", "dark dots"),
}
ATTRIBUTES = (
    "asymmetry", "blue-white veil", "dark dots", "irregular border", "milia-like cysts", "pigment network", "scaly",
    "several colours", "sharp border", "waxy",
)  # fmt: skip
BACKGROUNDS = ("plain", "ruler", "patch", "vignette")
SUBJECT = Subject(
    class_names=tuple(SIGNS),
    attribute_names=ATTRIBUTES,
    part_names=(),
    region_names=("lesion",),
    segment_names=("lesion", "skin", "ruler", "patch", "vignette"),
    class_attributes=np.array([[name in own for name in ATTRIBUTES] for own in SIGNS.values()], np.uint8),
)
#: Probability that a sign is there against the class, or missing.
VARIATION = 0.08
SKIN = np.array([(0.93, 0.77, 0.69), (0.89, 0.70, 0.60), (0.80, 0.60, 0.48)])
BROWN, DARK, WAX = np.array((0.52, 0.33, 0.23)), np.array((0.22, 0.14, 0.12)), np.array((0.72, 0.54, 0.36))
RED, BLUE = np.array((0.72, 0.34, 0.32)), np.array((0.50, 0.57, 0.68))


def draw(rng: np.random.Generator, label: int, background: str, size: int) -> Picture:
    """A lesion of the class `label`, `size` pixels a side."""
    signs_rng, skin_rng, lesion_rng, hair_rng, gaze_rng = rng.spawn(5)
    flips = signs_rng.random(len(ATTRIBUTES)) < VARIATION
    attributes = SUBJECT.class_attributes[label] ^ flips
    signs = {name for name, there in zip(ATTRIBUTES, attributes, strict=True) if there}
    canvas = Canvas(size)
    canvas.begin("skin")
    tone = SKIN[skin_rng.integers(len(SKIN))] + skin_rng.uniform(-0.03, 0.03)
    grain = noise(skin_rng, canvas.side, 6) * 0.02 + noise(skin_rng, canvas.side, 48) * 0.02
    canvas.fill(whole(), tone * (1 + grain[..., None]))
    lesion = canvas.begin("lesion")
    _lesion(canvas, lesion_rng, signs, tone)
    for _ in range(int(hair_rng.integers(0, 9))):
        start, bend, end = hair_rng.uniform(-0.1, 1.1, 2), *hair_rng.uniform(-0.2, 0.2, (2, 2))
        hair = smooth([start, start + 0.25 * np.sign(bend) + bend, start + 0.5 * np.sign(bend) + end], closed=False)
        canvas.tint(ribbon(hair, np.linspace(0.006, 0.002, len(hair))), (0.24, 0.17, 0.14), 0.75)
    _extra(canvas, skin_rng, background)
    mask = canvas.mask(lambda owner, _: owner == lesion)
    return Picture(
        image=canvas.image(),
        label=label,
        mask=mask,
        bbox=tight_box(mask),
        parts={},
        part_masks={"lesion": mask},
        attributes=attributes.astype(np.uint8),
        segments=canvas.segments(),
        fixations=fixations(gaze_rng, [(mask, 1.0)], size),
        background=background,
    )


def _lesion(canvas: Canvas, rng: np.random.Generator, signs: set[str], skin: np.ndarray) -> None:
    """Paint the lesion. All draws are made whatever the signs, so that each changes only what it stands for."""
    x, y = (float(value) for value in rng.uniform(0.42, 0.58, 2))
    stencil = canvas.fill(_outline(rng, x, y, signs), BROWN, "lesion")
    colours = _tissue(rng, canvas.side, (x, y), signs, skin)
    # Towards the rim it fades into the skin, or ends at once.
    depth = cv2.distanceTransform(np.pad(stencil.inside, 1).view(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1] / canvas.side
    rim = np.zeros((canvas.side, canvas.side), np.float32)
    rows, columns = stencil.inside.shape
    fade = 0.01 if "sharp border" in signs else 0.06
    rim[stencil.top : stencil.top + rows, stencil.left : stencil.left + columns] = np.clip(1 - depth / fade, 0, 0.75)
    canvas.tint(stencil, _towards(colours, skin * 0.92, rim), shade=0.15 if "waxy" in signs else 0.05)
    _dots(canvas, rng, stencil, (x, y), signs)


def _tissue(
    rng: np.random.Generator, side: int, middle: tuple[float, float], signs: set[str], skin: np.ndarray
) -> np.ndarray:
    """side×side×3: the colours of a lesion around `middle`, if it were everywhere."""
    coarse, blobs, fine, threads = (noise(rng, side, cells) for cells in (7, 9, 40, 26))
    turn = float(rng.uniform(0, 2 * np.pi))
    line = (np.arange(side, dtype=np.float32) + 0.5) / side
    across, down = line[None, :] - middle[0], line[:, None] - middle[1]
    colours = mixed((BROWN * 0.85, WAX if "waxy" in signs else BROWN * 1.15), np.clip(coarse * 0.5 + 0.5, 0, 1))
    if "asymmetry" in signs:
        colours = _towards(colours, DARK, np.clip((np.cos(turn) * across + np.sin(turn) * down) * 6, 0, 0.8))
    if "several colours" in signs:
        colours = _towards(colours, DARK, np.clip(blobs * 1.6, 0, 0.85))
        colours = _towards(colours, RED, np.clip(-blobs - 0.1, 0, 0.6))
    if "pigment network" in signs:
        colours = _towards(colours, DARK, np.clip(0.75 - np.abs(threads) * 5, 0, 0.6))
    if "scaly" in signs:
        colours = _towards(colours, skin * 1.04, np.clip(fine * 1.2 - 0.35, 0, 0.6))
    if "blue-white veil" in signs:
        away = np.hypot(across - 0.05 * np.cos(turn), down - 0.05 * np.sin(turn))
        colours = _towards(colours, BLUE, np.clip(1.5 - away / 0.07 + coarse, 0, 0.75))
    return colours


def _towards(colours: np.ndarray, goal: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return colours + (goal.astype(np.float32) - colours) * weights[..., None].astype(np.float32)


def _outline(rng: np.random.Generator, x: float, y: float, signs: set[str]) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    waves = np.arange(2, 10)
    heights, phases = rng.normal(0, 1, len(waves)), rng.uniform(0, 2 * np.pi, len(waves))
    heights *= (0.13 if "irregular border" in signs else 0.035) / np.sqrt(waves)
    long, wide = float(rng.uniform(0.2, 0.3)), float(rng.uniform(0.72, 1.0))
    radius = long * np.clip(1 + heights @ np.sin(np.outer(waves, angle) + phases[:, None]), 0.45, 1.5)
    turn = float(rng.uniform(0, np.pi))
    along, across = radius * np.cos(angle), radius * np.sin(angle) * wide
    return np.stack(
        [x + along * np.cos(turn) - across * np.sin(turn), y + along * np.sin(turn) + across * np.cos(turn)], axis=1
    )


def _dots(
    canvas: Canvas, rng: np.random.Generator, lesion: Stencil, middle: tuple[float, float], signs: set[str]
) -> None:
    for sign, radius, colour in (("dark dots", 0.011, DARK * 0.7), ("milia-like cysts", 0.013, (0.96, 0.91, 0.78))):
        places = np.asarray(middle) + rng.normal(0, 0.095, (16, 2))
        sizes = radius * rng.uniform(0.6, 1.3, 16)
        if sign in signs:
            dots = [ellipse(x, y, size) for (x, y), size in zip(places, sizes, strict=True)]
            canvas.tint(canvas.stencil(*dots), colour, 0.9, within=lesion)


def _extra(canvas: Canvas, rng: np.random.Generator, kind: str) -> None:
    """What marks the kind of background."""
    if kind == "ruler":
        canvas.begin("ruler")
        canvas.fill(box(0, 0.91, 1, 1), (0.93, 0.93, 0.90))
        start = float(rng.uniform(0, 0.05))
        for number in range(20):
            x = start + number * 0.052
            canvas.tint(box(x, 0.91, x + 0.008, 0.965 if number % 5 == 0 else 0.94), (0.15, 0.15, 0.17))
    elif kind == "patch":
        canvas.begin("patch")
        hue = [(0.25, 0.55, 0.85), (0.95, 0.75, 0.20), (0.35, 0.70, 0.45)][rng.integers(3)]
        x, y = ((0.02, 0.06), (0.98, 0.1), (0.04, 0.95), (0.97, 0.92))[rng.integers(4)]
        canvas.fill(ellipse(x, y, 0.13), hue, shade=0.15)
    elif kind == "vignette":
        canvas.begin("vignette")
        circle = ellipse(0.5, 0.5, 0.56)
        rim = canvas.stencil(whole())
        inner = rim & canvas.stencil(circle)
        canvas.fill(Stencil(rim.top, rim.left, rim.inside & ~inner.inside), (0.05, 0.04, 0.05))
