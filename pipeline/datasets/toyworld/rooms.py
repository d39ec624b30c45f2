"""Rooms of ten categories, made by their furniture; objects are named as in ADE20K.

What the picture is about, its mask, is the furniture that makes its category. Attributes are the things that are there.
"""

import numpy as np

from pipeline.datasets.toyworld.canvas import Canvas, mixed, tight_box
from pipeline.datasets.toyworld.fittings import FITTINGS
from pipeline.datasets.toyworld.furniture import FURNITURE
from pipeline.datasets.toyworld.gaze import fixations
from pipeline.datasets.toyworld.interior import CLOTHS, WOODS, InteriorBrush
from pipeline.datasets.toyworld.picture import Picture, Subject
from pipeline.datasets.toyworld.shapes import Pose, box, ellipse, ribbon

Place = tuple[float, float]
#: Category -> what makes it, each thing with its places: x, and how far to the front on the floor (0..1). A place
#: below 0 is that far above the floor's far edge: on the wall.
ROOMS: dict[str, dict[str, tuple[Place, ...]]] = {
    "bathroom": {"bathtub": ((0.68, 0.45),), "toilet": ((0.19, 0.3),), "sink": ((0.4, 0.0),), "mirror": ((0.4, -0.3),)},
    "bedroom": {"bed": ((0.42, 0.4),), "wardrobe": ((0.82, 0.05),), "lamp": ((0.13, 0.1),), "rug": ((0.5, 0.8),)},
    "conference_room": {
        "table": ((0.5, 0.55),), "chair": ((0.22, 0.1), (0.42, 0.08), (0.62, 0.08), (0.82, 0.1)),
        "screen": ((0.5, -0.27),), "clock": ((0.84, -0.38),),
    },
    "dining_room": {
        "table": ((0.5, 0.5),), "chair": ((0.32, 0.12), (0.68, 0.12), (0.16, 0.55), (0.84, 0.55)),
        "chandelier": ((0.5, -0.4),), "vase": ((0.5, 0.0),),
    },
    "home_office": {
        "desk": ((0.42, 0.35),), "computer": ((0.38, 0.05),), "shelf": ((0.8, 0.02),), "plant": ((0.12, 0.3),),
    },
    "hotel_room": {
        "bed": ((0.36, 0.45),), "television": ((0.8, 0.1),), "armchair": ((0.82, 0.75),), "curtain": ((0.42, -0.27),),
    },
    "kitchen": {
        "stove": ((0.5, 0.1),), "refrigerator": ((0.8, 0.08),), "sink": ((0.22, 0.1),), "cabinet": ((0.35, -0.22),),
    },
    "living_room": {
        "sofa": ((0.38, 0.2),), "television": ((0.8, 0.15),), "coffee table": ((0.4, 0.72),), "rug": ((0.4, 0.8),),
    },
    "office": {
        "desk": ((0.42, 0.3),), "computer": ((0.4, 0.0),), "swivel chair": ((0.36, 0.8),), "cabinet": ((0.8, 0.05),),
    },
    "waiting_room": {
        "chair": ((0.16, 0.1), (0.32, 0.1), (0.48, 0.1), (0.64, 0.1)), "coffee table": ((0.42, 0.75),),
        "plant": ((0.84, 0.15),), "clock": ((0.4, -0.36),),
    },
}  # fmt: skip
#: What may also be in any room, where it hangs or stands.
EXTRAS: dict[str, Place] = {
    "window": (0.42, -0.27), "door": (0.86, 0.0), "painting": (0.66, -0.32), "plant": (0.92, 0.55),
    "lamp": (0.08, 0.35),
}  # fmt: skip
#: What stands on something else, and how high.
RESTING = {"computer": ("desk", 0.18), "vase": ("table", 0.165)}
#: Wall colours; every second one is striped.
WALLS = {
    "white": (0.93, 0.93, 0.92), "cream": (0.95, 0.89, 0.76), "sage": (0.70, 0.78, 0.66), "sky": (0.70, 0.82, 0.92),
    "rose": (0.92, 0.76, 0.76), "lavender": (0.80, 0.76, 0.90), "mint": (0.74, 0.90, 0.82),
    "peach": (0.97, 0.82, 0.68), "grey": (0.72, 0.74, 0.77), "teal": (0.48, 0.68, 0.70),
}  # fmt: skip
BACKGROUNDS = tuple(WALLS)
FLOORS = np.array([(0.72, 0.54, 0.36), (0.58, 0.42, 0.30), (0.76, 0.74, 0.70), (0.62, 0.60, 0.62)])
THINGS = FURNITURE | FITTINGS
NAMES = tuple(sorted(THINGS))
SUBJECT = Subject(
    class_names=tuple(ROOMS),
    attribute_names=NAMES,
    part_names=(),
    region_names=NAMES,
    segment_names=("wall", "floor", "ceiling", *NAMES),
    class_attributes=np.array([[name in things for name in NAMES] for things in ROOMS.values()], np.uint8),
)
#: Probability that one of the things is missing that make the category, and that another is there if it has room.
MISSING, EXTRA = 0.2, 0.3


