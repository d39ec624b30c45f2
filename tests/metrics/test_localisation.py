"""Localisation: every metric beside its definition with loops over images, filters and pixels; what has no value."""

from fractions import Fraction
from itertools import product
from math import floor, isnan, nan

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor
from torch.nn.functional import interpolate
from torchmetrics.functional.classification import binary_jaccard_index

from pipeline.metrics import localisation
from pipeline.metrics.localisation import (
    by_focus,
    centre_distance,
    class_means,
    energy_inside,
    filter_overlaps,
    filter_thresholds,
    focus,
    half_maximum_overlaps,
    intersection_over_union,
    map_overlaps,
    pointing_game,
    reaches,
    top_share,
)

SHAPE = (3, 4, 5)
MAPS = arrays("float64", SHAPE, elements=st.integers(-4, 4)).map(torch.from_numpy)
MASKS = arrays("bool", SHAPE).map(torch.from_numpy)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def pixels(mask: Tensor) -> set[tuple[int, int]]:
    return {place for place in product(*map(range, mask.shape)) if mask[place]}


def overlap(predicted: set, true: set) -> float:
    if not predicted | true:
        return 0.0
    return len(predicted & true) / len(predicted | true) if true else nan


@given(predicted=MASKS, true=MASKS)
def test_overlap_is_that_of_sets_of_pixels(predicted, true):
    expected = [overlap(pixels(one), pixels(other)) for one, other in zip(predicted, true, strict=True)]
    assert intersection_over_union(predicted, true).tolist() == pytest.approx(expected, nan_ok=True)


def test_overlap_of_equal_disjoint_and_empty_masks():
    mask, none = torch.eye(3).bool()[None], torch.zeros(1, 3, 3).bool()
    pairs = [(mask, mask), (mask, ~mask), (none, none), (none, mask), (mask, none)]
    values = [intersection_over_union(*pair).item() for pair in pairs]
    assert values == pytest.approx([1, 0, 0, 0, nan], nan_ok=True)


def test_overlap_agrees_with_torchmetrics():
    predicted, true = draw(4, 9, 9) > 0.5, draw(4, 9, 9, seed=1) > 0.5
    theirs = [binary_jaccard_index(one.int(), other.int()).item() for one, other in zip(predicted, true, strict=True)]
    assert intersection_over_union(predicted, true).tolist() == pytest.approx(theirs)


def test_overlaps_broadcast_over_filters():
    predicted, true = draw(2, 3, 4, 4) > 0.5, draw(2, 4, 4, seed=1) > 0.5
    found = intersection_over_union(predicted, true[:, None])
    expected = [[overlap(pixels(predicted[n, k]), pixels(true[n])) for k in range(3)] for n in range(2)]
    assert found.tolist() == [pytest.approx(row) for row in expected]


@pytest.mark.parametrize("numerator", range(1, 61))
def test_overlap_of_n_percent_reaches_n(numerator):
    """In binary fractions too: 29 of 100 pixels are 29 %."""
    true = torch.ones(1, 1, 100).bool()
    found = intersection_over_union(torch.arange(100)[None, None] < numerator, true)
    assert reaches(found, numerator).item() == 1 and reaches(found, numerator + 1).item() == 0


def test_share_of_reached_overlaps_falls_with_n():
    overlaps = torch.cat([draw(50).double(), torch.tensor([nan])])
    rates = [reaches(overlaps, n).nanmean().item() for n in range(5, 65, 5)]
    by_hand = [sum(value >= n / 100 for value in overlaps.tolist()) / 50 for n in range(5, 65, 5)]
    assert rates == pytest.approx(by_hand) and rates == sorted(rates, reverse=True)
    assert reaches(overlaps, 5)[-1].isnan()


@given(maps=MAPS, percent=st.integers(1, 100))
def test_top_share_is_what_reaches_the_value_at_the_rank(maps, percent):
    rank = max(1, floor(Fraction(percent, 100) * 20))
    for map_, mask in zip(maps, top_share(maps, percent / 100), strict=True):
        least = sorted(map_.flatten().tolist(), reverse=True)[rank - 1]
        assert pixels(mask) == {place for place in product(range(4), range(5)) if map_[place] >= least}


@pytest.mark.parametrize(("share", "side", "count"), [(0.3, 128, 4915), (0.29, 10, 29), (0.3, 1, 1), (1.0, 7, 49)])
def test_top_share_covers_its_share_without_ties(share, side, count):
    assert top_share(draw(2, side, side), share).sum((1, 2)).tolist() == [count, count]


