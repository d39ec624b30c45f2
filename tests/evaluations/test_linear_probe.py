"""Linear probes on the features of an untrained network."""

import json
import math

import pytest
from attributed import attributed
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from pipeline.evaluations.linear_probe import evaluate
from pipeline.evaluations.subject import Row, Subject
from pipeline.models import trained
from pipeline.settings import parse_slice

IMAGES = {"train": 60, "test": 50}
ATTRIBUTES = 3


@pytest.fixture
def subject(tmp_path) -> Subject:
    """Attributes that depend on the brightness of the image; all have the last."""
    return attributed(tmp_path, IMAGES, lambda _, light: light < [0.3, 0.6, 2.0], darkest=160)


def settings(regularisation: float = 1.0):
    return parse_slice("evaluation", json.dumps({"from": "linear_probe", "regularisation": regularisation}))


@pytest.mark.parametrize("regularisation", [1.0, 1e-4])
def test_rows_are_the_machines_by_hand(subject, regularisation):
    train, test = (subject.features(split).double().numpy() for split in IMAGES)
    known, marks = (subject.splits[split].attributes().numpy() for split in IMAGES)
    accuracy, majority = [], []
    for i in range(2):
        machine = make_pipeline(StandardScaler(), LinearSVC(C=regularisation, random_state=0, dual=False))
        accuracy.append(machine.fit(train, known[:, i]).score(test, marks[:, i]))
        majority.append((marks[:, i] == (known[:, i].mean() > 0.5)).mean())
    rows = evaluate(subject, settings(regularisation))
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


@pytest.mark.parametrize("batch", [1, 16])
def test_results_do_not_depend_on_the_size_of_a_batch(subject, monkeypatch, batch):
    expected = [row.value for row in evaluate(subject, settings())]
    monkeypatch.setattr(trained, "BATCH", batch)
    assert [row.value for row in evaluate(subject, settings())] == pytest.approx(expected, nan_ok=True)
