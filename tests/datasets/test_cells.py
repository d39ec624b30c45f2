"""Cells beside a literal form of the specification (normat.md section 5.1), which draws one image at a time."""

import numpy as np
import pytest
from reading import check, read_all
from scipy.ndimage import label as components
from scipy.stats import chi2_contingency, chisquare

from pipeline.datasets import cells
from pipeline.settings.datasets import Cells

DARK, BLURRED, NOISY = range(3)


def literal(row: int, size: int, split: int = 0, seed: int = 0) -> tuple[int, int, np.ndarray, np.ndarray, int]:
    """Label, background, image H×W×3 uint8, mask H×W uint8 and how often the cell was drawn."""
    random = np.random.default_rng([seed, split, row])
    label, background = random.integers(10), random.integers(3)
    point_x, point_y = random.uniform(128, 384, 2)
    rate = random.uniform(1e-4, 1e-3, 3)
    grid = random.random((3, 16, 16))
    pixel = np.arange(size) + 0.5
    x, y = np.meshgrid(pixel / size * 512 - 256, pixel / size * 512 - 256)

    behind = np.zeros((size, size, 3))
    for channel in range(3):
        if background == BLURRED:
            behind[:, :, channel] = bilinear(0.2 + 0.5 * grid[channel, :8, :8], size)
        if background == NOISY:
            distance = np.sqrt((x - point_x) ** 2 + (y - point_y) ** 2)
            q = bilinear(0.6 * grid[channel] - 0.3, size)
            angle = rate[channel] * (distance + q * distance) * 180 / np.pi
            behind[:, :, channel] = 0.5 * (0.5 * np.sin(angle) + 0.5)

    attempts = 0
    while True:
        attempts += 1
        cell, heat, tail = literal_cell(random, label, size, x, y)
        if label != 6 or tail.mean() >= 0.003:
            break
    image = np.clip(cell + (cell < 0.01) * behind, 0, 1)
    return label, background, np.round(255 * image).astype(np.uint8), np.round(255 * heat).astype(np.uint8), attempts


def literal_cell(random, label, size, x, y):
    radius, stretch = random.uniform(90, 110), random.uniform(0.5, 1.5)
    height, width = random.uniform(100, 200), random.uniform(100, 200)
    thickness, bar, pole, tail = (random.uniform(low, high) for low, high in ((10, 30), (10, 30), (5, 40), (10, 30)))
    sd, grid_cell = random.uniform(6, 12), random.uniform(31, 64)
    turn = np.deg2rad(random.uniform(-60, 60))
    move_x, move_y = (int(random.uniform(-0.33, 0.33) * size) * 512 / size for _ in "xy")
    border_draw, inside_draw = random.random((2, 3))
    normal = random.normal(size=(3, 16, 16))
    nodes = int(512 / grid_cell)
    radial, noise_x, noise_y = (bilinear(sd * normal[i, :nodes, :nodes], size) for i in range(3))

    u = np.cos(turn) * (x - move_x) + np.sin(turn) * (y - move_y)
    v = -np.sin(turn) * (x - move_x) + np.cos(turn) * (y - move_y)
    distance = np.sqrt(u**2 + (v / stretch) ** 2) + radial
    u, v = u + noise_x, v + noise_y
    extra = np.zeros((size, size), bool)
    if label in (3, 4, 5):
        outer = (np.abs(u) <= width / 2) & (np.abs(v) <= height / 2)
        inside = (np.abs(u) <= width / 2 - thickness) & (np.abs(v) <= height / 2 - thickness)
        colour = 0.2 * border_draw
        colour[label - 3] = 0.6 + 0.3 * border_draw[label - 3]
    else:
        outer, inside = distance <= radius, distance < radius - thickness
        colour = 0.5 + 0.4 * border_draw
    if label in (1, 2):
        extra |= (np.abs(u) <= radius) & (np.abs(v) <= bar / 2)
    if label == 2:
        extra |= (np.abs(v) <= stretch * radius) & (np.abs(u) <= pole / 2)
    for degrees in {6: [0], 7: [0, 120, 240], 8: range(0, 360, 45)}.get(label, ()):
        a = np.deg2rad(degrees)
        across, along = np.cos(a) * u - np.sin(a) * v, np.sin(a) * u + np.cos(a) * v
        in_reach = (along >= 0.8 * stretch * radius) & (along <= 1.5 * stretch * radius + thickness)
        extra |= (np.abs(across) <= tail / 2) & in_reach
    if label == 9:
        outer, inside = extra, extra

    cell, heat = np.zeros((size, size, 3)), np.zeros((size, size))
    cell[outer], heat[outer] = colour, 0.9 if label in (0, 3, 4, 5) else 0.4
    cell[inside], heat[inside] = (0.1, 0.1, 0.3) + 0.2 * inside_draw, 0.4
    cell[extra], heat[extra] = colour * (0.75 if label in (6, 7, 8) else 1), 0.9
    return cell, heat, extra


