"""Probabilities of parts and objects: the literal loops over features, parts and pixels, and a case by hand."""

from math import dist, inf, isnan, log, nan

import pytest
import torch
from torch import Tensor

from pipeline.metrics.locality import (
    locality_entropy,
    mean_probabilities,
    object_probabilities,
    pixel_probabilities,
    voronoi_probabilities,
)

HEIGHT, WIDTH = 6, 7


def drawn(seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Maps of 2 features on 8 images, 4 parts each, at places of their own that may lie outside, some invisible."""
    generator = torch.Generator().manual_seed(seed)
    maps = torch.rand(8, 2, HEIGHT, WIDTH, generator=generator, dtype=torch.float64)
    points = torch.rand(8, 4, 2, generator=generator) * 8 - 1
    points[::2] = points[::2].round()  # many pixels are as near to one part as to another
    visible = torch.rand(8, 4, generator=generator) < 0.7
    visible[:, 1] = True
    top, left = torch.randint(0, 3, (2, 8), generator=generator)
    tall, wide = torch.randint(2, 7, (2, 8), generator=generator)
    return maps, points, visible, torch.stack([top, left, tall, wide], 1)


def literal_voronoi(heat: list, points: list, visible: list, box: list) -> list[float]:
    """Algorithm 3 of the thesis for one map and image: pixel by pixel, part by part."""
    top, left, tall, wide = box
    total = sum(map(sum, heat))
    owned: dict[int, list[tuple[int, int]]] = {p: [] for p in range(len(points))}
    context = 0.0
    for i in range(HEIGHT):
        for j in range(WIDTH):
            if top <= i < top + tall and left <= j < left + wide:
                nearest, owner = inf, None
                for p, point in enumerate(points):
                    if visible[p] and dist((i, j), point) < nearest:
                        nearest, owner = dist((i, j), point), p
                owned[owner].append((i, j))
            else:
                context += heat[i][j] / total
    found = []
    for p, pixels in owned.items():
        furthest = max((dist(pixel, points[p]) for pixel in pixels), default=0)
        weights = [1 - dist(pixel, points[p]) / furthest if furthest else 1 for pixel in pixels]
        mass = sum(weight * heat[i][j] / total for weight, (i, j) in zip(weights, pixels, strict=True))
        found.append(mass if visible[p] else nan)
    return [*found, context]


def test_voronoi_is_the_literal_triple_loop():
    maps, points, visible, boxes = drawn()
    found = voronoi_probabilities(maps, points, visible, boxes)
    assert found.shape == (8, 2, 5)
    for m in range(8):
        for n in range(2):
            expected = literal_voronoi(maps[m, n].tolist(), points[m].tolist(), visible[m].tolist(), boxes[m].tolist())
            assert found[m, n].tolist() == pytest.approx(expected, nan_ok=True)


def test_voronoi_of_two_parts_by_hand():
    """Parts at (1, 1) and (1, 3), a box of 3 × 3 at (0, 1), all heat even: the middle column belongs to the first."""
    points, box = torch.tensor([[[1.0, 1.0], [1.0, 3.0]]]), torch.tensor([[0, 1, 3, 3]])
    found = voronoi_probabilities(torch.ones(1, 1, 5, 5), points, torch.ones(1, 2, dtype=torch.bool), box)
    root = 2**0.5
    first = 1 + 3 * (1 - 1 / root) + 2 * 0  # itself, three at distance 1, two at √2, the furthest
    second = 1 + 0 + 0  # itself, two at distance 1, the furthest
    assert found[0, 0].tolist() == pytest.approx([first / 25, second / 25, 16 / 25])


def test_part_with_one_pixel_has_all_of_it_and_one_without_none():
    points = torch.tensor([[[0.0, 0.0], [0.0, 1.0], [0.0, 30.0]]])
    found = voronoi_probabilities(
        torch.tensor([[[[1.0, 2.0, 5.0]]]]), points, torch.ones(1, 3, dtype=torch.bool), torch.tensor([[0, 0, 1, 2]])
    )
    assert found[0, 0].tolist() == pytest.approx([1 / 8, 2 / 8, 0, 5 / 8])


def test_all_heat_outside_the_box_is_context():
    maps, points, visible, _ = drawn()
    maps[..., :3, :3] = 0
    found = voronoi_probabilities(maps, points, visible, torch.tensor([[0, 0, 3, 3]]).expand(8, 4))
    assert found[..., 4].flatten().tolist() == pytest.approx([1] * 16)
    assert found[..., 1].flatten().tolist() == [0] * 16


def test_pixels_are_read_at_the_nearest_place_in_the_map():
    maps, points, visible, _ = drawn()
    found = pixel_probabilities(maps, points, visible)
    for m in range(8):
        for n in range(2):
            for p, (row, column) in enumerate(points[m].tolist()):
                i, j = min(max(round(row), 0), HEIGHT - 1), min(max(round(column), 0), WIDTH - 1)
                expected = (maps[m, n, i, j] / maps[m, n].sum()).item() if visible[m, p] else nan
                assert found[m, n, p].item() == pytest.approx(expected, nan_ok=True)


def test_objects_are_the_literal_sum_over_their_pixels():
    maps, *_ = drawn()
    objects = torch.randint(-1, 6, (8, HEIGHT, WIDTH), generator=torch.Generator().manual_seed(1))
    objects[objects == 3] = 200
    found, unlabelled = object_probabilities(maps, objects, 5)
    for m in range(8):
        for n in range(2):
            masses = {}
            for i in range(HEIGHT):
                for j in range(WIDTH):
                    name = objects[m, i, j].item()
                    masses[name] = masses.get(name, 0) + (maps[m, n, i, j] / maps[m, n].sum()).item()
            assert found[m, n].tolist() == pytest.approx([masses.get(c, nan) for c in range(5)], nan_ok=True)
            assert unlabelled[m, n].item() == pytest.approx(sum(masses.get(name, 0) for name in (-1, 5, 200)))
    assert (found.nansum(2) + unlabelled).flatten().tolist() == pytest.approx([1] * 16)
    assert object_probabilities(maps, objects.to(torch.int32), 5)[1].equal(unlabelled)


NOTHING = torch.zeros(8, HEIGHT, WIDTH, dtype=torch.int32)
ALL = [
    lambda maps, points, visible, boxes: pixel_probabilities(maps, points, visible),
    voronoi_probabilities,
    lambda maps, points, visible, boxes: object_probabilities(maps, NOTHING, 2)[0],
    lambda maps, points, visible, boxes: object_probabilities(maps, NOTHING, 2)[1][..., None],
]  # fmt: skip


@pytest.mark.parametrize("measure", ALL, ids=["pixel", "voronoi", "objects", "unlabelled"])
@pytest.mark.parametrize("bad", [nan, inf, -1.0, 0.0])
def test_map_that_is_none_is_nan_and_harms_no_other(measure, bad):
    maps, *rest = drawn()
    expected = measure(maps, *rest)
    maps[3, 1, 2, 2] = bad
    if not bad:
        maps[3, 1] = 0
    found = measure(maps, *rest)
    assert found[3, 1].isnan().all()
    found[3, 1] = expected[3, 1]
    assert torch.equal(found.nan_to_num(nan=-1), expected.nan_to_num(nan=-1))


@pytest.mark.parametrize("measure", ALL, ids=["pixel", "voronoi", "objects", "unlabelled"])
def test_scale_and_batch_do_not_matter(measure):
    maps, *rest = drawn()
    found = measure(maps, *rest)
    assert torch.allclose(measure(maps.float() * 7, *rest), found, rtol=1e-5, equal_nan=True)
    if measure in ALL[:2]:
        one = [measure(maps[[m]], *(values[[m]] for values in rest)) for m in range(8)]
        assert torch.allclose(torch.cat(one), found, equal_nan=True, rtol=1e-12)


def test_images_without_part_or_box_have_no_probabilities():
    maps, points, visible, boxes = drawn()
    visible[2], boxes[4] = False, torch.tensor([1, 1, 0, 3])
    boxes[5] = torch.tensor([20, 20, 5, 5])
    found = voronoi_probabilities(maps, points, visible, boxes)
    assert found.isnan().all(2).all(1).tolist() == [m in (2, 4, 5) for m in range(8)]
    assert pixel_probabilities(maps, points, visible)[2].isnan().all()


@pytest.mark.parametrize("bad", [nan, inf])
def test_points_without_numbers_are_invisible(bad):
    maps, points, visible, boxes = drawn()
    points[0, 1, 0], visible[0, 0] = bad, True
    hidden = visible.clone()
    hidden[0, 1] = False
    for found, expected in (
        (pixel_probabilities(maps, points, visible), pixel_probabilities(maps, points, hidden)),
        (voronoi_probabilities(maps, points, visible, boxes), voronoi_probabilities(maps, points, hidden, boxes)),
    ):
        assert torch.equal(found.nan_to_num(nan=-1), expected.nan_to_num(nan=-1)) and found[0, :, 1].isnan().all()


def test_mean_counts_invisible_parts_as_zero_or_skips_them():
    found = torch.tensor([
        [[0.2, 0.4], [nan, nan]],
        [[0.4, nan], [nan, nan]],
        [[nan, nan], [nan, nan]],  # no map of the first feature
    ])  # fmt: skip
    assert mean_probabilities(found)[0].tolist() == pytest.approx([0.3, 0.2])
    assert mean_probabilities(found, "skip")[0].tolist() == pytest.approx([0.3, 0.4])
    assert mean_probabilities(found)[1].isnan().all() and mean_probabilities(found, "skip")[1].isnan().all()


def test_locality_is_the_literal_entropy_and_has_known_ends():
    means = torch.rand(3, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    means[1, 2] = 0
    for row, value in zip(means.tolist(), locality_entropy(means).tolist(), strict=True):
        shares = [part / sum(row) for part in row]
        assert value == pytest.approx(-sum(share * log(share) for share in shares if share))
    single, even = torch.zeros(16), torch.full((16,), 0.01)
    single[4] = 0.3
    assert locality_entropy(torch.stack([single, even])).tolist() == pytest.approx([0, log(16)], rel=1e-6)


def test_entropy_of_bad_means():
    rows = [[nan, 0.2, 0.2], [nan, nan, nan], [0, 0, 0], [-0.1, 0.2, 0.3], [inf, 0.1, 0.1], [0.5, 0.5, 0]]
    first, *bad, last = locality_entropy(torch.tensor(rows, dtype=torch.float64)).tolist()
    assert first == last == pytest.approx(log(2)) and all(map(isnan, bad))


def test_wrong_shapes_are_named():
    maps, points, visible, boxes = drawn()
    with pytest.raises(ValueError, match=r"points M×P×2 and visible M×P, not .* \(8, 3, 2\) and \(8, 4\)"):
        pixel_probabilities(maps, points[:, :3], visible)
    with pytest.raises(ValueError, match=r"boxes: expected M×4 for 8 images, not \(7, 4\)"):
        voronoi_probabilities(maps, points, visible, boxes[:7])
    with pytest.raises(ValueError, match=r"maps M×n×H×W and objects M×H×W"):
        object_probabilities(maps, torch.zeros(8, WIDTH, HEIGHT).int(), 3)
    with pytest.raises(ValueError, match=r"expected probabilities M×n×P"):
        mean_probabilities(maps[0, 0])
    with pytest.raises(ValueError, match=r"expected mean probabilities n×P"):
        locality_entropy(maps[0])