def test_constant_maps_cover_the_image():
    masks = draw(1, 4, 4) > 0.5
    assert top_share(torch.zeros(1, 4, 4), 0.3).all()
    assert map_overlaps(torch.full((1, 4, 4), -2.0), masks, 0.3).item() == pytest.approx(masks.double().mean().item())


@given(maps=MAPS, masks=MASKS)
def test_map_overlaps_are_those_of_their_top_share(maps, masks):
    predicted = top_share(maps, 0.3)
    expected = [overlap(pixels(one), pixels(other)) for one, other in zip(predicted, masks, strict=True)]
    assert map_overlaps(maps, masks, 0.3).tolist() == pytest.approx(expected, nan_ok=True)


def pointed(map_: Tensor, mask: Tensor) -> float:
    places = list(product(range(4), range(5)))
    if len({map_[place].item() for place in places}) == 1 or not mask.any():
        return nan
    return float(mask[max(places, key=lambda place: map_[place].item())])  # max takes the first of equals


@given(maps=MAPS, masks=MASKS)
def test_pointing_game_is_the_place_of_the_first_maximum(maps, masks):
    expected = [pointed(map_, mask) for map_, mask in zip(maps, masks, strict=True)]
    assert pointing_game(maps, masks).tolist() == pytest.approx(expected, nan_ok=True)


def energy(map_: Tensor, mask: Tensor) -> float:
    positive = {place: max(map_[place].item(), 0) for place in product(range(4), range(5))}
    if not mask.any():
        return nan
    return sum(positive[place] for place in pixels(mask)) / sum(positive.values()) if sum(positive.values()) else 0.0


@given(maps=MAPS, masks=MASKS)
def test_energy_inside_is_the_literal_sum(maps, masks):
    expected = [energy(map_, mask) for map_, mask in zip(maps, masks, strict=True)]
    assert energy_inside(maps, masks).tolist() == pytest.approx(expected, nan_ok=True)


def test_centre_distance_is_that_of_the_centre_of_mass():
    maps = torch.zeros(6, 5, 9)
    maps[0, 2, 4] = 3  # the centre
    maps[1, 0, 8] = 0.1  # a corner
    maps[2, 2, 0] = 2  # the middle of a side
    maps[3, 2, 0], maps[3, 2, 8], maps[3, 0, 0] = 1, 1, -5  # both sides, nothing negative counts
    maps[5, 1, 1] = torch.nan
    expected = [0, 1, 2**-0.5, 0, nan, nan]
    assert centre_distance(maps).tolist() == pytest.approx(expected, nan_ok=True)


def half_maximum(map_: Tensor, mask: Tensor) -> float:
    inside = [(y, x) for y in range(len(mask)) for x in range(len(mask[0])) if mask[y, x]]
    highest = map_.max().item()
    predicted = [
        (y, x) for y in range(len(mask)) for x in range(len(mask[0])) if highest > 0 and map_[y, x] >= highest / 2
    ]
    return len({*inside} & {*predicted}) / len({*inside} | {*predicted}) if inside else nan


@given(maps=MAPS, masks=MASKS)
def test_overlap_at_half_the_maximum_is_that_of_two_sets(maps, masks):
    expected = [half_maximum(map_, mask) for map_, mask in zip(maps, masks, strict=True)]
    assert half_maximum_overlaps(maps, masks).tolist() == pytest.approx(expected, nan_ok=True)


METRICS = [
    lambda maps, masks: map_overlaps(maps, masks, 0.3), half_maximum_overlaps, pointing_game, energy_inside,
]  # fmt: skip


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_bad_values_spoil_their_own_map_only(metric, bad):
    maps, masks = draw(3, 4, 4), draw(3, 4, 4, seed=1) > 0.5
    spoilt = maps.clone()
    spoilt[1, 2, 2] = bad
    expected = metric(maps, masks).tolist()
    assert metric(spoilt, masks).tolist() == pytest.approx([expected[0], nan, expected[2]], nan_ok=True)


