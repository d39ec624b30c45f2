"""Linear probes on the features of an untrained network."""

import json
import math

import numpy as np
import pytest
import torch
from attributed import NETWORK, attributed
from scipy.optimize import nnls
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from tables import write_samples

from pipeline.datasets.samples import Prepared, Sample
from pipeline.errors import UserError
from pipeline.evaluations.linear_probe import codes, evaluate, groups_of
from pipeline.evaluations.subject import Row, Subject
from pipeline.methods import deepfacto
from pipeline.models import trained
from pipeline.settings import parse_slice
from pipeline.settings.splitting import DeepFacto
from pipeline.splitting.nmf import rows_of
from pipeline.training.compute import choose
from pipeline.training.data import Images
from pipeline.training.session import Session

IMAGES = {"train": 60, "test": 50}
ATTRIBUTES = 3


@pytest.fixture
def subject(tmp_path) -> Subject:
    """Attributes that depend on the brightness of the image; all have the last."""
    return attributed(tmp_path, IMAGES, lambda _, light: light < [0.3, 0.6, 2.0], darkest=160)


def settings(**changes: float | str | list):
    return parse_slice("evaluation", json.dumps({"from": "linear_probe", "regularisation": 1.0, **changes}))


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
        *(Row("probe_regularisation", regularisation, 60, f"attribute={i}") for i in range(2)),
        Row("probe_regularisation", pytest.approx(math.nan, nan_ok=True), 60, "attribute=2"),
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
    scores = settings(features="scores", pooling="none")
    train_scores, found = codes(subject, scores)
    assert found.shape == (50, 3 * maps.shape[2] * maps.shape[3])
    assert found[:4].numpy() == pytest.approx(np.array(expected).reshape(4, -1), abs=1e-4)
    train, marks = train_scores.double().numpy(), subject.splits["train"].attributes().numpy()[:, 0]
    machine = make_pipeline(StandardScaler(), LinearSVC(random_state=0, dual=False)).fit(train, marks)
    right = machine.score(found.double().numpy(), subject.splits["test"].attributes().numpy()[:, 0])
    (row,) = (row for row in evaluate(subject, scores) if (row.metric, row.subset) == ("probe_accuracy", "attribute=0"))
    assert row.value == pytest.approx(right, abs=0.03)


def test_a_method_without_factors_is_named(subject):
    with pytest.raises(UserError, match=r"^5\.safetensors: method 'none' has no factors; list methods from: deepfacto"):
        evaluate(subject, settings(features="scores"))


CONTROLS = {"maps": {}, "scores": {}, "nmf": {"rank": 2}, "pca": {"rank": 2}}


@pytest.mark.parametrize("features", CONTROLS)
def test_pooled_codes_are_the_mean_and_the_largest_of_those_of_positions(subject, features):
    subject.tensors["factors"] = torch.rand(6, 3, generator=torch.Generator().manual_seed(0))
    found = {
        pooling: codes(subject, settings(features=features, pooling=pooling, **CONTROLS[features]))
        for pooling in ("none", "mean", "max")
    }
    for everywhere, mean, largest in zip(*found.values(), strict=True):
        by_position = everywhere.view(len(everywhere), -1, mean.shape[1])
        assert torch.allclose(by_position.mean(1), mean, atol=1e-6) and torch.equal(by_position.amax(1), largest)
    assert mean.shape[1] == {"maps": 6, "scores": 3}.get(features, 2)


def test_maps_are_channels_of_one_position_after_another(subject):
    maps = subject.last_maps("test")
    found = codes(subject, settings(features="maps", pooling="none"))[1]
    expected = [
        [image[k, u, v] for u in range(maps.shape[2]) for v in range(maps.shape[3]) for k in range(6)] for image in maps
    ]
    assert torch.equal(found, torch.tensor(expected))
    assert torch.equal(codes(subject, settings())[1], subject.features("test"))


def test_components_are_those_of_the_covariance_of_training_positions(subject):
    train, test = (rows_of(subject.last_maps(split)).double().numpy() for split in IMAGES)
    values, vectors = np.linalg.eigh(np.cov(train.T))
    expected = (test - train.mean(0)) @ vectors[:, ::-1][:, :2]
    found = codes(subject, settings(features="pca", pooling="none", rank=2))[1].view(-1, 2).numpy()
    assert values[-2] > 1.01 * values[-3]
    assert np.allclose(np.abs(found), np.abs(expected), atol=1e-6)


def test_control_factorisation_is_where_deepfacto_would_start(subject):
    """On the same network, images and seed as many scores as those of the warm start, from a part of the positions."""
    options = DeepFacto(kind="deepfacto", network=NETWORK, rank=2, warm_epochs=0, warm_positions=99)
    session = Session(subject.network, subject.splits["train"], choose("cpu", "fp32", 1), subject.seed)
    started = deepfacto.Run(session, options)
    started.warm_start()
    found = codes(subject, settings(features="nmf", pooling="none", rank=2, positions=99))[0]
    assert found.numpy() == pytest.approx(started.kept["s"].numpy(), abs=1e-4)
    everywhere = codes(subject, settings(features="nmf", pooling="none", rank=2))[0]
    assert (everywhere - found).norm() > 1e-3 * found.norm()


def test_folds_keep_groups_together_and_images_without_group_apart(subject, tmp_path):
    images = subject.splits["train"]
    assert groups_of(images, 5) == images.ids
    people = Prepared(class_names=["a"], mean=[0.4], std=[0.2], train=(), test=(), columns=("group",))
    names = ["ann", "ben", None, "ann"]
    samples = [
        Sample(sample_id=str(i), image=np.zeros((2, 2, 1), np.uint8), label=0, group=name)
        for i, name in enumerate(names)
    ]
    write_samples(tmp_path / "people", samples, people, augment={})
    grouped = Images.read(str(tmp_path / "people"), torch.device("cpu"))
    assert groups_of(grouped, 3) == ["ann", "ben", "2", "ann"]
    with pytest.raises(UserError, match=r"people: has 3 groups of images, fewer than the 4 folds .* lower its `folds`"):
        groups_of(grouped, 4)


def test_more_components_than_channels_are_refused(subject):
    with pytest.raises(UserError, match=r"^5\.safetensors: its maps have 6 principal components, fewer than rank 7"):
        evaluate(subject, settings(features="pca", rank=7))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"features": "nmf"}, "need a rank"),
        ({"features": "pca"}, "need a rank"),
        ({"features": "scores", "rank": 4}, "need a rank, others have none of their own; found 4"),
        ({"regularisation": [0.1]}, "regularisation"),
        ({"regularisation": 0}, "regularisation"),
        ({"folds": 1}, "folds"),
    ],
)
def test_settings_without_sense_are_refused(changes, problem):
    with pytest.raises(UserError, match=problem):
        settings(**changes)


@pytest.mark.parametrize("batch", [1, 16])
@pytest.mark.parametrize("features", CONTROLS)
def test_results_do_not_depend_on_the_size_of_a_batch(subject, monkeypatch, batch, features):
    subject.tensors["factors"] = torch.rand(6, 3, generator=torch.Generator().manual_seed(0))
    expected = [row.value for row in evaluate(subject, settings(features=features, **CONTROLS[features]))]
    monkeypatch.setattr(trained, "BATCH", batch)
    found = [row.value for row in evaluate(subject, settings(features=features, **CONTROLS[features]))]
    assert found == pytest.approx(expected, nan_ok=True)
