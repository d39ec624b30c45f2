"""Linear probes on the features of an untrained network."""

import json
import math

import numpy as np
import pytest
import torch
from attributed import attributed
from scipy.optimize import nnls
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from pipeline.errors import UserError
from pipeline.evaluations.linear_probe import evaluate, score_codes
from pipeline.evaluations.subject import Row, Subject
from pipeline.models import trained
from pipeline.settings import parse_slice

IMAGES = {"train": 60, "test": 50}
ATTRIBUTES = 3


@pytest.fixture
def subject(tmp_path) -> Subject:
    """Attributes that depend on the brightness of the image; all have the last."""
    return attributed(tmp_path, IMAGES, lambda _, light: light < [0.3, 0.6, 2.0], darkest=160)


def settings(**changes: float | str):
    return parse_slice("evaluation", json.dumps({"from": "linear_probe", **changes}))


@pytest.mark.parametrize("regularisation", [1.0, 1e-4])
def test_rows_are_the_machines_by_hand(subject, regularisation):
    train, test = (subject.features(split).double().numpy() for split in IMAGES)
    known, marks = (subject.splits[split].attributes().numpy() for split in IMAGES)
    accuracy, majority = [], []
    for i in range(2):
        machine = make_pipeline(StandardScaler(), LinearSVC(C=regularisation, random_state=0, dual=False))
        accuracy.append(machine.fit(train, known[:, i]).score(test, marks[:, i]))
        majority.append((marks[:, i] == (known[:, i].mean() > 0.5)).mean())
    rows = evaluate(subject, settings(regularisation=regularisation))
    # Half an image: the same machine may be solved in its primal or its dual form.
    assert rows == [
        Row("probe_accuracy", pytest.approx(sum(accuracy) / 2, abs=0.01), 2),
        *(Row("probe_accuracy", pytest.approx(accuracy[i], abs=0.01), 50, f"attribute={i}") for i in range(2)),
        Row("probe_accuracy", pytest.approx(math.nan, nan_ok=True), 50, "attribute=2"),
        Row("majority_accuracy", pytest.approx(sum(majority) / 2), 2),
        *(Row("majority_accuracy", pytest.approx(majority[i]), 50, f"attribute={i}") for i in range(2)),
        Row("majority_accuracy", 1, 50, "attribute=2"),
    ]


def test_probes_read_brightness_better_than_the_majority(subject):
    rows = [row for row in evaluate(subject, settings()) if row.subset is None]
    assert rows[0].value > rows[1].value + 0.1


def test_scores_are_non_negative_least_squares_at_every_position(subject):
    subject.tensors["factors"] = torch.rand(6, 3, generator=torch.Generator().manual_seed(0))
    factors = subject.tensors["factors"].double().numpy()
    maps = subject.network.maps(subject.splits["test"].floats(slice(4))).detach().double().numpy()
    expected = [
        [nnls(factors, image[:, i, j])[0] for i in range(image.shape[1]) for j in range(image.shape[2])]
        for image in maps
    ]
    found = score_codes(subject, "test")
    assert found.shape == (50, 3 * maps.shape[2] * maps.shape[3])
    assert found[:4].numpy() == pytest.approx(np.array(expected).reshape(4, -1), abs=1e-4)
    train, marks = score_codes(subject, "train").double().numpy(), subject.splits["train"].attributes().numpy()[:, 0]
    machine = make_pipeline(StandardScaler(), LinearSVC(random_state=0, dual=False)).fit(train, marks)
    right = machine.score(found.double().numpy(), subject.splits["test"].attributes().numpy()[:, 0])
    (row,) = (
        row
        for row in evaluate(subject, settings(features="scores"))
        if (row.metric, row.subset) == ("probe_accuracy", "attribute=0")
    )
    assert row.value == pytest.approx(right, abs=0.03)


def test_a_method_without_factors_is_named(subject):
    with pytest.raises(UserError, match=r"^5\.safetensors: method 'none' has no factors; list methods from: deepfacto"):
        evaluate(subject, settings(features="scores"))


@pytest.mark.parametrize("batch", [1, 16])
@pytest.mark.parametrize("features", ["pooled", "scores"])
def test_results_do_not_depend_on_the_size_of_a_batch(subject, monkeypatch, batch, features):
    subject.tensors["factors"] = torch.rand(6, 3, generator=torch.Generator().manual_seed(0))
    expected = [row.value for row in evaluate(subject, settings(features=features))]
    monkeypatch.setattr(trained, "BATCH", batch)
    found = [row.value for row in evaluate(subject, settings(features=features))]
    assert found == pytest.approx(expected, nan_ok=True)
