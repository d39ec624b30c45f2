"""Creatures: animals seen from the side, of twelve kinds that differ in attributes of their parts (see traits.py)."""

import numpy as np

from pipeline.datasets.toyworld import backgrounds
from pipeline.datasets.toyworld.anatomy import REACH, REGIONS, Creature
from pipeline.datasets.toyworld.canvas import Canvas, tight_box
from pipeline.datasets.toyworld.gaze import fixations
from pipeline.datasets.toyworld.picture import Picture, Subject
from pipeline.datasets.toyworld.shapes import Pose
from pipeline.datasets.toyworld.traits import ATTRIBUTES, KINDS, REGION_OF, attributes_of, varied

#: CUB's parts, in CUB's order.
PARTS = (
    "back", "beak", "belly", "breast", "crown", "forehead", "left eye", "left leg", "left wing", "nape", "right eye",
    "right leg", "right wing", "tail", "throat",
)  # fmt: skip
BACKGROUNDS = tuple(backgrounds.LANDSCAPES)
SEGMENTS = (
    "creature", "sky", "hill", "grass", "snow", "sand", "water", "earth", "heather", "gravel", "cloud", "tree", "bush",
    "stone", "flower", "cactus", "reed", "mushroom", "shell", "mountain", "sun", "moon", "star", "branch", "tuft",
)  # fmt: skip
SUBJECT = Subject(
    class_names=tuple(KINDS),
    attribute_names=ATTRIBUTES,
    part_names=PARTS,
    region_names=REGIONS,
    segment_names=SEGMENTS,
    class_attributes=np.stack([attributes_of(traits) for traits in KINDS.values()]),
)
#: Probability that a creature differs from its kind in a trait.
VARIATION = 0.04


def draw(rng: np.random.Generator, label: int, background: str, size: int) -> Picture:
    """A creature of the kind `label` before a landscape, `size` pixels a side."""
    traits_rng, portrait_rng = rng.spawn(2)
    traits = varied(KINDS[SUBJECT.class_names[label]], traits_rng, VARIATION)
    return portrait(portrait_rng, traits, background, size, label)


def portrait(rng: np.random.Generator, traits: dict[str, str], background: str, size: int, label: int) -> Picture:
    """A creature with these traits. Draws do not depend on the traits: with another one, only the region that shows it
    changes; longer legs also move the ground."""
    pose_rng, animal_rng, land_rng, gaze_rng = rng.spawn(4)
    animal = Creature.drawn(animal_rng, traits, _pose(pose_rng))
    canvas = Canvas(size)
    backgrounds.behind(canvas, land_rng, background, animal.foot, animal.pose.scale)
    creature = canvas.begin("creature")
    animal.paint(canvas)
    backgrounds.before(canvas, land_rng, background, animal.foot)
    mask = canvas.mask(lambda owner, _: owner == creature)
    regions = canvas.regions(creature, REGIONS)
    return Picture(
        image=canvas.image(),
        label=label,
        mask=mask,
        bbox=tight_box(mask),
        parts=canvas.visible(creature, animal.places()),
        part_masks=regions,
        attributes=attributes_of(traits),
        segments=canvas.segments(),
        fixations=fixations(gaze_rng, _interesting(regions, traits), size),
        background=background,
    )


def _pose(rng: np.random.Generator) -> Pose:
    """Anywhere that leaves the whole creature in the picture, its feet on the ground."""
    scale, turn, mirror = float(rng.uniform(0.75, 1.15)), float(rng.uniform(-6, 6)), bool(rng.random() < 0.5)
    reach = Pose(0, 0, scale, turn, mirror)(REACH)
    (low_x, low_y), (high_x, high_y) = 0.01 - reach.min(axis=0), 0.985 - reach.max(axis=0)
    x, y = (float(rng.uniform(*sorted(ends))) for ends in ((low_x, high_x), (max(low_y, high_y - 0.2), high_y)))
    return Pose(x, y, scale, turn, mirror)


def _interesting(regions: dict[str, np.ndarray], traits: dict[str, str]) -> list[tuple[np.ndarray, float]]:
    """Regions and their share of looks: the head, the eye, and what shows an attribute."""
    weights = {"head": 2.0, "eye": 2.0, "body": 0.3}
    for trait, state in traits.items():
        if attributes_of({trait: state}).any():
            weights[REGION_OF[trait]] = weights.get(REGION_OF[trait], 0) + 1
    return [(mask, weights.get(name, 0.1)) for name, mask in regions.items()]