def bilinear(grid: np.ndarray, size: int) -> np.ndarray:
    """The four neighbours of each pixel's place among the values, weighted; beyond the outer values nothing changes."""
    n = len(grid)
    place = np.clip((np.arange(size) + 0.5) * n / size - 0.5, 0, n - 1)
    low = np.minimum(place.astype(int), max(n - 2, 0))
    high, share = np.minimum(low + 1, n - 1), place - low
    above = (1 - share) * grid[low][:, low] + share * grid[low][:, high]
    below = (1 - share) * grid[high][:, low] + share * grid[high][:, high]
    return (1 - share[:, None]) * above + share[:, None] * below


def draws(*labels: int, **values: float) -> np.ndarray:
    """Draws of upright cells in the middle without noise, but for what `values` says."""
    found = np.zeros(len(labels), cells.DRAWS)
    found["label"] = labels
    plain = {
        "radius": 100, "stretch": 1, "height": 160, "width": 120, "border": 20, "bar": 16, "pole": 24, "tail": 20,
        "noise": 0, "noise_cell": 40,
    }  # fmt: skip
    for name, value in (plain | values).items():
        found[name] = value
    return found


@pytest.fixture(scope="module")
def many() -> list[cells.Sample]:
    return list(cells.samples("train", range(900), 32, 0))


@pytest.mark.parametrize(("size", "rows"), [(48, range(150)), (37, range(200, 220)), (512, range(3))])
def test_equals_the_literal_form_bit_for_bit(size, rows):
    for row, sample in zip(rows, cells.samples("train", rows, size, seed=0), strict=True):
        label, background, image, mask, _ = literal(row, size)
        assert (sample.label, sample.factors) == (label, {"background": cells.BACKGROUNDS[background]})
        np.testing.assert_array_equal(sample.mask, mask, f"mask of row {row}")
        np.testing.assert_array_equal(sample.image, image, f"row {row}")


def test_a_single_tail_that_hardly_shows_is_drawn_again(many):
    redrawn = [row for row, sample in enumerate(many) if sample.label == 6 and literal(row, 32)[-1] > 1]
    assert redrawn
    for row in redrawn:
        np.testing.assert_array_equal(many[row].image, literal(row, 32)[2])
    assert all((sample.mask == 230).mean() >= 0.003 for sample in many if sample.label == 6)


def test_heat_maps_have_three_values_and_blanks_none(many):
    for sample in many:
        assert set(np.unique(sample.mask)) <= {0, 102, 230}
        assert (sample.label == 9) == (not sample.mask.any())


def test_labels_and_backgrounds_are_uniform_and_independent(many):
    counts = np.zeros((10, 3))
    for sample in many:
        counts[sample.label, cells.BACKGROUNDS.index(sample.factors["background"])] += 1
    assert chisquare(counts.sum(1)).pvalue > 1e-3
    assert chisquare(counts.sum(0)).pvalue > 1e-3
    assert chi2_contingency(counts).pvalue > 1e-3


def test_backgrounds_stay_in_their_ranges(many):
    around = {kind: [] for kind in cells.BACKGROUNDS}
    for sample in many:
        around[sample.factors["background"]].append(sample.image[sample.mask == 0])
    dark, blurred, noisy = (np.concatenate(around[kind]) for kind in cells.BACKGROUNDS)
    assert dark.max() == 0
    assert 51 <= blurred.min() < 60 and 170 < blurred.max() <= 178
    assert noisy.min() == 0 and 125 < noisy.max() <= 128


@pytest.mark.parametrize(("label", "channel"), [(3, 0), (4, 1), (5, 2)])
def test_rectangles_are_told_by_the_colour_of_their_border(many, label, channel):
    # Before other backgrounds, those may add to a channel that is near zero.
    borders = [
        sample.image[sample.mask == 230]
        for sample in many
        if sample.label == label and sample.factors["background"] == "dark"
    ]
    assert len(borders) > 10
    for border in borders:
        assert (border[:, channel] >= 153).all() and (np.delete(border, channel, 1) <= 51).all()


