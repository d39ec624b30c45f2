"""Feature fidelity: scikit-learn's F1 over every binary feature, perfect and constant features, and the quantiser."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score
from torch import Tensor

from pipeline.metrics.attribute_fidelity import (
    best_features,
    code_range,
    fidelity_of,
    floor,
    present,
    quantise,
)


def drawn(seed: int, images: int, features: int, attributes: int, levels: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(levels, (images, features), generator=generator, dtype=torch.uint8)
    share = torch.rand(attributes, generator=generator) ** 2
    return codes, (torch.rand(images, attributes, generator=generator) < share).to(torch.uint8)


def literal(codes: Tensor, attributes: Tensor, levels: int, signs: tuple[bool, ...]) -> list[tuple]:
    """Every binary feature of every attribute: the best (f1, feature, code, complement), the first of equals."""
    best = []
    for i in range(attributes.shape[1]):
        leading: tuple = (-1.0,)
        for code in range(levels):
            for complement in signs:
                for j in range(codes.shape[1]):
                    feature = (codes[:, j] != code) if complement else (codes[:, j] == code)
                    f1 = float(f1_score(attributes[:, i].numpy(), feature.numpy(), zero_division=0))
                    if f1 > leading[0] + 1e-12:
                        leading = (f1, j, code, complement)
        best.append(leading)
    return best


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**20), images=st.integers(1, 12), features=st.integers(1, 3), levels=st.sampled_from([2, 4])
)
def test_best_features_are_the_loop_over_all_binary_features(seed, images, features, levels):
    codes, attributes = drawn(seed, images, features, 3, levels)
    for match, signs in zip(best_features(codes, attributes, levels), [(False, True), (False,)], strict=True):
        expected = literal(codes, attributes, levels, signs)
        assert match.f1.tolist() == pytest.approx([found[0] for found in expected], abs=1e-12)
        assert fidelity_of(match, codes, attributes).tolist() == match.f1.tolist()


def test_ties_go_to_the_lowest_code_then_plain_then_the_lowest_feature():
    attributes = torch.tensor([[1], [0], [1], [0]])
    codes = torch.stack([1 - attributes[:, 0], attributes[:, 0], attributes[:, 0]], dim=1)
    best, plain = best_features(codes, attributes, 2)
    assert [part.item() for part in best] == [1, 0, 0, False] == [part.item() for part in plain]
    best, plain = best_features(codes[:, 1:], attributes, 2)
    assert [part.item() for part in best] == [1, 0, 0, True]
    assert [part.item() for part in plain] == [1, 0, 1, False]


def test_a_perfect_feature_scores_1_and_renaming_its_codes_changes_nothing():
    codes, attributes = drawn(0, 40, 5, 4, 4)
    attributes[:, 2] = torch.arange(40) % 3 == 0
    codes[:, 3] = attributes[:, 2]
    best, plain = best_features(codes, attributes, 4)
    assert (best.f1[2], plain.f1[2], best.feature[2]) == (1, 1, 3)
    renamed = torch.tensor([2, 0, 3, 1])[codes.long()]
    assert torch.equal(best_features(renamed, attributes, 4)[0].f1, best.f1)
    flipped = codes.clone()
    flipped[:, 3] = 1 - attributes[:, 2]
    assert best_features(flipped, attributes, 4)[0].f1.tolist() == pytest.approx(best.f1.tolist())


def test_constant_features_reach_the_floor_exactly():
    _, attributes = drawn(1, 50, 1, 6, 4)
    best, _ = best_features(torch.zeros(50, 2, dtype=torch.uint8), attributes, 4)
    assert best.f1.tolist() == pytest.approx(floor(attributes).tolist(), abs=1e-15)
    prevalence = [sum(column) / 50 for column in attributes.T.tolist()]
    assert floor(attributes).tolist() == pytest.approx([2 * share / (1 + share) for share in prevalence])
    codes, _ = drawn(1, 50, 3, 6, 3)
    assert (best_features(codes, attributes, 4)[0].f1 >= floor(attributes) - 1e-15).all(), "code 3 never occurs"


def test_absent_attributes_score_0_and_stay_in_the_mean():
    codes, attributes = drawn(2, 30, 4, 5, 4)
    attributes[:, 1] = 0
    attributes[:, [0, 2, 3, 4]] |= codes[:, :1] == 0
    best, plain = best_features(codes, attributes, 4)
    assert best.f1[1] == plain.f1[1] == floor(attributes)[1] == 0
    kept = present(best.f1, attributes)
    assert len(kept) == 4 and kept.mean() == pytest.approx(best.f1.sum().item() / 4)


def test_chosen_features_are_scored_on_other_images_by_scikit_learn():
    codes, attributes = drawn(3, 60, 6, 5, 4)
    others, truth = drawn(4, 45, 6, 5, 4)
    truth[:, 3] = 0
    match, _ = best_features(codes, attributes, 4)
    found = fidelity_of(match, others, truth)
    for i in range(5):
        plain = others[:, match.feature[i]] == match.code[i]
        answer = ~plain if match.complement[i] else plain
        assert found[i].item() == pytest.approx(f1_score(truth[:, i].numpy(), answer.numpy(), zero_division=0))
    assert (found <= best_features(others, truth, 4)[0].f1).all()


def test_images_may_come_in_any_order_and_codes_in_any_type():
    codes, attributes = drawn(5, 64, 3, 4, 16)
    order = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    expected = best_features(codes, attributes, 16)
    for found in (
        best_features(codes[order], attributes[order], 16),
        best_features(codes.float(), attributes.bool(), 16),
    ):
        for one, other in zip(expected, found, strict=True):
            assert all(torch.equal(*parts) for parts in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("codes", "attributes", "message"),
    [
        (torch.zeros(3, 2), torch.zeros(4, 2), "must be N×n and N×d"),
        (torch.zeros(0, 2), torch.zeros(0, 2), "must be N×n and N×d"),
        (torch.zeros(3), torch.zeros(3, 2), "must be N×n and N×d"),
        (torch.zeros(3, 2), torch.full((3, 2), 2), "attributes must be 0 or 1"),
        (torch.zeros(3, 2), torch.full((3, 2), math.nan), "attributes must be 0 or 1"),
        (torch.full((3, 2), 4), torch.zeros(3, 2), r"codes must lie in 0\.\.3, found 4\.\.4"),
    ],
)
def test_what_does_not_fit_is_named(codes, attributes, message):
    with pytest.raises(ValueError, match=message):
        best_features(codes, attributes, 4)


def by_hand(value: float, low: float, high: float, bits: int) -> int:
    largest = 2**bits - 1
    step = (high - low) / largest
    zero = round(min(max((0 - low) / step, 0), largest))
    return round(min(max(zero + value / step, 0), largest))


@given(
    values=st.lists(st.floats(-50, 50), min_size=1, max_size=6), low=st.floats(-9, 9), width=st.floats(1e-3, 20),
    bits=st.integers(1, 8),
)  # fmt: skip
def test_codes_are_algorithm_2_by_hand(values, low, width, bits):
    found = quantise(torch.tensor(values, dtype=torch.float64), low, low + width, bits)
    expected = [by_hand(value, low, low + width, bits) for value in values]
    # zero + x/step and x/step + zero are the same float, so a half is rounded alike.
    assert found.tolist() == expected and found.dtype is torch.uint8


def test_codes_fill_equal_bins_and_0_is_a_code():
    assert quantise(torch.linspace(0, 1, 4), 0, 1, 2).tolist() == [0, 1, 2, 3]
    assert quantise(torch.tensor([-1.0, 0.0, 1.0]), -1, 1, 4).tolist() == [0, 8, 15]
    assert quantise(torch.tensor([-math.inf, math.inf]), 0, 1, 4).tolist() == [0, 15]
    assert quantise(torch.full((2, 3), 7.0), 7, 7, 4).tolist() == [[0] * 3] * 2


@pytest.mark.parametrize(("value", "bits", "message"), [(math.nan, 4, "NaN"), (0.5, 0, "bits"), (0.5, 9, "bits")])
def test_what_has_no_code_is_named(value, bits, message):
    with pytest.raises(ValueError, match=message):
        quantise(torch.tensor([value]), 0, 1, bits)


@pytest.mark.parametrize("images", [3, 16, 37])
def test_range_is_the_mean_over_batches(images):
    features = torch.randn(images, 5, generator=torch.Generator().manual_seed(0))
    batches = [features] if images < 16 else [features[start : start + 16] for start in range(0, images - 15, 16)]
    low, high = code_range(features)
    assert low == pytest.approx(sum(batch.min().item() for batch in batches) / len(batches))
    assert high == pytest.approx(sum(batch.max().item() for batch in batches) / len(batches))