def draw(rng: np.random.Generator, label: int, background: str, size: int) -> Picture:
    """A room of the category `label` with walls of the kind `background`, `size` pixels a side."""
    shell_rng, things_rng, gaze_rng = rng.spawn(3)
    canvas = Canvas(size)
    horizon = _shell(canvas, shell_rng, background)
    makes = ROOMS[SUBJECT.class_names[label]]
    own = _furnish(canvas, things_rng, makes, horizon)
    mask = canvas.mask(lambda owner, _: owner in own)
    masks = {
        name: canvas.mask(lambda owner, _, name=name: canvas.objects[owner] == name)
        for name in NAMES if name in canvas.objects
    }  # fmt: skip
    regions = {name: found for name, found in masks.items() if found.any()}
    return Picture(
        image=canvas.image(),
        label=label,
        mask=mask,
        bbox=tight_box(mask),
        parts={},
        part_masks=regions,
        attributes=np.array([name in regions for name in NAMES], np.uint8),
        segments=canvas.segments(),
        fixations=fixations(gaze_rng, [(seen, 3.0 if name in makes else 0.5) for name, seen in regions.items()], size),
        background=background,
    )


def _shell(canvas: Canvas, rng: np.random.Generator, kind: str) -> float:
    """Paint ceiling, walls and floor; returns where the floor begins at the back."""
    left, right = float(rng.uniform(0.03, 0.1)), float(rng.uniform(0.9, 0.97))
    top, horizon = float(rng.uniform(0.07, 0.12)), float(rng.uniform(0.56, 0.61))
    wall = np.array(WALLS[kind]) + rng.uniform(-0.02, 0.02)
    floor = FLOORS[rng.integers(len(FLOORS))] + rng.uniform(-0.04, 0.04)
    canvas.begin("ceiling")
    canvas.fill(box(0, 0, 1, 0.3), (0.96, 0.96, 0.95))
    canvas.begin("wall")
    sides = [[(0, 0), (left, top), (left, horizon), (0, horizon + left * 1.2)],
             [(1, 0), (right, top), (right, horizon), (1, horizon + (1 - right) * 1.2)]]  # fmt: skip
    for side, light in zip(sides, (0.84, 0.92), strict=True):
        canvas.fill(side, wall * light)
    rows = (np.arange(canvas.side, dtype=np.float32)[:, None, None] + 0.5) / canvas.side
    back = canvas.fill(box(left, top, right, horizon), wall * (1.03 - 0.12 * rows))
    if BACKGROUNDS.index(kind) % 2:
        for x in np.arange(left + 0.03, right, 0.06):
            canvas.tint(box(x, top, x + 0.02, horizon), wall * 0.9, 0.7, within=back)
    canvas.begin("floor")
    corners = [(0, horizon + left * 1.2), (left, horizon), (right, horizon), (1, horizon + (1 - right) * 1.2)]
    depth = np.clip((rows[..., 0] - horizon) / (1 - horizon), 0, 1)
    ground = canvas.fill([*corners, (1, 1), (0, 1)], mixed((floor * 0.86, floor * 1.1), depth))
    for x in np.linspace(-1.2, 2.2, 18):
        joint = ribbon([(0.5 + (x - 0.5) * 0.35, horizon), (x, 1.0)], [0.003, 0.006])
        canvas.tint(joint, floor * 0.72, 0.6, within=ground)
    canvas.tint(box(left, horizon - 0.02, right, horizon), np.array((0.97, 0.97, 0.96)), within=back)
    return horizon


def _furnish(canvas: Canvas, rng: np.random.Generator, makes: dict[str, tuple[Place, ...]], horizon: float) -> set[int]:
    """Put the things into the room, from the wall to the front; returns the numbers of those that make the category."""
    mirror = bool(rng.random() < 0.5)
    wood, cloth = WOODS[rng.integers(len(WOODS))], CLOTHS[rng.integers(len(CLOTHS))] + rng.uniform(-0.05, 0.05)
    setting = _setting(rng, makes)
    moves = dict(zip(NAMES, rng.uniform((-0.04, -0.04), (0.04, 0.08), (len(NAMES), 2)), strict=True))
    own = set()
    for name, (x, depth) in setting:
        number = canvas.begin(name)
        if name in makes:
            own.add(number)
        host, high = RESTING.get(name, (name, 0.0))
        hung = depth < 0
        if host != name:
            depth = makes[host][0][1]
        move_x, move_y = moves[host]
        depth += 0.0 if hung else move_y
        y = horizon + (depth if hung else 0.03 + max(depth, 0) * (0.9 - horizon))
        scale = 0.95 if hung else 0.92 + 0.3 * depth
        at = Pose((1 - x if mirror else x) + move_x, y - high * scale, scale, mirror=mirror)
        if not hung and host == name and name != "rug":
            canvas.shadow(ellipse(at.x, y, 0.12 * scale, 0.015), 0.4, 0.015)
        THINGS[name](InteriorBrush(canvas, rng, at, wood, cloth))
    return own


def _setting(rng: np.random.Generator, makes: dict[str, tuple[Place, ...]]) -> list[tuple[str, Place]]:
    """Which things are in a room and where, in the order of painting."""
    lost, chance = list(makes)[rng.integers(len(makes))], rng.random()
    stays = [name for name in makes if name != lost or chance >= MISSING]
    setting = [(name, place) for name in stays for place in makes[name] if RESTING.get(name, (name,))[0] in stays]
    for name, place in EXTRAS.items():
        wanted = rng.random() < EXTRA
        free = all(abs(place[0] - x) > 0.2 or (place[1] < 0) != (y < 0) for _, (x, y) in setting)
        if wanted and free and name not in makes:
            setting.append((name, place))
    return sorted(setting, key=lambda item: _order(*item))


def _order(name: str, place: Place) -> float:
    """Painting order: the wall, rugs, then from the back to the front; what stands on something after it."""
    if place[1] < 0:
        return -1.5 if name == "curtain" else -2.0
    return -1.0 if name == "rug" else 0.6 if name in RESTING else place[1]
