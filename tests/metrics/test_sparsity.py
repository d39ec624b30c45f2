"""Gini index of maps and of groups: its ends, its invariances, and the definition as a mean difference of all pairs.

Hoyer sparsity as printed.
"""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from pipeline.metrics.sparsity import gini, gini_group, hoyer

MAPS = arrays("float64", array_shapes(min_dims=3, max_dims=3, max_side=4), elements=st.integers(-8, 8)).map(
    lambda values: torch.from_numpy(values / 4)
)


def literal(values: np.ndarray) -> float:
    """Half the relative mean difference: Σ_i Σ_j |a_i − a_j| / (2 n Σ a)."""
    sizes = np.abs(values).ravel().tolist()
    if not any(sizes):
        return float("nan")
    return sum(abs(one - other) for one, other in product(sizes, sizes)) / (2 * len(sizes) * sum(sizes))


@given(maps=MAPS)
def test_gini_is_the_literal_double_sum(maps):
    expected = [literal(values.numpy()) for values in maps]
    assert gini(maps).tolist() == pytest.approx(expected, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("side", [1, 2, 7])
def test_flat_maps_have_0_and_single_pixels_the_most(side):
    flat, single = torch.full((side, side), -3.0), torch.zeros(side, side)
    single[side // 2, 0] = -0.5
    assert gini(torch.stack([flat, single])).tolist() == pytest.approx([0, 1 - 1 / side**2])


@given(maps=MAPS, scale=st.sampled_from([-4.0, -1.0, 0.5, 1e-6, 1e6]))
def test_scale_sign_and_place_do_not_matter(maps, scale):
    expected = gini(maps).tolist()
    assert gini(maps * scale).tolist() == pytest.approx(expected, nan_ok=True)
    assert gini(maps.flip(1).transpose(1, 2)).tolist() == pytest.approx(expected, nan_ok=True)


def test_zero_maps_are_nan_and_harm_no_other():
    values = gini(torch.stack([torch.zeros(2, 2), torch.eye(2)]))
    assert values[0].isnan() and values[1] == 0.5


def test_large_single_precision_maps_are_summed_in_double():
    maps = torch.rand(2, 150, 150, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(gini(maps), gini(maps.double()), rtol=1e-12)
    assert gini(maps).dtype is torch.float64


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("count", [1, 3])
def test_broken_maps_are_nan_and_harm_no_other(value, count):
    maps = torch.rand(3, 2, 3, generator=torch.Generator().manual_seed(0))
    expected = gini(maps)
    maps[1].view(-1)[:count] = value
    found = gini(maps)
    assert found[1].isnan() and torch.equal(found[[0, 2]], expected[[0, 2]])
    assert gini_group(maps[:, None], patch=1).isnan().tolist() == [False, True, False]


@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("patch", [1, 2, 4])
def test_gini_of_groups_is_that_of_the_literal_norms(patch, joint):
    attributions = torch.randn(2, 3, 4, 8, generator=torch.Generator().manual_seed(0))
    found = gini_group(attributions, patch, joint)
    for item, single in enumerate(attributions.double()):
        parts = [single] if joint else [channel[None] for channel in single]
        norms = [
            part[:, top : top + patch, left : left + patch].square().sum().sqrt().item()
            for part in parts
            for top, left in product(range(0, 4, patch), range(0, 8, patch))
        ]
        assert len(norms) == (1 if joint else 3) * 32 // patch**2
        assert found[item].item() == pytest.approx(literal(np.array(norms)))


def test_groups_of_single_entries_are_the_entries():
    attributions = torch.randn(2, 3, 5, 4, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(gini_group(attributions, 1), gini(attributions), rtol=1e-12)


def test_one_lit_group_is_the_sparsest_however_dense_inside():
    attributions = torch.zeros(2, 2, 4, 4)
    attributions[0, 1, 2:, :2] = torch.rand(2, 2) + 0.1
    values = gini_group(attributions, 2)
    assert values[0].item() == pytest.approx(1 - 1 / 8) and values[1].isnan()


@pytest.mark.parametrize("patch", [0, 3, 8])
def test_squares_that_do_not_tile_are_named(patch):
    with pytest.raises(ValueError, match=rf"squares of {patch}×{patch} do not tile maps of 4×8"):
        gini_group(torch.rand(1, 1, 4, 8), patch)


def test_shapes_are_named():
    with pytest.raises(ValueError, match=r"N×… with at least two axes, got the shape \(5,\)"):
        gini(torch.rand(5))
    with pytest.raises(ValueError, match=r"N×C×H×W, got the shape \(5, 4, 4\)"):
        gini_group(torch.rand(5, 4, 4), 2)
    assert gini(torch.rand(0, 3, 3)).shape == (0,) and gini(torch.rand(1, 0)).isnan().all()


def test_hoyer_sparsity_is_the_printed_ratio():
    values = torch.randn(5, 9, generator=torch.Generator().manual_seed(0))
    for row, found in zip(values.tolist(), hoyer(values).tolist(), strict=True):
        l1, l2 = sum(abs(x) for x in row), sum(x * x for x in row) ** 0.5
        assert found == pytest.approx((9**0.5 - l1 / l2) / (9**0.5 - 1))
    assert torch.allclose(hoyer(-3 * values), hoyer(values))


def test_hoyer_sparsity_of_flat_single_and_empty_rows():
    flat, single, empty = hoyer(torch.tensor([[2.0, -2.0, 2.0, 2.0], [0.0, 0.0, -7.0, 0.0], [0.0, 0.0, 0.0, 0.0]]))
    assert (flat.item(), single.item()) == pytest.approx((0.0, 1.0)) and empty.isnan()
    assert hoyer(torch.tensor([[3.0]])).isnan().all()
