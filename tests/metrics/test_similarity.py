"""Likeness of maps: each measure beside its literal loop or the library that has it, and input without an answer."""

from math import floor, isnan, nan, sqrt

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity
from torch import Tensor

from pipeline.metrics.similarity import (
    display_map,
    normalised_distance,
    rank_correlation,
    ssim,
    top_k_intersection,
    top_k_overlap,
)

PAIRS = array_shapes(min_dims=3, max_dims=3, max_side=4).flatmap(
    lambda shape: st.tuples(*[arrays("float64", shape, elements=st.integers(-3, 3)).map(torch.from_numpy)] * 2)
)
MEASURES = {
    "ssim": ssim,
    "top_k_intersection": lambda first, second: top_k_intersection(first, second, 0.4),
    "top_k_overlap": lambda first, second: top_k_overlap(first, second, 0.4),
    "normalised_distance": normalised_distance,
    "rank_correlation": rank_correlation,
}
each_measure = pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def top(values: list[float], k: int) -> set[int]:
    return set(sorted(range(len(values)), key=lambda place: (-abs(values[place]), place))[:k])


def shared(first: Tensor, second: Tensor, k: int) -> float:
    one, other = first.flatten().tolist(), second.flatten().tolist()
    if k == 0 or len(set(map(abs, one))) == 1 or len(set(map(abs, other))) == 1:
        return nan
    return len(top(one, k) & top(other, k)) / k


def test_display_map_is_the_authors_lines():
    attributions = random(3, 2, 7, 9) * torch.tensor([1e-6, 1, 1e6])[:, None, None, None]
    for shown, single in zip(display_map(attributions), attributions.double().numpy(), strict=True):
        image = np.sum(np.abs(single), axis=0)
        largest, smallest = np.percentile(image, 99), np.min(image)
        expected = np.clip((image - smallest) / (largest - smallest), 0, 1)
        assert np.allclose(shown.numpy(), expected, atol=1e-12)
    assert display_map(attributions).amin() == 0 and display_map(attributions).amax() == 1


def test_display_map_on_the_scale_of_another():
    original = random(2, 3, 6, 6)
    assert torch.equal(display_map(original, scale_of=original), display_map(original))
    magnitudes = original.double().abs().sum(1)
    low, high = magnitudes[1].min(), np.percentile(magnitudes[1].numpy(), 99)
    shown = display_map(original * 0.7, scale_of=original)[1]
    assert torch.allclose(shown, ((0.7 * magnitudes[1] - low) / (high - low)).clamp(0, 1))
    assert (display_map(original * 1e-9, scale_of=original) == 0).all()
    with pytest.raises(ValueError, match="one scale for each map, got 1 for 2"):
        display_map(original, scale_of=original[:1])


def test_flat_and_nearly_empty_maps_are_shown_as_zeros():
    single = torch.zeros(1, 1, 20, 20)
    single[0, 0, 3, 4] = 5.0  # one pixel of 400 is above the 99th percentile
    flat = torch.full((1, 1, 20, 20), -2.0)
    narrow = flat.double() + 9e-11 * torch.rand(1, 1, 20, 20, dtype=torch.float64)
    assert (display_map(torch.cat([single, flat, narrow])) == 0).all()


@pytest.mark.parametrize("value", [nan, torch.inf, -torch.inf])
def test_display_map_of_a_broken_map_or_scale_is_nan(value):
    attributions, expected = random(3, 2, 5, 5), display_map(random(3, 2, 5, 5))
    attributions[1, 1, 2, 2] = value
    for shown in (display_map(attributions), display_map(random(3, 2, 5, 5), scale_of=attributions)):
        assert shown[1].isnan().all() and torch.equal(shown[[0, 2]], expected[[0, 2]])