def test_a_prefix_is_the_smaller_dataset():
    few, more = (Cells.model_validate({"from": "cells", "size": 16, "train": n, "test": n}) for n in (5, 70))
    for small, large in zip(read_all(cells.prepare(None, few)), read_all(cells.prepare(None, more)), strict=True):
        assert (len(small), len(large)) == (5, 70)
        for one, other in zip(small, large, strict=False):
            np.testing.assert_array_equal(one.image, other.image)
            np.testing.assert_array_equal(one.mask, other.mask)


def test_a_row_does_not_depend_on_the_others():
    stream = list(cells.samples("test", range(300), 32, seed=7))
    for row in (0, 131, 299):
        (alone,) = cells.samples("test", range(row, row + 1), 32, seed=7)
        assert alone.sample_id == stream[row].sample_id == f"test-{row:05d}"
        np.testing.assert_array_equal(alone.image, stream[row].image)
    other = next(iter(cells.samples("train", range(1), 32, seed=7)))
    assert (other.image != stream[0].image).any()
    assert (next(iter(cells.samples("test", range(1), 32, seed=8))).image != stream[0].image).any()


def test_keeps_the_contract():
    prepared = cells.prepare(None, Cells.model_validate({"from": "cells", "size": 24, "train": 30, "test": 10}))
    train, test = read_all(prepared)
    assert (len(train), len(test)) == (30, 10)
    assert prepared.class_names[9] == "blank" and len(prepared.class_names) == 10
    check(prepared, train[0])
    assert {"train": Cells.model_fields["train"].default, "test": Cells.model_fields["test"].default} == cells.OFFICIAL


def test_a_plain_ring_has_its_area():
    (part,) = cells._parts(draws(0), 512)
    assert (part == cells.INSIDE).sum() == pytest.approx(np.pi * 80**2, rel=2e-3)
    assert (part == cells.BORDER).sum() == pytest.approx(np.pi * (100**2 - 80**2), rel=5e-3)
    (tall,) = cells._parts(draws(0, stretch=1.5), 512)
    rows, columns = np.nonzero(tall)
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (300, 200)


def test_a_plain_rectangle_has_its_sides():
    (part,) = cells._parts(draws(4), 512)
    assert part.astype(bool).sum() == 160 * 120
    assert (part == cells.INSIDE).sum() == 120 * 80


def test_a_cell_is_turned_about_the_centre_and_then_moved():
    bar = cells._parts(draws(1, angle=30), 512)[0] == cells.EXTRA
    rows, columns = np.nonzero(bar) - np.array(255.5)
    assert np.polyfit(columns, rows, 1)[0] == pytest.approx(np.tan(np.deg2rad(30)), rel=0.02)
    moved = cells._parts(draws(1, angle=30, shift_x=0.25, shift_y=-0.1251), 512)[0] == cells.EXTRA
    np.testing.assert_array_equal(moved[36:-100, 228:], bar[100:-36, 100:-128])


def test_a_cell_is_cut_by_the_frame():
    (part,) = cells._parts(draws(0, shift_x=0.33, stretch=1.5), 256)
    assert part[:, -1].any() and not part[:, 0].any()


@pytest.mark.parametrize(("label", "number"), [(6, 1), (7, 3), (8, 8)])
def test_tails_stand_at_equal_angles_the_first_one_downwards(label, number):
    (part,) = cells._parts(draws(label), 512)
    tails, found = components(part == cells.EXTRA)
    assert found == number
    y, x = np.array([np.argwhere(tails == i + 1).mean(0) - 255.5 for i in range(found)]).T
    angles = np.sort(np.rad2deg(np.arctan2(x, y)) % 360)
    np.testing.assert_allclose(np.minimum(angles, 360 - angles)[[0]], [0], atol=0.5)
    np.testing.assert_allclose(np.hypot(x, y), (80 + 170) / 2, atol=1)
    assert np.allclose(np.diff(angles), 360 / number, atol=0.5)


def test_a_larger_image_shows_the_same():
    for small, large in zip(
        cells.samples("train", range(20), 64, 0), cells.samples("train", range(20), 256, 0), strict=True
    ):
        assert (small.label, small.factors) == (large.label, large.factors)
        assert (small.mask == large.mask[2::4, 2::4]).mean() > 0.97
