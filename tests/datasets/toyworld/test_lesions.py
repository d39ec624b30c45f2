"""Lesions: signs are seen, and marks of the background are there when they are said to be."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from pipeline.datasets.toyworld.draw import pictures
from pipeline.datasets.toyworld.lesions import ATTRIBUTES, SIGNS, SUBJECT, VARIATION
from pipeline.datasets.toyworld.picture import Picture


@pytest.fixture(scope="module")
def drawn() -> list[Picture]:
    return list(pictures("lesions", "train", 90, size=64, seed=8))


def split_by(
    drawn: list[Picture], attribute: str, measure: Callable[[Picture], float]
) -> tuple[np.ndarray, np.ndarray]:
    """`measure` of the pictures with the attribute and of those without."""
    values = {0: [], 1: []}
    for picture in drawn:
        values[int(picture.attributes[ATTRIBUTES.index(attribute)])].append(measure(picture))
    return np.array(values[1]), np.array(values[0])


def test_classes_have_their_signs_mostly(drawn):
    assert list(SIGNS) == ["melanoma", "seborrheic keratosis", "nevus"]
    flips = np.mean([picture.attributes != SUBJECT.class_attributes[picture.label] for picture in drawn])
    assert flips == pytest.approx(VARIATION, abs=0.03)


def test_irregular_border_is_long_for_its_area(drawn):
    def roughness(picture: Picture) -> float:
        (outline, *_), _ = cv2.findContours(picture.mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        return len(outline) ** 2 / picture.mask.sum()

    plain = [picture for picture in drawn if picture.background in ("plain", "vignette")]
    irregular, regular = split_by(plain, "irregular border", roughness)
    assert np.median(irregular) > 1.15 * np.median(regular)


def test_veil_is_blue(drawn):
    def bluest(picture: Picture) -> float:
        red, _, blue = picture.image[picture.mask].astype(float).T
        return np.percentile(blue - red, 97)

    veiled, clear = split_by(drawn, "blue-white veil", bluest)
    assert np.median(veiled) > 0 > np.median(clear)


def test_lesion_is_darker_than_skin(drawn):
    for picture in drawn:
        skin = next(mask for name, mask in picture.segments if name == "skin")
        assert picture.image[picture.mask].mean() < picture.image[skin].mean() - 15
        assert set(picture.part_masks) == {"lesion"} and np.array_equal(picture.part_masks["lesion"], picture.mask)


def test_background_is_marked_by_a_segment_of_its_name(drawn):
    for picture in drawn:
        marks = {name for name, _ in picture.segments} - {"lesion", "skin"}
        assert marks == ({picture.background} - {"plain"})
    assert {picture.background for picture in drawn} == {"plain", "ruler", "patch", "vignette"}
