"""Gate metrics: the loops of their definitions, ideal and empty groups, and counts of fixed gate matrices."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from pipeline.metrics.gates import (
    arg_max_class,
    filter_counts,
    gate_similarity,
    l1_density,
    l1_interval,
    serving,
    summary,
    weight_correlation,
    weight_share,
)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


LABELS = torch.tensor([0, 2, 2, 1, 0, 4, 4, 4])
FEATURES, GATES = random(8, 6), random(5, 6, seed=1)


def test_similarity_is_the_loop_over_classes_and_gates():
    found = gate_similarity(FEATURES, LABELS, GATES)
    assert found.shape == (5, 5) and found[3].isnan().all()
    for y in (0, 1, 2, 4):
        mean = torch.stack([row for row, label in zip(FEATURES, LABELS.tolist(), strict=True) if label == y]).mean(0)
        for c in range(5):
            assert found[y, c].item() == pytest.approx(cosine_similarity(mean, GATES[c], dim=0).item(), abs=1e-6)
            assert 0 <= found[y, c] <= 1


def test_similarity_does_not_depend_on_scale_or_order():
    order = torch.randperm(8, generator=torch.Generator().manual_seed(2))
    expected = gate_similarity(FEATURES, LABELS, GATES)
    found = gate_similarity(7 * FEATURES[order], LABELS[order], 0.1 * GATES)
    assert torch.allclose(found, expected, equal_nan=True, atol=1e-6)


def test_bad_rows_are_nan_and_harm_no_other():
    features, gates = FEATURES.clone(), GATES.clone()
    features[LABELS == 0] = 0
    features[3, 1], features[1, 0] = torch.nan, torch.inf
    gates[2] = 0
    found, expected = gate_similarity(features, LABELS, gates), gate_similarity(FEATURES, LABELS, GATES)
    assert found[:4].isnan().all()
    assert found[4].isnan().tolist() == [False, False, True, False, False]
    assert torch.equal(found[4, [0, 1, 3, 4]], expected[4, [0, 1, 3, 4]])


@pytest.mark.parametrize("shapes", [((8, 6), 7, (5, 6)), ((8, 6), 8, (5, 4)), ((8,), 8, (5, 6))])
def test_shapes_that_do_not_fit_are_named(shapes):
    with pytest.raises(ValueError, match="must be N×K, N and C×K"):
        gate_similarity(random(*shapes[0]), LABELS.repeat(2)[: shapes[1]], random(*shapes[2]))


def test_summary_leaves_out_what_is_undefined_and_counts_the_rest():
    nan = math.nan
    found = summary(torch.tensor([[0.9, 0.1, nan], [nan, nan, nan], [0.3, 0.2, 0.7]]))
    assert (found.diagonal, found.off_diagonal) == (pytest.approx(0.8), pytest.approx(0.2))
    assert found.difference == pytest.approx(0.6)
    assert (found.diagonal_count, found.off_diagonal_count) == (2, 3)
    empty = summary(torch.full((3, 3), nan))
    assert math.isnan(empty.diagonal) and math.isnan(empty.difference) and empty.diagonal_count == 0


def test_gates_that_are_the_mean_features_have_a_diagonal_of_one():
    found = gate_similarity(torch.eye(4), torch.arange(4), torch.eye(4))
    assert torch.equal(found, torch.eye(4).double())
    assert summary(found).difference == 1


def fixed(classes: int, own: int, shared: int) -> Tensor:
    """Section 2.8: `own` filters a class, then `shared` filters of all."""
    return torch.cat([torch.eye(classes).repeat_interleave(own, dim=1), torch.ones(classes, shared)], dim=1)


@pytest.mark.parametrize(("own", "shared"), [(6, 4), (25, 6)])
def test_counts_of_fixed_gates(own, shared):
    gates = fixed(10, own, shared)
    assert filter_counts(gates) == (own, shared)
    assert (serving(gates).sum(dim=1) == own + shared).all()
    groups = arg_max_class(gates)
    assert groups.tolist() == [k // own for k in range(10 * own)] + [-1] * shared


def test_counting_rule_is_the_loop_by_hand():
    gates = random(3, 400, seed=4) ** 0.2
    gates[:, 200:] *= random(3, 200, seed=5).round()
    own = shared = 0
    for column in gates.T.tolist():
        others = [[gate for j, gate in enumerate(column) if j != i] for i in range(3)]
        own += any(gate > 0.95 and max(rest) <= 0.5 for gate, rest in zip(column, others, strict=True))
        shared += sum(gate > 0.5 for gate in column) >= 2
    assert 0 < own < 400 and filter_counts(gates) == (own / 3, shared)


def test_filters_without_gates_belong_to_no_class():
    gates = torch.tensor([[0.0, 0.2, -1.0, math.nan], [0.0, 0.9, -0.5, 1.0]])
    assert arg_max_class(gates).tolist() == [-1, 1, -1, -1]
    assert serving(gates).tolist() == [[False] * 4, [False, True, False, True]]


def test_density_and_interval():
    gates = fixed(4, 2, 0)
    assert l1_density(gates) == 0.25 and l1_density(-gates) == 0.25
    assert l1_interval(4, 0.3) == (0.25, 0.3)
    assert math.isnan(l1_density(torch.tensor([[math.nan, 1.0]])))


def test_weights_on_gates_are_the_loops_by_hand():
    weights = random(5, 6, seed=6) - 0.5
    pairs = list(zip(weights.flatten().tolist(), GATES.flatten().tolist(), strict=True))
    on = sum(abs(weight) for weight, gate in pairs if gate > 0.5)
    assert weight_share(weights, GATES) == pytest.approx(on / sum(abs(weight) for weight, _ in pairs))
    means = [sum(values) / 30 for values in zip(*pairs, strict=True)]
    products = [[(pair[i] - means[i]) * (pair[j] - means[j]) for pair in pairs] for i, j in ((0, 1), (0, 0), (1, 1))]
    both, one, other = map(sum, products)
    assert weight_correlation(weights, GATES) == pytest.approx(both / math.sqrt(one * other))
    assert weight_correlation(-2 * GATES, GATES) == pytest.approx(-1)


def test_weights_that_say_nothing_are_nan():
    flat = torch.full((5, 6), 0.1)
    assert math.isnan(weight_correlation(flat, GATES)) and math.isnan(weight_correlation(GATES, flat))
    assert math.isnan(weight_share(0 * flat, GATES))
    flat[0, 0] = math.nan
    assert math.isnan(weight_share(flat, GATES)) and math.isnan(weight_correlation(flat, GATES))
