"""Noisy digits: the recipe step by step, and the way back from bytes to values."""

import numpy as np
import pytest
import torch
from reading import read_all
from sklearn.datasets import load_digits

from pipeline.datasets import digits
from pipeline.errors import UserError
from pipeline.settings.datasets import Digits


def settings(**changes) -> Digits:
    return Digits(kind="digits", **changes)


def enlarged(scan: np.ndarray, size: int) -> np.ndarray:
    """Bilinear enlargement with align_corners=False, pixel by pixel."""
    result = np.empty((size, size))
    for row, column in np.ndindex(size, size):
        y, x = (max((place + 0.5) * 8 / size - 0.5, 0) for place in (row, column))
        top, left = int(y), int(x)
        bottom, right = min(top + 1, 7), min(left + 1, 7)
        upper = scan[top, left] * (1 - (x - left)) + scan[top, right] * (x - left)
        lower = scan[bottom, left] * (1 - (x - left)) + scan[bottom, right] * (x - left)
        result[row, column] = upper * (1 - (y - top)) + lower * (y - top)
    return result


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_recipe_step_by_step(tmp_path, noise):
    prepared = digits.prepare(tmp_path, settings(noise=noise, train=1297))
    scans, labels = load_digits(return_X_y=True)
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(0)).tolist()
    fixed = torch.randn(1797, 1, 16, 16, generator=torch.Generator().manual_seed(1))[:, 0].numpy()
    for found, rows in zip(read_all(prepared), (order[:1297], order[1297:]), strict=True):
        assert [sample.label for sample in found] == labels[rows].tolist()
        for place in (0, 1, len(rows) - 1):
            expected = enlarged(scans[rows[place]].reshape(8, 8) / 16, 16) + noise * fixed[rows[place]]
            seen = (found[place].image[..., 0] / 255 - prepared.mean[0]) / prepared.std[0]
            inside = np.clip(expected, -4 * noise, 1 + 4 * noise)
            assert np.abs(seen - inside).max() <= (1 + 8 * noise) / 510 + 1e-5


def test_hardly_any_value_is_clipped():
    values, _ = digits.noisy_digits(16, 0.5)
    assert ((values < -2) | (values > 3)).float().mean() < 1e-4


def test_splits_share_no_image(tmp_path):
    train, test = read_all(digits.prepare(tmp_path, settings(noise=0.5)))
    assert len({sample.image.tobytes() for sample in train + test}) == len(train + test) == 1797


def test_no_test_image_left_is_an_error(tmp_path):
    assert len(read_all(digits.prepare(tmp_path, settings(train=1796)))[1]) == 1
    with pytest.raises(UserError, match=r"train: 1797 leaves no test image.* at most 1796"):
        digits.prepare(tmp_path, settings(train=1797))
