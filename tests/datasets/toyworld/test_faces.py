"""Faces: who it is stays, expression and dress vary, and both are seen."""

import numpy as np
import pytest

from pipeline.datasets.toyworld.canvas import Canvas
from pipeline.datasets.toyworld.draw import pictures
from pipeline.datasets.toyworld.faces import ATTRIBUTES, PEOPLE, SUBJECT, VARYING
from pipeline.datasets.toyworld.picture import Picture
from pipeline.datasets.toyworld.portrait import Face
from pipeline.datasets.toyworld.shapes import Pose

#: Names of CelebA's and LFWA's 40 attributes, with LFWA's spaces.
LFWA = set(
    """
5 o Clock Shadow, Arched Eyebrows, Attractive, Bags Under Eyes, Bald, Bangs, Big Lips, Big Nose, Black Hair, Blond Hair,
Blurry, Brown Hair, Bushy Eyebrows, Chubby, Double Chin, Eyeglasses, Goatee, Gray Hair, Heavy Makeup, High Cheekbones,
Male, Mouth Slightly Open, Mustache, Narrow Eyes, No Beard, Oval Face, Pale Skin, Pointy Nose, Receding Hairline,
Rosy Cheeks, Sideburns, Smiling, Straight Hair, Wavy Hair, Wearing Earrings, Wearing Hat, Wearing Lipstick,
Wearing Necklace, Wearing Necktie, Young
""".replace("\n", " ")
    .strip()
    .split(", ")
)


@pytest.fixture(scope="module")
def drawn() -> list[Picture]:
    return list(pictures("faces", "train", 96, size=64, seed=4))


def shown(picture: Picture) -> set[str]:
    return {name for name, value in zip(ATTRIBUTES, picture.attributes, strict=True) if value}


def test_attributes_are_of_lfwa():
    assert len(LFWA) == 40 and set(ATTRIBUTES) < LFWA and len(ATTRIBUTES) == len(set(ATTRIBUTES)) == 27
    assert {name for _, own in PEOPLE.values() for name in own} <= set(ATTRIBUTES)
    assert len(PEOPLE) == len({tuple(vector) for vector in SUBJECT.class_attributes}) == 12


def test_person_keeps_what_does_not_vary(drawn):
    for picture in drawn:
        own = set(PEOPLE[SUBJECT.class_names[picture.label]][1])
        assert shown(picture) - set(VARYING) - {"No Beard"} == own - set(VARYING)
        assert ("No Beard" in shown(picture)) == (not shown(picture) & {"Mustache", "Goatee"})
    for name in VARYING:
        assert {name in shown(picture) for picture in drawn} == {True, False}


@pytest.mark.parametrize(
    ("attribute", "region"), [("Eyeglasses", "glasses"), ("Wearing Hat", "hat"), ("No Beard", "beard")]
)
def test_attribute_is_there_if_its_region_is(drawn, attribute, region):
    expected = [(attribute in shown(picture)) != (attribute == "No Beard") for picture in drawn]
    assert [region in picture.part_masks for picture in drawn] == expected


def test_hair_has_the_recorded_colour(drawn):
    colours = {
        "Black Hair": (38, 33, 38), "Brown Hair": (107, 69, 46), "Blond Hair": (230, 189, 107),
        "Gray Hair": (179, 181, 186),
    }  # fmt: skip
    for picture in drawn:
        own = shown(picture) & set(colours)
        if own and "Wearing Hat" not in shown(picture):
            colour = np.median(picture.image[picture.part_masks["hair"]].astype(float), axis=0)
            assert min(colours, key=lambda name: np.abs(colour - colours[name]).sum()) in own
        assert own or "Bald" in shown(picture)


def test_lips_are_red_with_lipstick_and_the_mouth_is_higher_when_open(drawn):
    red = {True: [], False: []}
    high = {True: [], False: []}
    for picture in drawn:
        mouth = picture.part_masks["mouth"]
        colour = np.median(picture.image[mouth].astype(float), axis=0)
        red["Wearing Lipstick" in shown(picture)].append(colour[0] / colour[1])
        high["Mouth Slightly Open" in shown(picture)].append(mouth.any(axis=1).sum())
    assert np.mean(red[True]) > 1.5 * np.mean(red[False])
    assert np.mean(high[True]) > 1.2 * np.mean(high[False])


def test_left_is_the_persons_own_left(drawn):
    for picture in drawn:
        assert picture.parts["left eye"][0] > picture.parts["right eye"][0]
        assert picture.parts["nose"][1] < picture.parts["mouth"][1] < picture.parts["chin"][1]


@pytest.mark.parametrize("attribute", sorted(set(ATTRIBUTES) - {"No Beard"}))
def test_each_attribute_is_drawn(attribute):
    person = PEOPLE["Clara Dahl"][0]
    base = {"Young", "Brown Hair"} - ({"Brown Hair"} if attribute.endswith("Hair") else set()) - {attribute}
    images = []
    for attributes in (base, base | {attribute}):
        canvas = Canvas(96)
        canvas.begin("person")
        Face(person, frozenset(attributes), Pose(0.5, 0.43), (0.0, 0.0), 0.0).paint(canvas)
        images.append(canvas.image().astype(int))
    assert (np.abs(images[0] - images[1]).max(axis=-1) > 20).sum() >= 8
