"""The canvas: what belongs to what, by the samples that one can count."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.datasets.toyworld.canvas import Canvas, Stencil, tight_box
from pipeline.datasets.toyworld.shapes import box, ellipse

RED, GREEN, BLUE = np.eye(3)
unit = st.floats(-0.3, 1.3)
triangles = st.lists(st.lists(st.tuples(unit, unit), min_size=3, max_size=3), min_size=3, max_size=3)


def grown(stencil: Stencil, side: int) -> np.ndarray:
    """The stencil on the whole canvas."""
    whole = np.zeros((side, side), bool)
    height, width = stencil.inside.shape
    whole[stencil.top : stencil.top + height, stencil.left : stencil.left + width] = stencil.inside
    return whole


@given(triangles)
@settings(max_examples=60)
def test_pixel_belongs_to_what_covers_more_than_half_of_it(outlines):
    canvas = Canvas(12)
    for outline, colour in zip(outlines, (RED, GREEN, BLUE), strict=True):
        canvas.begin("triangle")
        canvas.fill(outline, colour)
    # In flat pure colours the picture itself says which share of a pixel each object covers.
    shares = canvas.image()
    masks = [canvas.mask(lambda owner, _, number=number: owner == number) for number in range(3)]
    for number, mask in enumerate(masks):
        assert np.array_equal(mask, shares[..., number] > 127)
    assert np.stack(masks).sum(axis=0).max() <= 1
    assert np.array_equal(canvas.mask(lambda owner, _: owner < 2), shares[..., 0].astype(int) + shares[..., 1] > 127)
    found = [mask for _, mask in canvas.segments()]
    expected = [mask for mask in masks if mask.any()]
    assert len(found) == len(expected) and all(map(np.array_equal, found, expected))


@pytest.mark.parametrize(("samples", "belongs"), [(1, False), (4, False), (5, True), (9, True)])
def test_five_of_nine_samples_are_enough_and_four_are_not(samples, belongs):
    canvas = Canvas(4)
    canvas.begin("thing")
    canvas.fill(Stencil(3, 6, np.arange(9).reshape(3, 3) < samples), RED)
    expected = np.zeros((4, 4), bool)
    expected[1, 2] = belongs
    assert np.array_equal(canvas.mask(lambda *_: True), expected)


@given(st.lists(st.tuples(unit, unit), min_size=3, max_size=5), st.lists(st.tuples(unit, unit), min_size=3, max_size=5))
@settings(max_examples=60)
def test_stencils_combine_as_the_sets_that_they_are(one, other):
    canvas = Canvas(10)
    first, second = canvas.stencil(one), canvas.stencil(other)
    wholes = grown(first, 30), grown(second, 30)
    assert np.array_equal(grown(first & second, 30), wholes[0] & wholes[1])
    assert np.array_equal(grown(canvas.stencil(one, other), 30), wholes[0] | wholes[1])
    if first.inside.size and second.inside.size:
        assert np.array_equal(grown(first | second, 30), wholes[0] | wholes[1])


def test_tints_lights_and_lines_belong_to_what_they_lie_on():
    canvas = Canvas(30)
    canvas.begin("ball")
    ball = canvas.fill(ellipse(0.5, 0.5, 0.3), (0.5, 0.5, 0.5), "skin")
    before, mask = canvas.image().astype(int), canvas.mask(lambda *_: True)
    canvas.tint(box(0, 0, 1, 0.5), RED, 0.5, within=ball)
    canvas.shade(ball, 0.3)
    canvas.line(ball, 0.02)
    assert np.array_equal(canvas.mask(lambda *_: True), mask)
    changed = canvas.image().astype(int) != before
    assert changed.any() and not changed[~mask & (before.sum(axis=-1) == 0)].any()


def test_light_comes_from_the_upper_left():
    canvas = Canvas(40)
    canvas.begin("ball")
    canvas.fill(ellipse(0.5, 0.5, 0.4), (0.5, 0.5, 0.5), shade=0.4)
    grey = canvas.image()[..., 0].astype(int)
    assert grey[6, 17] > grey[20, 20] + 10 > grey[33, 23] + 20


def test_strength_mixes_colours():
    canvas = Canvas(4)
    canvas.begin("wall")
    canvas.fill(box(0, 0, 1, 1), (0.2, 0.4, 0.6))
    canvas.tint(box(0, 0, 1, 1), (1.0, 0.0, 0.6), 0.25)
    assert canvas.image()[2, 2].tolist() == [round(255 * value) for value in (0.4, 0.3, 0.6)]
    ramp = np.linspace(0, 1, canvas.side)[:, None, None]
    canvas.fill(box(0, 0, 1, 1), ramp)
    assert canvas.image()[:, 1, 0].tolist() == np.rint(ramp.reshape(4, 3).mean(axis=1) * 255).astype(int).tolist()


def test_hidden_places_are_not_visible():
    canvas = Canvas(20)
    animal = canvas.begin("animal")
    canvas.fill(ellipse(0.5, 0.5, 0.4), RED, "body")
    canvas.fill(ellipse(0.5, 0.3, 0.1), BLUE, "eye")
    canvas.begin("leaf")
    canvas.fill(box(0.6, 0.4, 1.0, 0.6), GREEN)
    places = [
        ("back", (0.3, 0.5), ("body",)),
        ("eye", (0.5, 0.3), ("eye", "lid")),
        ("forehead", (0.5, 0.31), ("body",)),
        ("leaf-covered", (0.7, 0.5), ("body",)),
        ("beside", (0.05, 0.05), ("body",)),
        ("outside", (1.0, 0.5), ("body",)),
        ("far outside", (-0.2, 0.5), ("body",)),
    ]
    assert canvas.visible(animal, places) == {"back": (6.0, 10.0), "eye": (10.0, 6.0)}
    assert list(canvas.regions(animal, ("eye", "tail", "body"))) == ["eye", "body"]


def test_tight_box_encloses_every_pixel():
    mask = np.zeros((9, 12), bool)
    mask[2, 5] = mask[6, 3] = True
    assert tight_box(mask) == (3.0, 2.0, 3.0, 5.0)


def test_shadow_darkens_softly():
    canvas = Canvas(30)
    canvas.begin("ground")
    canvas.fill(box(0, 0, 1, 1), (0.8, 0.8, 0.8))
    canvas.shadow(ellipse(0.5, 0.5, 0.2), 0.5, 0.05)
    line = canvas.image()[15, :, 0].astype(int)
    assert line[0] == line[-1] == 204 and line[15] == pytest.approx(102, abs=1)
    assert len(set(line[5:15])) > 4 and (np.diff(line[:15]) <= 0).all()
