"""Filter correlation: the double loop, orthogonal and equal kernels, and what kernels of zero do."""

import math
from itertools import combinations

import pytest
import torch
from torch.nn.functional import cosine_similarity

from pipeline.metrics.filters import filter_correlation, group_correlation

KERNELS = torch.randn(7, 3, 2, 2, generator=torch.Generator().manual_seed(0))
GROUPS = torch.tensor([0, 1, 0, -1, 1, 0, 2])


def test_correlation_is_the_double_loop():
    found = filter_correlation(KERNELS)
    for i in range(7):
        for j in range(7):
            cosine = cosine_similarity(KERNELS[i].flatten(), KERNELS[j].flatten(), dim=0).item()
            assert found[i, j].item() == pytest.approx(0 if i == j else abs(cosine), abs=1e-6)
    assert torch.equal(found, found.T) and (found.diagonal() == 0).all() and (found <= 1).all()


def test_orthogonal_kernels_give_0_and_parallel_ones_1():
    assert (filter_correlation(torch.eye(6).view(6, 2, 3)) == 0).all()
    parallel = filter_correlation(torch.outer(torch.tensor([1.0, -3.0, 1e-20]), torch.arange(1.0, 10)))
    assert torch.allclose(parallel, 1 - torch.eye(3).double())


def test_groups_are_the_loop_over_pairs():
    correlation = filter_correlation(KERNELS)
    found = group_correlation(correlation, GROUPS)
    within, between, overall = [], [], []
    for i, j in combinations(range(7), 2):
        value = correlation[i, j].item()
        overall.append(value)
        if GROUPS[i] >= 0 and GROUPS[j] >= 0:
            (within if GROUPS[i] == GROUPS[j] else between).append(value)
    assert (found.within, found.between, found.overall) == tuple(
        pytest.approx(sum(values) / len(values)) for values in (within, between, overall)
    )
    assert (found.within_pairs, found.between_pairs, found.pairs) == (4, 11, 21)
    assert found.ratio == pytest.approx(found.within / found.between)


@pytest.mark.parametrize("bad", [0.0, math.nan, math.inf])
def test_a_bad_kernel_is_nan_and_harms_no_other(bad):
    kernels = KERNELS.clone()
    kernels[2] = 0
    kernels[2, 0, 0, 0] = bad
    found = filter_correlation(kernels)
    others = [0, 1, 3, 4, 5, 6]
    assert found[2].isnan().all() and found[:, 2].isnan().all()
    assert torch.equal(found[others][:, others], filter_correlation(KERNELS)[others][:, others])
    assert group_correlation(found, GROUPS).pairs == 15


def test_missing_kinds_of_pairs_are_nan():
    correlation = filter_correlation(KERNELS)
    single, one = group_correlation(correlation, torch.arange(7)), group_correlation(correlation, torch.zeros(7))
    assert math.isnan(single.within) and single.between == pytest.approx(single.overall)
    assert math.isnan(one.between) and one.within == pytest.approx(one.overall)
    assert math.isnan(single.ratio) and math.isnan(one.ratio)
    orthogonal = group_correlation(filter_correlation(torch.eye(4)), torch.tensor([0, 0, 1, 1]))
    assert (orthogonal.within, orthogonal.between) == (0, 0) and math.isnan(orthogonal.ratio)


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="at least one more"):
        filter_correlation(torch.ones(3))
    with pytest.raises(ValueError, match="must be K×K for the 4 filters"):
        group_correlation(torch.ones(3, 3), torch.zeros(4))
