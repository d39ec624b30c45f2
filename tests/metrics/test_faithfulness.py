"""Faithfulness of approximations: the literal loop over examples, and examples that do not count."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from pipeline.metrics.faithfulness import constant_control, decision_agreement, regression_error


def examples(seed: int, count: int = 30) -> tuple[Tensor, Tensor]:
    """Logits of four classes and approximations of those of class 2."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, 4, generator=generator)
    return logits[:, 2] + 0.7 * torch.randn(count, generator=generator), logits


def literal(approximations: Tensor, logits: Tensor, category: int, where: Tensor) -> tuple[float, float]:
    errors, unchanged = [], []
    for value, row, counts in zip(approximations.tolist(), logits.tolist(), where.tolist(), strict=True):
        if counts:
            errors.append(abs(value - row[category]))
            before = row.index(max(row))
            row[category] = value
            unchanged.append(row.index(max(row)) == before)
    return sum(errors) / len(errors), sum(unchanged) / len(unchanged)


@given(seed=st.integers(0, 1000), positives_only=st.booleans())
def test_both_are_the_literal_loop(seed, positives_only):
    approximations, logits = examples(seed)
    where = logits.argmax(1) == 2 if positives_only else torch.ones(30, dtype=torch.bool)
    if not where.any():
        return
    error, agreement = literal(approximations, logits, 2, where)
    given = where if positives_only else None
    assert regression_error(approximations, logits[:, 2], given).item() == pytest.approx(error)
    assert decision_agreement(approximations, logits, 2, given).item() == pytest.approx(agreement)


def test_the_logit_itself_is_wholly_faithful():
    _, logits = examples(0)
    before = logits.clone()
    assert regression_error(logits[:, 2], logits[:, 2]) == 0
    assert decision_agreement(logits[:, 2], logits, 2) == 1
    assert decision_agreement(logits[:, 2] + 100, logits, 2) == (logits.argmax(1) == 2).double().mean()
    assert torch.equal(logits, before)


def test_of_equal_logits_the_first_wins():
    logits = torch.tensor([[0.0, 1.0, 3.0], [3.0, 1.0, 0.0]])
    assert decision_agreement(torch.tensor([3.0, 3.0]), logits, 1).item() == 0.5


def test_constant_control_is_the_training_mean_everywhere():
    _, logits = examples(1)
    control = constant_control(torch.tensor([1.0, torch.nan, 4.0, torch.inf]), 30)
    assert control.shape == (30,) and (control == 2.5).all()
    expected = sum(abs(2.5 - value) for value in logits[:, 2].tolist()) / 30
    assert regression_error(control, logits[:, 2]).item() == pytest.approx(expected)
    assert 0 < decision_agreement(control, logits, 2) < 1


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_examples_without_numbers_are_left_out(bad):
    approximations, logits = examples(2)
    approximations[3], logits[7, 2], rest = bad, bad, torch.ones(30, dtype=torch.bool)
    rest[[3, 7]] = False
    error, agreement = literal(approximations[rest], logits[rest], 2, rest[rest])
    assert regression_error(approximations, logits[:, 2]).item() == pytest.approx(error)
    assert decision_agreement(approximations, logits, 2).item() == pytest.approx(agreement)


def test_nothing_to_count_is_nan():
    approximations, logits = examples(3)
    nobody = torch.zeros(30, dtype=torch.bool)
    assert regression_error(approximations, logits[:, 2], nobody).isnan()
    assert decision_agreement(approximations, logits, 2, nobody).isnan()
    assert regression_error(approximations[:0], logits[:0, 2]).isnan()
    assert constant_control(torch.tensor([torch.nan]), 2).isnan().all()


def test_wrong_shapes_are_named():
    approximations, logits = examples(4)
    # A column beside a row would broadcast to a matrix and measure nothing.
    with pytest.raises(ValueError, match="expected M numbers each"):
        regression_error(approximations[:, None], logits[:, 2])
    with pytest.raises(ValueError, match="expected M numbers each"):
        regression_error(approximations, logits[:, 2], torch.ones(3, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"expected M×C with category 4 among the C, not \(30, 4\)"):
        decision_agreement(approximations, logits, 4)
