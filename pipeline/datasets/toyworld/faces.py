"""Faces of sixteen people, with attributes named as in LFWA and CelebA."""

import numpy as np

from pipeline.datasets.toyworld.canvas import Canvas, tight_box, whole
from pipeline.datasets.toyworld.gaze import fixations
from pipeline.datasets.toyworld.picture import Picture, Subject
from pipeline.datasets.toyworld.shapes import ellipse, ribbon

ATTRIBUTES = (
    "Arched Eyebrows", "Bald", "Bangs", "Big Nose", "Black Hair", "Blond Hair", "Brown Hair", "Bushy Eyebrows",
    "Eyeglasses", "Goatee", "Gray Hair", "Male", "Mouth Slightly Open", "Mustache", "Pale Skin", "Rosy Cheeks",
    "Smiling", "Wearing Earrings", "Wearing Hat", "Wearing Lipstick", "Wearing Necktie", "Young",
)  # fmt: skip
PEOPLE = {
    "Ada": ("Brown Hair", "Bangs", "Wearing Lipstick", "Young"), "Bruno": ("Male", "Black Hair", "Mustache", "Bushy Eyebrows"),
    "Clara": ("Blond Hair", "Rosy Cheeks", "Young"), "David": ("Male", "Bald", "Big Nose"),
    "Elena": ("Black Hair", "Arched Eyebrows", "Wearing Lipstick"), "Felix": ("Male", "Blond Hair", "Goatee", "Young"),
    "Greta": ("Gray Hair", "Pale Skin", "Big Nose"), "Hugo": ("Male", "Gray Hair", "Mustache", "Wearing Necktie"),
    "Ines": ("Black Hair", "Bangs", "Rosy Cheeks", "Young"), "Jonas": ("Male", "Brown Hair", "Bushy Eyebrows", "Young"),
    "Karla": ("Brown Hair", "Arched Eyebrows", "Wearing Earrings"), "Leo": ("Male", "Bald", "Goatee", "Wearing Necktie"),
}
BACKGROUNDS = ("teal", "sand", "rose", "slate", "olive", "lilac", "sky", "peach", "mint", "brick", "navy", "cream")
SUBJECT = Subject(
    class_names=tuple(PEOPLE), attribute_names=ATTRIBUTES,
    part_names=("left eye", "right eye", "nose", "mouth", "chin"),
    region_names=("face", "hair", "eye", "eyebrow", "nose", "mouth", "neck", "clothes", "beard", "glasses", "hat"),
    segment_names=("person", "wall"),
    class_attributes=np.array([[name in own for name in ATTRIBUTES] for own in PEOPLE.values()], np.uint8),
)


def draw(rng: np.random.Generator, label: int, background: str, size: int) -> Picture:
    canvas = Canvas(size)
    canvas.begin("wall")
    canvas.fill(whole(), (0.5, 0.6, 0.7))
    person = canvas.begin("person")
    canvas.fill(ellipse(0.5, 1.05, 0.4, 0.3), (0.3, 0.35, 0.5), "clothes")
    canvas.fill(ellipse(0.5, 0.45, 0.27, 0.33), (0.3, 0.2, 0.15), "hair")
    canvas.fill(ellipse(0.5, 0.52, 0.22, 0.29), (0.9, 0.72, 0.6), "face", shade=0.15)
    for x in (0.41, 0.59):
        canvas.fill(ellipse(x, 0.48, 0.035, 0.022), (0.1, 0.1, 0.15), "eye")
    canvas.fill(ellipse(0.5, 0.57, 0.03, 0.04), (0.8, 0.6, 0.5), "nose")
    canvas.fill(ellipse(0.5, 0.68, 0.07, 0.02), (0.7, 0.3, 0.3), "mouth")
    mask = canvas.mask(lambda owner, _: owner == person)
    regions = {n: m for n in SUBJECT.region_names
               if (m := canvas.mask(lambda owner, region, n=n: owner == person and region == n)).any()}
    parts = {"left eye": (0.59, 0.48), "right eye": (0.41, 0.48), "nose": (0.5, 0.57), "mouth": (0.5, 0.68), "chin": (0.5, 0.79)}
    return Picture(
        image=canvas.image(), label=label, mask=mask, bbox=tight_box(mask),
        parts={name: (x * size, y * size) for name, (x, y) in parts.items()}, part_masks=regions,
        attributes=SUBJECT.class_attributes[label].copy(), segments=canvas.segments(),
        fixations=fixations(rng, [(m, 1.0) for m in regions.values()], size), background=background,
    )
