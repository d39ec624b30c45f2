"""Fidelity of an untrained network's features to attributes, with scikit-learn's F1 over every binary feature."""

import json

import numpy as np
import pytest
import torch
from attributed import NAMES, attributed
from sklearn.metrics import f1_score
from tables import write_images
from torch import Tensor

from pipeline.errors import UserError
from pipeline.evaluations.attribute_fidelity import evaluate
from pipeline.evaluations.subject import Row, Subject
from pipeline.metrics.attribute_fidelity import code_range, quantise
from pipeline.models import trained
from pipeline.settings import parse_slice
from pipeline.training.data import Images
from pipeline.training.streams import stream

IMAGES = {"train": 40, "test": 30}
ATTRIBUTES = 4


@pytest.fixture
def subject(tmp_path) -> Subject:
    """Attributes that depend on the brightness of the image; the last occurs in no test image."""

    def marks(split: str, light: np.ndarray) -> np.ndarray:
        found = light < [0.1, 0.3, 0.6, 0.9]
        if split == "test":
            found[:, 3] = False
        return found

    return attributed(tmp_path, IMAGES, marks)


def settings(bits: int = 2):
    return parse_slice("evaluation", json.dumps({"from": "attribute_fidelity", "bits": bits}))


def f1s(codes: Tensor, marks: Tensor, bits: int, signs: tuple[bool, ...] = (False, True)) -> list[dict]:
    """For each attribute F1 of every binary feature (j, c, complement)."""
    keys = [(j, c, sign) for c in range(2**bits) for sign in signs for j in range(codes.shape[1])]
    return [
        {
            (j, c, sign): f1_score(mark.numpy(), ((codes[:, j] == c) ^ sign).numpy(), zero_division=0)
            for j, c, sign in keys
        }
        for mark in marks.T
    ]


def mean(values: list[float]):
    return pytest.approx(sum(values) / len(values), abs=1e-12)


def test_rows_are_the_loops_by_hand(subject):
    generator = stream(5, "evaluate", "attribute_fidelity")
    train, test = (subject.features(split) for split in IMAGES)
    low, high = code_range(train[torch.randperm(40, generator=generator)])
    train, test = (quantise(features, low, high, 2) for features in (train, test))
    known, marks = (subject.splits[split].attributes() for split in IMAGES)
    assert len(test.unique()) == 4, "a toy that tells nothing; change it"

    every, plain = f1s(test, marks, 2), f1s(test, marks, 2, (False,))
    best = [max(found.values()) for found in every]
    chosen = [max(found, key=found.get) for found in f1s(train, known, 2)]
    shares = [column.float().mean().item() for column in marks.T]
    null = f1s(test, marks[torch.randperm(30, generator=generator)], 2)
    rows = evaluate(subject, settings())
    assert rows == [
        Row("attribute_fidelity", mean(best), 4),
        Row("attribute_fidelity_plain", mean([max(found.values()) for found in plain]), 4),
        Row("attribute_fidelity_present", mean(best[:3]), 3),
        Row("attribute_fidelity_floor", pytest.approx(sum(2 * p / (1 + p) for p in shares) / 4, abs=1e-6), 4),
        Row("attribute_fidelity_held_out", mean([found[key] for found, key in zip(every, chosen, strict=True)]), 4),
        Row("attribute_fidelity_null", mean([max(found.values()) for found in null]), 4),
        *(Row("attribute_fidelity", pytest.approx(best[i], abs=1e-12), 30, f"attribute={i}") for i in range(4)),
    ]
    assert best[3] == 0 and rows[0].value > rows[4].value and rows[0].value >= rows[1].value


@pytest.mark.parametrize("batch", [1, 16])
def test_results_do_not_depend_on_the_size_of_a_batch(subject, monkeypatch, batch):
    expected = evaluate(subject, settings(4))
    monkeypatch.setattr(trained, "BATCH", batch)
    found = evaluate(subject, settings(4))
    assert found == [Row(row.metric, pytest.approx(row.value), row.n, row.subset) for row in expected]


def test_dataset_without_attributes_is_named(subject, tmp_path):
    images = np.zeros((2, 8, 8, 1), np.uint8)
    path = tmp_path / "bare"
    write_images(path, ["a", "b"], images, np.array([0, 1]), class_names=NAMES, mean=[0.4], std=[0.2], augment={})
    subject.splits["test"] = Images.read(str(path), torch.device("cpu"))
    with pytest.raises(UserError, match="no image has 'attributes'"):
        evaluate(subject, settings())