@pytest.mark.parametrize("metric", METRICS)
def test_masks_without_a_pixel_have_no_value(metric):
    maps, masks = draw(2, 4, 4), torch.zeros(2, 4, 4).bool()
    masks[1, 0, 0] = True
    assert metric(maps, masks).isnan().tolist() == [True, False]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_scale_of_a_map_does_not_matter(metric, scale):
    maps, masks = draw(5, 8, 8).double() - 0.5, draw(5, 8, 8, seed=1) > 0.5
    assert metric(maps * scale, masks).tolist() == pytest.approx(metric(maps, masks).tolist())


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("shapes", [((2, 4, 4), (2, 4, 5)), ((2, 4, 4), (3, 4, 4)), ((2, 1, 4, 4), (2, 1, 4, 4))])
def test_maps_and_masks_that_do_not_fit_are_refused(metric, shapes):
    with pytest.raises(ValueError, match="expected maps and masks N×H×W of one shape, got 2×"):
        metric(torch.zeros(shapes[0]), torch.zeros(shapes[1]).bool())


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="expected boolean masks of one size, got 2×3×3 float32 and 2×3×3 bool"):
        intersection_over_union(torch.zeros(2, 3, 3), torch.zeros(2, 3, 3).bool())
    with pytest.raises(ValueError, match="expected activation maps N×K×h×w"):
        filter_thresholds(torch.zeros(2, 3, 3), 0.3)
    with pytest.raises(
        ValueError, match="expected maps N×K×h×w, masks N×H×W and thresholds K, got 2×3×4×4 float32, 2×"
    ):
        filter_overlaps(torch.zeros(2, 3, 4, 4), torch.zeros(2, 9, 9).bool(), torch.zeros(2))
    with pytest.raises(ValueError, match="expected values N×… and labels N"):
        class_means(torch.zeros(3, 2), torch.zeros(2, dtype=torch.long), 2)


@pytest.mark.parametrize("block", [1, 100, 2**23])
def test_thresholds_are_values_at_their_rank_over_all_images(monkeypatch, block):
    monkeypatch.setattr(localisation, "COLUMN_BLOCK", block)
    maps = draw(7, 5, 3, 2)
    maps[:, 3] = 0
    for k, threshold in enumerate(filter_thresholds(maps, 0.3).tolist()):
        values = sorted((value for image in maps for value in image[k].flatten().tolist()), reverse=True)
        assert threshold == values[floor(0.3 * 42) - 1]


def test_thresholds_leave_their_share_of_each_filter():
    maps = draw(25, 6, 4, 4)
    covered = (maps >= filter_thresholds(maps, 0.3)[:, None, None]).sum((0, 2, 3))
    assert covered.tolist() == [120] * 6


def literal_overlaps(maps: Tensor, masks: Tensor, thresholds: Tensor) -> Tensor:
    """Every upsampled map at once."""
    large = interpolate(maps, size=masks.shape[1:], mode="bilinear", align_corners=False)
    predicted = large >= thresholds[:, None, None]
    found = [
        [overlap(pixels(predicted[n, k]), pixels(masks[n])) for k in range(maps.shape[1])] for n in range(len(maps))
    ]
    return torch.tensor(found, dtype=torch.double)


@pytest.mark.parametrize("block", [1, 200, 1000, 2**20])
@pytest.mark.parametrize(
    ("small", "large"), [((2, 3), (11, 9)), ((4, 4), (16, 16)), ((7, 7), (7, 7)), ((5, 4), (3, 9))]
)
def test_filter_overlaps_are_those_of_all_upsampled_maps(monkeypatch, block, small, large):
    monkeypatch.setattr(localisation, "BLOCK", block)
    maps = (draw(6, 5, *small) - 0.3).relu()
    masks = draw(6, *large, seed=1) > 0.6
    thresholds = filter_thresholds(maps, 0.3)
    assert torch.equal(filter_overlaps(maps, masks, thresholds), literal_overlaps(maps, masks, thresholds))


def test_negative_thresholds_are_reached_alike():
    maps, masks = draw(4, 3, 3, 3) - 2, draw(4, 9, 9, seed=1) > 0.6
    thresholds = filter_thresholds(maps, 0.3)
    assert (thresholds < 0).all()
    assert torch.equal(filter_overlaps(maps, masks, thresholds), literal_overlaps(maps, masks, thresholds))


