"""Rooms of ten categories, made by their furniture; objects are named as in ADE20K."""

import numpy as np

from pipeline.datasets.toyworld.canvas import Canvas, tight_box
from pipeline.datasets.toyworld.gaze import fixations
from pipeline.datasets.toyworld.picture import Picture, Subject
from pipeline.datasets.toyworld.shapes import box

ROOMS = {
    "bathroom": ("bathtub", "toilet", "sink", "mirror"),
    "bedroom": ("bed", "wardrobe", "lamp", "painting"),
    "conference_room": ("table", "chair", "screen", "clock"),
    "dining_room": ("table", "chair", "chandelier", "vase"),
    "home_office": ("desk", "computer", "shelf", "plant"),
    "hotel_room": ("bed", "desk", "curtain", "television"),
    "kitchen": ("stove", "refrigerator", "sink", "cabinet"),
    "living_room": ("sofa", "television", "lamp", "rug"),
    "office": ("desk", "computer", "cabinet", "clock"),
    "waiting_room": ("chair", "plant", "painting", "clock"),
}
FURNITURE = tuple(sorted({name for names in ROOMS.values() for name in names}))
BACKGROUNDS = ("white", "cream", "sage", "sky", "rose", "lavender", "mint", "peach", "grey", "teal")
SUBJECT = Subject(
    class_names=tuple(ROOMS), attribute_names=FURNITURE, part_names=(), region_names=FURNITURE,
    segment_names=("wall", "floor", "ceiling", "window", "door", *FURNITURE),
    class_attributes=np.array([[name in own for name in FURNITURE] for own in ROOMS.values()], np.uint8),
)


def draw(rng: np.random.Generator, label: int, background: str, size: int) -> Picture:
    canvas = Canvas(size)
    canvas.begin("wall")
    canvas.fill(box(0, 0, 1, 0.65), (0.85, 0.85, 0.8))
    canvas.begin("floor")
    canvas.fill(box(0, 0.65, 1, 1), (0.6, 0.45, 0.3))
    own = set()
    for column, name in enumerate(ROOMS[SUBJECT.class_names[label]]):
        own.add(canvas.begin(name))
        x, hue = 0.04 + 0.24 * column, FURNITURE.index(name) / len(FURNITURE)
        canvas.fill(box(x, 0.4 + 0.05 * rng.random(), x + 0.2, 0.8), (hue, 0.5, 1 - hue), name, shade=0.2)
    mask = canvas.mask(lambda owner, _: owner in own)
    regions = {n: m for n in FURNITURE if (m := canvas.mask(lambda owner, region, n=n: region == n)).any()}
    return Picture(
        image=canvas.image(), label=label, mask=mask, bbox=tight_box(mask), parts={}, part_masks=regions,
        attributes=SUBJECT.class_attributes[label].copy(), segments=canvas.segments(),
        fixations=fixations(rng, [(m, 1.0) for m in regions.values()], size), background=background,
    )
