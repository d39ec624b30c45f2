"""Faces of twelve people, with attributes named as in LFWA.

Who it is fixes most attributes; expression, glasses and hat vary from picture to picture.
"""

import numpy as np

from pipeline.datasets.toyworld.canvas import Canvas, mixed, tight_box, whole
from pipeline.datasets.toyworld.gaze import fixations
from pipeline.datasets.toyworld.picture import Picture, Subject
from pipeline.datasets.toyworld.portrait import REGIONS, Face, Person
from pipeline.datasets.toyworld.shapes import Pose, ellipse

ATTRIBUTES = (
    "Arched Eyebrows", "Bald", "Bangs", "Big Lips", "Big Nose", "Black Hair", "Blond Hair", "Brown Hair",
    "Bushy Eyebrows", "Eyeglasses", "Goatee", "Gray Hair", "Male", "Mouth Slightly Open", "Mustache", "Narrow Eyes",
    "No Beard", "Pale Skin", "Rosy Cheeks", "Smiling", "Wavy Hair", "Wearing Earrings", "Wearing Hat",
    "Wearing Lipstick", "Wearing Necklace", "Wearing Necktie", "Young",
)  # fmt: skip
_FAIR, _TAN, _BROWN, _DARK = (0.96, 0.79, 0.68), (0.87, 0.66, 0.50), (0.66, 0.46, 0.34), (0.47, 0.32, 0.25)
_BLUE, _GREEN, _HAZEL, _DEEP = (0.30, 0.52, 0.78), (0.34, 0.58, 0.42), (0.55, 0.38, 0.20), (0.28, 0.17, 0.12)
#: Name -> how the person looks, and the attributes that stay.
PEOPLE: dict[str, tuple[Person, tuple[str, ...]]] = {
    "Ada Berg": (
        Person(_FAIR, _GREEN, (0.62, 0.28, 0.36), "bob"),
        ("Bangs", "Brown Hair", "Wearing Lipstick", "Young"),
    ),
    "Bruno Costa": (
        Person(_TAN, _DEEP, (0.24, 0.36, 0.52), width=1.05),
        ("Black Hair", "Bushy Eyebrows", "Male", "Mustache"),
    ),
    "Clara Dahl": (
        Person(_FAIR, _BLUE, (0.36, 0.56, 0.62), "long"),
        ("Blond Hair", "Rosy Cheeks", "Wavy Hair", "Wearing Necklace", "Young"),
    ),
    "David Okoro": (
        Person(_DARK, _DEEP, (0.80, 0.62, 0.28), width=1.03),
        ("Bald", "Big Lips", "Big Nose", "Male", "Young"),
    ),
    "Elena Farina": (
        Person(_TAN, _HAZEL, (0.30, 0.30, 0.40), "long"),
        ("Arched Eyebrows", "Big Lips", "Black Hair", "Wearing Earrings", "Wearing Lipstick"),
    ),
    "Felix Gruber": (
        Person(_FAIR, _BLUE, (0.42, 0.50, 0.34), width=0.95),
        ("Blond Hair", "Goatee", "Male", "Narrow Eyes", "Young"),
    ),
    "Greta Holm": (
        Person(_FAIR, _BLUE, (0.52, 0.44, 0.62), "bun"),
        ("Big Nose", "Eyeglasses", "Gray Hair", "Pale Skin", "Wearing Necklace"),
    ),
    "Hugo Ivanov": (
        Person(_FAIR, _GREEN, (0.22, 0.26, 0.34)),
        ("Bushy Eyebrows", "Gray Hair", "Male", "Mustache", "Wearing Necktie"),
    ),
    "Ines Jaramillo": (
        Person(_BROWN, _DEEP, (0.88, 0.50, 0.36), "curls", width=0.97),
        ("Black Hair", "Narrow Eyes", "Wavy Hair", "Wearing Earrings", "Young"),
    ),
    "Jonas Keller": (
        Person(_FAIR, _HAZEL, (0.30, 0.46, 0.44)),
        ("Bangs", "Brown Hair", "Eyeglasses", "Male", "Pale Skin", "Young"),
    ),
    "Karla Lind": (
        Person(_TAN, _GREEN, (0.70, 0.66, 0.58), "curls"),
        ("Arched Eyebrows", "Brown Hair", "Rosy Cheeks", "Wavy Hair", "Wearing Lipstick"),
    ),
    "Leo Mwangi": (
        Person(_DARK, _DEEP, (0.28, 0.30, 0.46), width=0.97),
        ("Bald", "Goatee", "Male", "Wearing Necktie"),
    ),
}
#: Probability of what varies: for people whose attribute it is, and for the others.
VARYING = {
    "Smiling": (0.5, 0.5), "Mouth Slightly Open": (0.35, 0.35), "Eyeglasses": (0.9, 0.1), "Wearing Hat": (0.5, 0.12),
    "Wearing Lipstick": (0.9, 0.0), "Wearing Earrings": (0.9, 0.0), "Wearing Necktie": (0.85, 0.0),
    "Wearing Necklace": (0.85, 0.0), "Rosy Cheeks": (0.95, 0.05),
}  # fmt: skip
#: Colours of the wall behind.
WALLS = {
    "teal": (0.42, 0.64, 0.66), "sand": (0.86, 0.78, 0.62), "rose": (0.86, 0.66, 0.68), "slate": (0.42, 0.48, 0.56),
    "olive": (0.58, 0.60, 0.42), "lilac": (0.72, 0.66, 0.84), "sky": (0.60, 0.78, 0.92), "peach": (0.96, 0.76, 0.62),
    "mint": (0.66, 0.86, 0.76), "brick": (0.66, 0.40, 0.34), "navy": (0.22, 0.28, 0.44), "cream": (0.95, 0.92, 0.82),
}  # fmt: skip
BACKGROUNDS = tuple(WALLS)


