"""Sparsity and loss of decomposed images, for bases that are written by hand."""

import json

import pytest
import torch

from pipeline.errors import UserError
from pipeline.evaluations.decomposition import evaluate
from pipeline.evaluations.subject import Row, Subject
from pipeline.settings import parse_slice
from pipeline.training.data import Images

SETTINGS = parse_slice("evaluation", json.dumps({"from": "decomposition"}))


def subject(**tensors: torch.Tensor) -> Subject:
    """Images of 1×4 pixels: one test image, and two training images of which the second is black."""
    pixels = {"test": [[51, 51, 51, 0]], "train": [[255, 0, 0, 0], [0, 0, 0, 0]]}
    splits = {
        name: Images(torch.tensor(rows, dtype=torch.uint8).view(-1, 1, 1, 4), torch.zeros(len(rows)), ["0"], {})
        for name, rows in pixels.items()
    }
    return Subject("0.safetensors", tensors, {"method": "tried"}, torch.device("cpu"), splits, {})


def test_rows_are_those_of_the_bases_and_of_both_splits():
    """On the first two pixels the test image is (0.2, 0.2): as flat as can be; of three equal pixels one is lost."""
    rows = evaluate(subject(bases=torch.eye(2, 4)), SETTINGS)
    assert rows == [
        Row("hoyer_bases", pytest.approx(1.0), 2),
        Row("hoyer_coefficients", pytest.approx(0.0, abs=1e-6), 1),
        Row("reconstruction_error", pytest.approx(3**-0.5), 1),
        Row("hoyer_coefficients", pytest.approx(1.0), 1, "split=train"),
        Row("reconstruction_error", pytest.approx(0.0, abs=1e-6), 2, "split=train"),
    ]


def test_a_mean_is_taken_off_first():
    """Then the coefficients of the test image are (−0.3, 0.2), and the last two pixels lose 0.1 and 0.6."""
    rows = evaluate(subject(bases=torch.eye(2, 4), mean=torch.tensor([0.5, 0.0, 0.1, 0.6])), SETTINGS)
    coefficients = (2**0.5 - 0.5 / 0.13**0.5) / (2**0.5 - 1)
    assert rows[1].value == pytest.approx(coefficients)
    assert rows[2].value == pytest.approx((0.1**2 + 0.6**2) ** 0.5 / 0.12**0.5)


def test_a_method_without_bases_is_named():
    with pytest.raises(UserError, match=r"0\.safetensors: method 'tried' has no bases; list methods from: decomposit"):
        evaluate(subject(), SETTINGS)
