"""Noisy digits: the recipe step by step, the way back from bytes to values, and the stage that writes them."""

import json

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from pipeline.artifacts import DATASET, read_table, table_notes
from pipeline.datasets import digits, job
from pipeline.errors import UserError
from pipeline.images import annotate, decode
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
    tables = digits.prepare(tmp_path, settings(noise=noise, train=1297))
    scans, labels = load_digits(return_X_y=True)
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(0)).tolist()
    fixed = torch.randn(1797, 1, 16, 16, generator=torch.Generator().manual_seed(1))[:, 0].numpy()
    for split, rows in {"train": order[:1297], "test": order[1297:]}.items():
        assert tables[split]["label"].to_pylist() == labels[rows].tolist()
        notes = table_notes(tables[split])
        stored = decode(split, tables[split]["image"])[..., 0]
        for place in (0, 1, len(rows) - 1):
            expected = enlarged(scans[rows[place]].reshape(8, 8) / 16, 16) + noise * fixed[rows[place]]
            seen = (stored[place] / 255 - notes["mean"][0]) / notes["std"][0]
            inside = np.clip(expected, -4 * noise, 1 + 4 * noise)
            assert np.abs(seen - inside).max() <= (1 + 8 * noise) / 510 + 1e-5


def test_hardly_any_value_is_clipped():
    values, _ = digits.noisy_digits(16, 0.5)
    assert ((values < -2) | (values > 3)).float().mean() < 1e-4


def test_splits_share_no_image(tmp_path):
    tables = digits.prepare(tmp_path, settings(noise=0.5))
    images = [image["bytes"] for table in tables.values() for image in table["image"].to_pylist()]
    assert len(set(images)) == len(images) == 1797


def test_no_test_image_left_is_an_error(tmp_path):
    assert digits.prepare(tmp_path, settings(train=1796))["test"].num_rows == 1
    with pytest.raises(UserError, match=r"train: 1797 leaves no test image.* at most 1796"):
        digits.prepare(tmp_path, settings(train=1797))


def test_stage_writes_limited_splits_with_notes(tmp_path, capsys):
    outputs = {split: str(tmp_path / "digits" / f"{split}.parquet") for split in ("train", "test")}
    limited = settings(noise=0.5, limit_train=20, limit_test=7, augment={"shift": 2})
    job.run(prepare=digits.prepare, raw_dir="raw", settings=limited, name="few", outputs=outputs, code="c0de")
    train, test = (read_table(path, DATASET) for path in outputs.values())
    assert (train.num_rows, test.num_rows) == (20, 7)
    assert train.equals(digits.prepare(tmp_path, settings(noise=0.5))["train"].slice(0, 20))
    notes = table_notes(test)
    assert (notes["dataset"], notes["code"], notes["augment"]["shift"]) == ("few", "c0de", 2)
    assert notes["settings"] == json.loads(json.dumps(limited.slice()))
    limits = ["limited to the first 20 of 1297 train images", "limited to the first 7 of 500 test images"]
    # Both tables tell about both splits.
    assert all(table_notes(read_table(path, DATASET))["notices"] == limits for path in outputs.values())
    assert capsys.readouterr().out.splitlines() == [
        *(f"notice: {limit}" for limit in limits),
        f"{outputs['train']}: 20 images",
        f"{outputs['test']}: 7 images",
    ]


def test_stage_prints_each_notice_once(tmp_path, capsys):
    def prepare(raw_dir, settings):
        tables = digits.prepare(raw_dir, settings)
        return {split: annotate(table, notices=["one", "two"]) for split, table in tables.items()}

    job.run(prepare=prepare, raw_dir="raw", settings=settings(), name="digits", outputs={}, code="")
    assert capsys.readouterr().out.splitlines() == ["notice: one", "notice: two"]


def test_limit_beyond_the_images_is_an_error_and_writes_nothing(tmp_path):
    outputs = {split: str(tmp_path / f"{split}.parquet") for split in ("train", "test")}
    with pytest.raises(UserError, match=r"datasets\.digits\.limit_test: 501 images asked for, there are 500"):
        job.run(
            prepare=digits.prepare, raw_dir="raw", settings=settings(limit_test=501), name="digits", outputs=outputs,
            code="",
        )
    assert list(tmp_path.iterdir()) == []
