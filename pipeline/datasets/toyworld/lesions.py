"""Skin lesions of three classes, as ISIC 2017 has them: spots that differ in outline, colours and texture."""

import numpy as np

from pipeline.datasets.toyworld.canvas import Canvas, mixed, noise, tight_box, whole
from pipeline.datasets.toyworld.gaze import fixations
from pipeline.datasets.toyworld.picture import Picture, Subject
from pipeline.datasets.toyworld.shapes import ellipse, ribbon

ATTRIBUTES = ("irregular border", "asymmetry", "several colours", "blue-white veil", "pigment network", "dark dots",
              "scaly", "waxy", "milia-like cysts", "sharp border")  # fmt: skip
CLASSES = {
    "melanoma": ("irregular border", "asymmetry", "several colours", "blue-white veil", "dark dots"),
    "seborrheic keratosis": ("scaly", "waxy", "milia-like cysts", "sharp border", "several colours"),
    "nevus": ("pigment network", "sharp border", "dark dots"),
}
BACKGROUNDS = ("plain", "patch", "ruler", "vignette")
SUBJECT = Subject(
    class_names=tuple(CLASSES),
    attribute_names=ATTRIBUTES,
    part_names=(),
    region_names=("lesion",),
    segment_names=("lesion", "skin", "patch", "ruler", "vignette", "hair"),
    class_attributes=np.array([[name in own for name in ATTRIBUTES] for own in CLASSES.values()], np.uint8),
)


def draw(rng: np.random.Generator, label: int, background: str, size: int) -> Picture:
    canvas = Canvas(size)
    canvas.begin("skin")
    canvas.fill(whole(), np.array((0.87, 0.70, 0.60)) + rng.uniform(-0.04, 0.04), shade=0.05)
    lesion = canvas.begin("lesion")
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    radius = 0.25 * (1 + (0.12 if label == 0 else 0.03) * np.sin(3 * angle + rng.uniform(0, 6)))
    outline = np.stack([0.5 + radius * np.cos(angle), 0.5 + radius * np.sin(angle)], axis=1)
    stencil = canvas.fill(outline, (0.45, 0.28, 0.2), "lesion")
    grain = noise(rng, canvas.side, 12)
    canvas.paint(stencil, mixed(((0.5, 0.32, 0.22), (0.25, 0.16, 0.13)), np.clip(grain + 0.5, 0, 1)))
    mask = canvas.mask(lambda owner, _: owner == lesion)
    return Picture(
        image=canvas.image(), label=label, mask=mask, bbox=tight_box(mask), parts={}, part_masks={"lesion": mask},
        attributes=SUBJECT.class_attributes[label].copy(), segments=canvas.segments(),
        fixations=fixations(rng, [(mask, 1.0)], size), background=background,
    )