@pytest.mark.parametrize("shape", [(40, 33), (12, 12), (6, 8)])
def test_ssim_is_scikit_images_of_the_mirrored_maps(shape):
    first = display_map(random(3, 1, *shape))
    second = display_map(random(3, 1, *shape) + 0.7 * random(3, 1, *shape, seed=1))
    options = {"data_range": 1, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "full": True}
    for found, one, other in zip(ssim(first, second), first, second, strict=True):
        # Windows around the pixels of the map see nothing of scikit-image's own border.
        pair = [np.pad(values.numpy(), 5, mode="reflect") for values in (one, other)]
        expected = structural_similarity(*pair, **options)[1][5:-5, 5:-5].mean()
        assert found.item() == pytest.approx(expected, abs=1e-6) and expected < 0.95


def test_ssim_of_constants_follows_from_its_stabilising_terms():
    zeros, halves = torch.zeros(1, 8, 8), torch.full((1, 8, 8), 0.5)
    assert ssim(zeros, zeros).item() == pytest.approx(1) and ssim(halves, halves).item() == pytest.approx(1)
    assert ssim(zeros, halves).item() == pytest.approx(0.01**2 / (0.5**2 + 0.01**2), abs=1e-6)
    assert ssim(10 * zeros, 10 * halves, data_range=10).item() == pytest.approx(ssim(zeros, halves).item(), abs=1e-6)


@pytest.mark.parametrize("shape", [(2, 5, 9), (2, 9, 5), (2, 1, 8, 8)])
def test_ssim_says_which_maps_it_cannot_compare(shape):
    with pytest.raises(ValueError, match="B×H×W with sides of at least 6 pixels"):
        ssim(torch.rand(shape), torch.rand(shape))


@given(pair=PAIRS, share=st.sampled_from([0.05, 0.3, 0.4, 0.5, 0.7, 1.0]))
def test_top_k_is_the_literal_sets(pair, share):
    first, second = pair
    expected = [
        shared(one, other, floor(round(share * one.count_nonzero().item(), 6)))
        for one, other in zip(first, second, strict=True)
    ]
    assert top_k_intersection(first, second, share).tolist() == pytest.approx(expected, nan_ok=True)
    pixels = floor(round(share * first[0].numel(), 6))
    expected = [shared(one, other, pixels) for one, other in zip(first, second, strict=True)]
    assert top_k_overlap(first, second, share).tolist() == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.4, 0.5, 0.6, 0.7, 1.0])
def test_top_k_of_a_map_with_itself_and_with_its_reverse(share):
    ranks = torch.randperm(100, generator=torch.Generator().manual_seed(0)).reshape(1, 10, 10) + 1.0
    for measure in (top_k_intersection, top_k_overlap):
        assert measure(ranks, ranks, share).item() == 1
        assert measure(ranks, 101 - ranks, share).item() == pytest.approx(max(0, 2 * share - 1) / share)


def test_only_entries_of_the_first_map_that_are_not_zero_count():
    first, second = torch.zeros(1, 10), torch.arange(10.0)[None] + 1
    first[0, 5:] = torch.tensor([-5.0, 4, 3, 2, 1])
    assert top_k_intersection(first, second, 0.4).item() == 0  # k = 2: {5, 6} and {9, 8}
    assert top_k_intersection(second, first, 0.4).item() == 0.75  # k = 4: {9, 8, 7, 6} and {5, 6, 7, 8}
    assert top_k_overlap(first[:, None], second[:, None], 0.5).item() == 1


def test_random_maps_overlap_by_the_share():
    overlap = top_k_overlap(random(400, 20, 20), random(400, 20, 20, seed=1), 0.1)
    assert overlap.mean().item() == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("share", [-0.1, 1.5, nan])
def test_share_is_a_part_of_a_whole(share):
    with pytest.raises(ValueError, match=r"share must be in 0\.\.1"):
        top_k_overlap(torch.rand(1, 3, 3), torch.rand(1, 3, 3), share)