@pytest.mark.parametrize("value", [0.1, 0.7, 1 / 3, 1e-20, -0.1, 0.0])
def test_constant_filters_cover_the_image_whatever_the_rounding(value):
    maps, masks = torch.full((2, 1, 7, 7), value), draw(2, 224, 224) > 0.4
    found = filter_overlaps(maps, masks, filter_thresholds(maps, 0.3))
    assert torch.equal(found[:, 0], masks.double().mean((1, 2)))


def test_bad_activations_spoil_their_own_filter_only():
    maps, masks = draw(3, 4, 2, 2), draw(3, 8, 8, seed=1) > 0.5
    spoilt = maps.clone()
    spoilt[1, 2, 0, 0], spoilt[0, 3, 1, 1] = torch.nan, torch.inf
    thresholds = filter_thresholds(spoilt, 0.3)
    assert thresholds.isnan().tolist() == [False, False, True, True]
    assert torch.equal(thresholds[:2], filter_thresholds(maps, 0.3)[:2])
    clean = filter_thresholds(maps, 0.3)
    found = filter_overlaps(spoilt, masks, clean)
    assert found.isnan().nonzero().tolist() == [[0, 3], [1, 2]]
    known = ~found.isnan()
    assert torch.equal(found[known], filter_overlaps(maps, masks, clean)[known])
    assert filter_overlaps(spoilt, masks, thresholds).isnan().all(0).tolist() == [False, False, True, True]


def test_filters_on_images_without_a_mask():
    """One that finds nothing there has 0 by the rule of the empty union; one that finds something has no value."""
    maps = torch.tensor([0.0, 1.0]).view(1, 2, 1, 1)
    found = filter_overlaps(maps, torch.zeros(1, 4, 4).bool(), torch.tensor([0.5, 0.5]))
    assert found[0].tolist() == pytest.approx([0, nan], nan_ok=True)


def literal_means(values: list[list[float]], labels: list[int], classes: int) -> list[list[float]]:
    found = []
    for c in range(classes):
        columns = []
        for k in range(len(values[0])):
            known = [row[k] for row, y in zip(values, labels, strict=True) if y == c and not isnan(row[k])]
            columns.append(sum(known) / len(known) if known else nan)
        found.append(columns)
    return found


@given(
    values=arrays("float64", (6, 3), elements=st.sampled_from([0.0, 0.25, 0.5, 1.0, nan])),
    labels=st.lists(st.integers(0, 3), min_size=6, max_size=6),
)
def test_aggregation_over_focus_is_appendix_h1(values, labels):
    means = class_means(torch.from_numpy(values), torch.tensor(labels), 4)
    expected = literal_means(values.tolist(), labels, 4)
    assert means.tolist() == [pytest.approx(row, nan_ok=True) for row in expected]
    own, scores, counts = by_focus(means, focus(means))
    members: dict[int, list[float]] = {c: [] for c in range(4)}
    for k in range(3):
        column = [expected[c][k] for c in range(4)]
        best = max((value for value in column if not isnan(value)), default=None)
        assert own[k].item() == pytest.approx(nan if best is None else best, nan_ok=True)
        if best is not None:
            members[column.index(best)].append(best)  # the lowest class among equals
    assert counts.tolist() == [len(members[c]) for c in range(4)]
    by_hand = [sum(members[c]) / len(members[c]) if members[c] else nan for c in range(4)]
    assert scores.tolist() == pytest.approx(by_hand, nan_ok=True)


def test_focus_of_one_measure_selects_another():
    rates = torch.tensor([[0.5, 0.0, nan], [0.5, 0.2, nan], [0.1, 0.2, nan]])
    assert focus(rates).tolist() == [0, 1, -1]
    overlaps = torch.tensor([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.7, 0.8, 0.9]])
    own, scores, counts = by_focus(overlaps, focus(rates))
    assert own.tolist() == pytest.approx([0.1, 0.5, nan], nan_ok=True)
    assert scores.tolist() == pytest.approx([0.1, 0.5, nan], nan_ok=True) and counts.tolist() == [1, 1, 0]


def test_filters_without_a_value_focus_on_no_class():
    own, scores, counts = by_focus(torch.full((2, 3), nan), focus(torch.full((2, 3), nan)))
    assert own.isnan().all() and scores.isnan().all() and counts.tolist() == [0, 0]


def test_class_means_of_single_values():
    means = class_means(torch.tensor([1.0, 3.0, 5.0, nan]), torch.tensor([2, 2, 0, 0]), 3)
    assert means.tolist() == pytest.approx([5, nan, 2], nan_ok=True)