def _with_beards(attributes: set[str]) -> frozenset[str]:
    return frozenset(attributes if attributes & {"Mustache", "Goatee"} else attributes | {"No Beard"})


SUBJECT = Subject(
    class_names=tuple(PEOPLE),
    attribute_names=ATTRIBUTES,
    part_names=("left eye", "right eye", "nose", "mouth", "chin", "left ear", "right ear", "forehead"),
    region_names=REGIONS,
    segment_names=("person", "wall"),
    class_attributes=np.array(
        [[name in _with_beards(set(own)) for name in ATTRIBUTES] for _, own in PEOPLE.values()], np.uint8
    ),
)


def draw(rng: np.random.Generator, label: int, background: str, size: int) -> Picture:
    """A picture of the person `label` before a wall of the kind `background`, `size` pixels a side."""
    look_rng, pose_rng, wall_rng, gaze_rng = rng.spawn(4)
    person, own = PEOPLE[SUBJECT.class_names[label]]
    shown = {name for name in own if name not in VARYING}
    for (name, (mine, others)), chance in zip(VARYING.items(), look_rng.random(len(VARYING)), strict=True):
        if chance < (mine if name in own else others):
            shown.add(name)
    return _view(person, _with_beards(shown), (pose_rng, wall_rng, gaze_rng), label, background, size)


def _view(
    person: Person, shown: frozenset[str], rngs: tuple[np.random.Generator, ...], label: int, background: str, size: int
) -> Picture:
    pose_rng, wall_rng, gaze_rng = rngs
    scale, turn = float(pose_rng.uniform(0.98, 1.14)), float(pose_rng.uniform(-8, 8))
    place = 0.5 + pose_rng.uniform(-0.06, 0.06), 0.43 + pose_rng.uniform(-0.025, 0.025)
    look = tuple(float(value) for value in pose_rng.uniform((-0.012, -0.004), (0.012, 0.004)))
    pose = Pose(*(float(value) for value in place), scale=scale, turn=turn)
    face = Face(person, shown, pose, look, float(pose_rng.uniform(-0.03, 0.03)))
    canvas = Canvas(size)
    _wall(canvas, wall_rng, np.array(WALLS[background]))
    number = canvas.begin("person")
    face.paint(canvas)
    mask = canvas.mask(lambda owner, _: owner == number)
    regions = canvas.regions(number, REGIONS)
    weights = {"eye": 4.0, "mouth": 3.0, "nose": 2.0, "eyebrow": 1.5, "beard": 1.5, "glasses": 1.0, "hair": 1.0}
    return Picture(
        image=canvas.image(),
        label=label,
        mask=mask,
        bbox=tight_box(mask),
        parts=canvas.visible(number, face.places()),
        part_masks=regions,
        attributes=np.array([name in shown for name in ATTRIBUTES], np.uint8),
        segments=canvas.segments(),
        fixations=fixations(gaze_rng, [(seen, weights.get(name, 0.4)) for name, seen in regions.items()], size),
        background=background,
    )


def _wall(canvas: Canvas, rng: np.random.Generator, colour: np.ndarray) -> None:
    """A wall that is lighter in the upper left, with spots of light out of focus."""
    canvas.begin("wall")
    line = (np.arange(canvas.side, dtype=np.float32) + 0.5) / canvas.side
    away = np.clip(np.hypot(line[None, :] - 0.3, line[:, None] - 0.2), 0, 1)
    canvas.fill(whole(), mixed((colour * 1.1, colour * 0.75), away))
    for _ in range(7):
        x, y, radius = (float(value) for value in rng.uniform((0, 0, 0.03), (1, 1, 0.1)))
        canvas.tint(ellipse(x, y, radius), colour * 1.25 + 0.06, 0.3)
