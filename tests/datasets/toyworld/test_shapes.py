"""Outlines: where their points lie."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.datasets.toyworld.shapes import Pose, box, ellipse, ribbon, rounded, scalloped, smooth

KNOTS = [(0.0, 0.0), (2.0, 1.0), (3.0, -1.0), (1.0, -2.0)]


def area(outline: np.ndarray) -> float:
    """Of a closed outline without crossings (shoelace formula)."""
    x, y = np.asarray(outline).T
    return abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def test_ellipse_has_its_half_axes_along_its_turn():
    outline = ellipse(3, 4, 2, 1, 90) - (3, 4)
    assert np.abs(outline).max(axis=0) == pytest.approx((1, 2))
    assert area(outline) == pytest.approx(np.pi * 2, rel=0.01)
    assert np.hypot(*(ellipse(0, 0, 5)).T) == pytest.approx(np.full(48, 5.0))


def test_round_corners_are_cut_off_a_box():
    outline = rounded(1, 2, 5, 8, 0.5)
    assert (*outline.min(axis=0), *outline.max(axis=0)) == pytest.approx((1, 2, 5, 8))
    assert area(outline) == pytest.approx(area(box(1, 2, 5, 8)) - (4 - np.pi) * 0.25, rel=0.01)


@pytest.mark.parametrize("closed", [True, False])
def test_smooth_curve_goes_through_its_knots(closed):
    curve = smooth(KNOTS, steps=4, closed=closed)
    assert len(curve) == (16 if closed else 13)
    assert [tuple(point) for point in curve[::4]] == KNOTS
    # Halfway between two knots, from the definition of the Catmull-Rom spline.
    first, second, third, fourth = np.array(KNOTS)
    assert curve[6] == pytest.approx((-first + 9 * second + 9 * third - fourth) / 16)


def test_scallops_bulge_to_the_right_of_the_way():
    bulging = scalloped([(0, 0), (1, 0), (2, 0)], 0.2)
    # Who goes right on a picture, where y points down, has below at the right hand.
    assert bulging[:, 1].max() == pytest.approx(0.2, abs=0.01)
    assert bulging[:, 1].min() == pytest.approx(0, abs=1e-12)
    assert bulging[[0, 7, 14]].tolist() == [[0, 0], [1, 0], [2, 0]]


def test_ribbon_is_as_wide_as_told():
    outline = ribbon([(0, 0), (1, 0), (2, 0)], [0.2, 0.4, 0.0])
    assert sorted(map(tuple, outline.round(9))) == [(0, -0.1), (0, 0.1), (1, -0.2), (1, 0.2), (2, 0), (2, 0)]


@given(
    st.floats(-180, 180), st.booleans(), st.floats(0.1, 3), st.floats(-1, 1), st.floats(-1, 1), st.floats(-1, 1),
    st.floats(-1, 1),
)  # fmt: skip
def test_pose_scales_turns_mirrors_and_moves(turn, mirror, scale, x, y, point_x, point_y):
    angle = np.radians(turn)
    expected_x = scale * (point_x * np.cos(angle) - point_y * np.sin(angle))
    expected_y = scale * (point_x * np.sin(angle) + point_y * np.cos(angle))
    placed = Pose(x, y, scale, turn, mirror)([(point_x, point_y)])
    assert placed[0] == pytest.approx((x + (-expected_x if mirror else expected_x), y + expected_y), abs=1e-9)
