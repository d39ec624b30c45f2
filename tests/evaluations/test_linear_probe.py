"""Linear probes on the features of an untrained network."""

import json
import math

import numpy as np
import pytest
import torch
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from tables import write_samples

from pipeline.datasets.samples import Prepared, Sample
from pipeline.evaluations.linear_probe import evaluate
from pipeline.evaluations.subject import Row, Subject
from pipeline.models import trained
from pipeline.models.resnet_cifar import build
from pipeline.settings import parse_slice
from pipeline.settings.methods import ResnetCifar
from pipeline.training.data import Images
from pipeline.training.streams import seeded

IMAGES = {"train": 60, "test": 50}
ATTRIBUTES = 3
NAMES = ["a", "b"]
NETWORK = ResnetCifar(kind="resnet_cifar", blocks=1, channels=(4, 4, 6))


@pytest.fixture
def subject(tmp_path) -> Subject:
    """Attributes that depend on the brightness of the image; all have the last."""
    splits = {}
    for split, count in IMAGES.items():
        drawn = np.random.default_rng(count)
        light = drawn.random((count, 1))
        images = (light[:, None, None] * drawn.integers(160, 256, (count, 8, 8, 1))).astype(np.uint8)
        marks = (light < [0.3, 0.6, 2.0]).astype(np.uint8)
        prepared = Prepared(
            class_names=NAMES, mean=[0.4], std=[0.2], train=(), test=(), columns=("attributes",),
            names={"attributes": [str(i) for i in range(ATTRIBUTES)]},
        )  # fmt: skip
        samples = [
            Sample(sample_id=f"{split}-{i}", image=images[i], label=i % 2, attributes=marks[i]) for i in range(count)
        ]
        write_samples(tmp_path / split, samples, prepared, augment={})
        splits[split] = Images.read(str(tmp_path / split), torch.device("cpu"))
    with seeded(0, "init"):
        network = build(NETWORK, channels=1, classes=2, mean=[0.4], std=[0.2])
        network.train()(splits["train"].floats(slice(None)))
    header = {
        "method": "none",
        "seed": 5,
        "settings": {"network": NETWORK.slice()},
        "class_names": NAMES,
        "input": {"channels": 1, "mean": [0.4], "std": [0.2]},
    }
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    return Subject("5.safetensors", tensors, header, torch.device("cpu"), splits, {})


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
