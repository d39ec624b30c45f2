"""Coefficients, reconstructions and their errors against loops and least squares of SciPy."""

import math

import pytest
import torch
from scipy.optimize import nnls

from pipeline.metrics.decomposition import coefficients, reconstruct, reconstruction_error
from pipeline.training.streams import stream


def drawn(*shape: int, name: str) -> torch.Tensor:
    return torch.rand(shape, generator=stream(0, name), dtype=torch.float64)


def test_coefficients_without_a_mean_are_not_negative_least_squares():
    rows, bases = drawn(7, 9, name="rows"), drawn(4, 9, name="bases") - 0.2
    expected = torch.stack([torch.from_numpy(nnls(bases.T.numpy(), row.numpy())[0]) for row in rows])
    assert (expected == 0).any() and torch.allclose(coefficients(rows, bases.clone()), expected, atol=1e-4)


def test_coefficients_with_a_mean_are_projections():
    rows, mean = drawn(7, 9, name="rows"), drawn(9, name="mean")
    bases = torch.linalg.qr(drawn(9, 4, name="bases"))[0].T
    expected = torch.stack([torch.stack([((row - mean) * basis).sum() for basis in bases]) for row in rows])
    found = coefficients(rows, bases, mean)
    assert torch.allclose(found, expected) and (found < 0).any()
    parts = torch.stack([mean + sum(w * basis for w, basis in zip(row, bases, strict=True)) for row in expected])
    assert torch.allclose(reconstruct(found, bases, mean), parts)


def test_error_is_relative_and_0_for_what_the_bases_span():
    bases = torch.eye(2, 3)
    rows = torch.tensor([[3.0, 4.0, 0.0]])
    assert reconstruction_error(rows, coefficients(rows, bases), bases) == pytest.approx(0, abs=1e-6)
    beside = torch.tensor([[0.0, 3.0, 4.0]])
    assert reconstruction_error(beside, coefficients(beside, bases), bases) == pytest.approx(0.8)
    assert math.isnan(reconstruction_error(0 * rows, coefficients(0 * rows, bases), bases))
