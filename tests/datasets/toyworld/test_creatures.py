"""Creatures: the table of kinds keeps its promises, and an attribute is seen where it belongs and nowhere else."""

import cv2
import numpy as np
import pytest

from pipeline.datasets.toyworld.creatures import BACKGROUNDS, PARTS, SUBJECT, VARIATION, portrait
from pipeline.datasets.toyworld.draw import pictures
from pipeline.datasets.toyworld.picture import Picture
from pipeline.datasets.toyworld.traits import ATTRIBUTES, KINDS, REGION_OF, TRAITS, attributes_of, varied

#: Traits that change more than their own region.
SPREADING = {"body", "leg"}
#: The crest is the head's; skin shows through beside the belly's colour and the throat's.
ALSO = {"head": ("crest", "eye"), "eye": ("head",), "beak": ("head", "throat")}
CHANGES = [
    (trait, state, other)
    for trait, states in TRAITS.items()
    if trait not in SPREADING
    for state, other in zip(states, list(states)[1:], strict=False)
]


@pytest.fixture(scope="module")
def drawn() -> list[Picture]:
    return list(pictures("creatures", "test", 72, size=64, seed=3))


def shows(picture: Picture, attribute: str) -> bool:
    return bool(picture.attributes[ATTRIBUTES.index(attribute)])


def test_kinds_are_far_apart_in_rare_attributes():
    assert len(KINDS) == 12 and len(ATTRIBUTES) == len(set(ATTRIBUTES)) == 30
    vectors = SUBJECT.class_attributes.astype(int)
    assert min(np.abs(a - b).sum() for row, a in enumerate(vectors) for b in vectors[:row]) >= 10
    prevalence = vectors.mean(axis=0)
    assert prevalence.max() <= 4 / 12 and np.mean(prevalence <= 0.3) > 0.5


def test_no_attribute_and_no_region_tells_the_kind():
    assert SUBJECT.class_attributes.sum(axis=0).min() >= 2
    for region in set(REGION_OF.values()):
        looks = [tuple(kind[trait] for trait in TRAITS if REGION_OF[trait] == region) for kind in KINDS.values()]
        assert all(looks.count(look) >= 2 for look in looks), region


def test_names_tell_two_of_the_attributes():
    colours = {"bluewing": "blue", "redwing": "red", "greenwing": "green", "goldwing": "yellow"}
    for name, vector in zip(KINDS, SUBJECT.class_attributes, strict=True):
        head, wing = name.split()
        has = {attribute for attribute, value in zip(ATTRIBUTES, vector, strict=True) if value}
        assert {f"has_head_pattern::{head}", f"has_wing_color::{colours[wing]}"} <= has
        assert sum(attribute.startswith("has_wing_color") for attribute in has) == 1


def test_few_animals_differ_from_their_kind_in_a_trait():
    rng = np.random.default_rng(0)
    traits = KINDS["crested bluewing"]
    own = [varied(traits, rng, VARIATION) for _ in range(2000)]
    shares = {trait: np.mean([one[trait] != state for one in own]) for trait, state in traits.items()}
    assert all(share == pytest.approx(VARIATION, abs=0.02) for share in shares.values())
    assert {one["wing"] for one in own} == set(TRAITS["wing"])
    assert varied(traits, rng, 0.0) == traits


@pytest.mark.parametrize(("trait", "state", "other"), CHANGES)
def test_trait_changes_its_region_only(trait, state, other):
    kind = KINDS["horned goldwing"]
    for seed in (1, 4):
        one, two = (
            portrait(np.random.default_rng(seed), {**kind, trait: value}, "meadow", 96, 0) for value in (state, other)
        )
        region = REGION_OF[trait]
        concerned = np.zeros((96, 96), np.uint8)
        for picture in (one, two):
            for name in (region, *ALSO.get(region, ())):
                concerned |= picture.part_masks.get(name, np.zeros((96, 96), bool))
        changed = (one.image != two.image).any(axis=-1)
        # A pixel at the edge of a region belongs to it with less than half of its samples.
        assert not changed[cv2.dilate(concerned, np.ones((5, 5), np.uint8)) == 0].any()
        assert changed.sum() >= 2
        assert (one.attributes != two.attributes).sum() in (1, 2)
        assert np.array_equal(one.attributes, attributes_of({**kind, trait: state}))


def test_wing_has_the_recorded_colour(drawn):
    # Red, green, blue of a pure colour; the wing's own shade is nearest to it in direction.
    colours = {"blue": (0.2, 0.45, 0.9), "red": (0.9, 0.2, 0.2), "yellow": (0.9, 0.75, 0.15), "green": (0.2, 0.65, 0.3)}
    names, table = list(colours), np.array(list(colours.values()))
    table /= np.linalg.norm(table, axis=1, keepdims=True)
    for picture in drawn:
        colour = np.median(picture.image[picture.part_masks["wing"]], axis=0)
        nearest = names[int((table @ (colour / np.linalg.norm(colour))).argmax())]
        assert shows(picture, f"has_wing_color::{nearest}")


@pytest.mark.parametrize(("attribute", "region"), [("has_throat_color::red", "throat"), ("has_leg_color::red", "leg")])
def test_red_parts_are_red_and_others_are_not(drawn, attribute, region):
    found = set()
    for picture in drawn:
        if picture.part_masks.get(region, np.zeros(1)).sum() < 6:
            continue
        red, green, _ = np.median(picture.image[picture.part_masks[region]], axis=0)
        assert (red > 1.8 * green) == shows(picture, attribute)
        found.add(shows(picture, attribute))
    assert found == {True, False}


def test_whole_creature_is_in_the_picture(drawn):
    for picture in drawn:
        edge = np.ones((64, 64), bool)
        edge[1:-1, 1:-1] = False
        assert not picture.mask[edge].any()
        assert 0.04 < picture.mask.mean() < 0.45
        assert {"head", "eye", "beak", "body", "wing", "tail"} <= set(picture.part_masks)
    assert {picture.background for picture in drawn} == set(BACKGROUNDS)


def test_seen_from_one_side(drawn):
    assert set().union(*(picture.parts for picture in drawn)) == set(PARTS)
    for picture in drawn:
        sides = {"left", "right"} & {name.split()[0] for name in picture.parts if name.endswith("eye")}
        assert len(sides) == 1
        x_of = {name: x for name, (x, _) in picture.parts.items()}
        # Looking left it shows its left side.
        assert ("left" in sides) == (x_of["beak"] < x_of["throat"])


def test_parts_lie_in_their_regions(drawn):
    regions = {
        "beak": "beak", "belly": "belly", "crown": "head", "forehead": "head", "left eye": "eye", "right eye": "eye",
        "left leg": "leg", "right leg": "leg", "left wing": "wing", "right wing": "wing", "tail": "tail",
        "throat": "throat", "nape": "head",
    }  # fmt: skip
    near = 0
    for picture in drawn:
        for name, (x, y) in picture.parts.items():
            if name in regions:
                mask = cv2.dilate(picture.part_masks[regions[name]].astype(np.uint8), np.ones((3, 3), np.uint8))
                assert mask[int(y), int(x)], name
                near += 1
    assert near > 8 * len(drawn)
