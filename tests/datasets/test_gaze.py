"""Heat maps beside the literal sum over fixations, and the text that fixations come in."""

import math
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.datasets.formats.gaze import heat_map, read_fixations
from pipeline.errors import UserError

#: Inside the smallest image and a little around it: far outside, nothing is left of a Gaussian.
PLACE = st.floats(-4, 12)
FIXATIONS = st.lists(st.tuples(PLACE, PLACE, st.integers(1, 2000)), min_size=1, max_size=6)


def literal(fixations: list[tuple[float, float, float]], height: int, width: int) -> np.ndarray:
    """The map on the scale 0..255 before rounding, as it is defined: pixel by pixel, fixation by fixation."""
    sigma = 0.07 * height
    heat = np.zeros((height, width))
    for row in range(height):
        for column in range(width):
            for x, y, duration in fixations:
                squared = (column - x) ** 2 + (row - y) ** 2
                heat[row, column] += duration * math.exp(-squared / (2 * sigma**2))
    return (heat - heat.min()) / (heat.max() - heat.min()) * 255


@given(fixations=FIXATIONS, height=st.integers(8, 24), width=st.integers(8, 24))
@settings(max_examples=30, deadline=None)
def test_heat_map_equals_the_literal_sum(fixations, height, width):
    found = heat_map(np.array(fixations), height, width)
    assert found.shape == (height, width) and found.dtype == np.uint8
    assert found.min() == 0 and found.max() == 255
    # Rounded to the nearest; what lies halfway between two may go to either.
    assert np.abs(found - literal(fixations, height, width)).max() <= 0.5 + 1e-6


def test_one_fixation_by_hand():
    found = heat_map(np.array([[10, 50, 300]]), 100, 80)
    assert np.unravel_index(found.argmax(), found.shape) == (50, 10)
    # σ is 7 pixels: one σ away remains exp(-1/2) of the maximum, whatever the duration and the direction.
    assert found[50, 17] == found[57, 10] == found[43, 10] == 155 == round(255 * math.exp(-0.5))
    assert found[50, 24] == 35 == round(255 * math.exp(-2))
    assert found[50, 79] == 0


def test_a_longer_fixation_is_brighter_in_proportion():
    found = heat_map(np.array([[20, 50, 100], [80, 50, 400]]), 100, 100)
    assert found[50, 80] == 255
    assert found[50, 20] == 64 == round(255 / 4)


def test_whole_numbers_do_not_overflow():
    assert heat_map(np.array([[200, 100, 900]], np.uint16), 120, 210).argmax() == 100 * 210 + 200


@pytest.mark.parametrize("fixations", [np.empty((0, 3)), np.array([[3, 4, 0]])])
def test_no_time_anywhere_is_an_empty_map(fixations):
    found = heat_map(fixations, 10, 12)
    assert found.shape == (10, 12) and not found.any()


PIXEL = st.integers(0, 2000)
VIEWING = st.tuples(
    st.integers(1, 20), st.integers(1, 2000), st.integers(1, 2000), st.lists(st.tuples(PIXEL, PIXEL, PIXEL), max_size=4)
)


@given(runs=st.lists(st.lists(VIEWING, max_size=8), min_size=1, max_size=3), end=st.sampled_from(["\n", "\r\n"]))
@settings(max_examples=40)
def test_fixations_are_those_of_all_viewings_in_order(runs, end, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    files, expected = [], defaultdict(list)
    for run, viewings in enumerate(runs):
        lines = []
        for image, width, height, looks in viewings:
            lines.append(",".join(map(str, (image, width, height, *(number for look in looks for number in look)))))
            expected[image] += [(x / width, y / height, duration) for x, y, duration in looks]
        files.append(folder / f"{run}.txt")
        files[-1].write_text(end.join(lines), newline="")
    found = read_fixations(files, "replace it")
    assert {image: list(map(tuple, looks.tolist())) for image, looks in found.items()} == expected


@pytest.mark.parametrize(
    "line",
    [
        "7,500,375,1,2",
        "7,500,375,1,2,x",
        "seven,500,375,1,2,3",
        "7,0,375,1,2,3",
        "7,500,375,1,nan,3",
        "7,500,inf,1,2,3",
    ],
)
def test_a_line_that_is_no_viewing(tmp_path, line):
    file = tmp_path / "Fixation_run1.txt"
    file.write_text(f"5,500,375,1,2,3\n{line}\n")
    with pytest.raises(UserError, match=rf"Fixation_run1\.txt: a viewing of image {line.split(',')[0]} .*; replace it"):
        read_fixations([file], "replace it")


def test_a_line_of_one_field(tmp_path):
    file = tmp_path / "Fixation_run1.txt"
    file.write_text("5,500,375,1,2,3\n7\n")
    with pytest.raises(UserError, match=r"Fixation_run1\.txt:2: 1 fields, expected 2; replace it"):
        read_fixations([file], "replace it")


@pytest.mark.real_data
def test_the_official_fixations(unpacked):
    files = sorted((unpacked("cub_gha_fixations.tar.gz") / "CUB_GHA/data_5runs").glob("Fixation_run*.txt"))
    found = read_fixations(files, "replace it")
    assert set(found) == set(range(1, 11_789))
    lines = [line for file in files for line in file.read_text().splitlines()]
    assert len(lines) == 58_489
    assert sum(map(len, found.values())) == sum((line.count(",") - 2) // 3 for line in lines)
    # Every point lies inside its photograph, and no fixation takes no time.
    looks = np.concatenate(list(found.values()))
    assert (looks[:, :2] >= 0).all() and (looks[:, :2] < 1).all() and (looks[:, 2] > 0).all()