@given(pair=PAIRS)
def test_normalised_distance_is_the_literal_norm(pair):
    for found, one, other in zip(normalised_distance(*pair), *pair, strict=True):
        a, b = one.flatten().tolist(), other.flatten().tolist()
        sizes = [sqrt(sum(value**2 for value in values)) for values in (a, b)]
        if not all(sizes):
            assert found.isnan()
        else:
            squares = ((x / sizes[0] - y / sizes[1]) ** 2 for x, y in zip(a, b, strict=True))
            assert found.item() == pytest.approx(sqrt(sum(squares)), abs=1e-12)


def test_normalised_distance_ends():
    first, second = torch.tensor([[1.0, 0], [1, 0], [1, 0]]), torch.tensor([[3.0, 0], [0, 2], [-4, 0]])
    assert normalised_distance(first, second).tolist() == pytest.approx([0, sqrt(2), 2])
    assert normalised_distance(1e-30 * first, 1e30 * second).tolist() == pytest.approx([0, sqrt(2), 2])


@given(pair=PAIRS)
def test_rank_correlation_is_scipys(pair):
    for found, one, other in zip(rank_correlation(*pair), *(pair[0].abs(), pair[1].abs()), strict=True):
        if one.unique().numel() == 1 or other.unique().numel() == 1:
            assert found.isnan()
        else:
            assert found.item() == pytest.approx(spearmanr(one.flatten(), other.flatten()).statistic, abs=1e-12)


def test_rank_correlation_does_not_see_scale():
    first = random(4, 6, 6)
    assert rank_correlation(first, -1e-12 * first**3).tolist() == pytest.approx([1] * 4)
    assert rank_correlation(first, 1 / first).tolist() == pytest.approx([-1] * 4)


@each_measure
@pytest.mark.parametrize("value", [nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("broken", [0, 1])
def test_broken_map_is_nan_and_harms_no_other(measure, value, broken):
    pair = [random(4, 8, 8).abs(), random(4, 8, 8, seed=1).abs()]
    expected = measure(*pair)
    pair[broken][2, 3, 3] = value
    found = measure(*pair)
    assert found[2].isnan() and torch.equal(found[[0, 1, 3]], expected[[0, 1, 3]]) and not expected.isnan().any()


@pytest.mark.parametrize("name", sorted(set(MEASURES) - {"ssim"}))
@pytest.mark.parametrize("empty", [0, 1])
def test_map_of_zeros_is_nan_and_harms_no_other(name, empty):
    pair = [random(3, 8, 8), random(3, 8, 8, seed=1)]
    pair[empty][0] = 0
    assert MEASURES[name](*pair).isnan().tolist() == [True, False, False]


@pytest.mark.parametrize("name", ["top_k_intersection", "top_k_overlap", "rank_correlation"])
def test_constant_map_has_no_ranks(name):
    assert isnan(MEASURES[name](torch.full((1, 7, 7), 0.1), random(1, 7, 7)).item())
    assert isnan(MEASURES[name](random(1, 7, 7), torch.full((1, 7, 7), 0.1)).item())


@each_measure
def test_rounding_does_not_leave_the_range(measure):
    maps = random(50, 9, 7)
    for found in (measure(maps, maps), measure(maps, -maps)):
        assert (found.abs() <= (2 if measure is normalised_distance else 1)).all()


@each_measure
def test_batch_is_one_map_at_a_time_and_shapes_must_agree(measure):
    first, second = random(5, 9, 8), random(5, 9, 8, seed=1)
    alone = torch.cat([measure(first[row : row + 1], second[row : row + 1]) for row in range(5)])
    assert torch.allclose(measure(first, second), alone, rtol=0, atol=1e-12 if measure is not ssim else 1e-6)
    assert measure(first[:0], second[:0]).shape == (0,)
    with pytest.raises(ValueError, match=r"one shape .* got \(5, 9, 8\) and \(5, 8, 9\)"):
        measure(first, second.transpose(1, 2))


def test_display_maps_need_channels():
    with pytest.raises(ValueError, match=r"B×C×H×W, got the shape \(2, 8, 8\)"):
        display_map(torch.rand(2, 8, 8))
