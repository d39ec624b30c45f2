"""Clusters of the features of an untrained network: named, merged and compared by loops."""

import json
import math
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from torch.nn.functional import cosine_similarity

from pipeline.errors import UserError
from pipeline.evaluations.feature_clusters import class_centres, evaluate, named
from pipeline.evaluations.subject import Row, Subject
from pipeline.metrics.clustering import purity
from pipeline.models import trained
from pipeline.models.resnet_cifar import build
from pipeline.settings import parse_slice
from pipeline.settings.networks import ResnetCifar
from pipeline.training.data import Images
from pipeline.training.streams import derive, seeded

NAMES = ["a", "b", "c", "d"]
NETWORK = ResnetCifar(kind="resnet_cifar", blocks=1, channels=(4, 4, 6))
SETTINGS = parse_slice("evaluation", json.dumps({"from": "feature_clusters"}))


def split(count: int) -> Images:
    """Images of two classes: of class 1, half are dim and half are bright; classes 2 and 3 have none."""
    draws = torch.Generator().manual_seed(count)
    kinds = torch.arange(count) % 4
    light = torch.tensor([0.25, 0.5, 0.05, 1.0])[kinds] + 0.2 * (torch.rand(count, generator=draws) - 0.5)
    pixels = (
        torch.randint(100, 256, (count, 1, 8, 8), generator=draws) * light.clamp(0, 1)[:, None, None, None]
    ).byte()
    return Images(pixels, (kinds >= 2).long(), [str(row) for row in range(count)], {"class_names": NAMES}, "x.parquet")


@pytest.fixture
def subject() -> Subject:
    splits = {"train": split(60), "test": split(50)}
    with seeded(0, "init"):
        network = build(NETWORK, channels=1, size=(8, 8), classes=4, mean=[0.4], std=[0.2])
        network.train()(splits["train"].floats(slice(None)))
    header = {
        "method": "none",
        "seed": 2,
        "settings": {"network": NETWORK.slice()},
        "class_names": NAMES,
        "input": {"channels": 1, "mean": [0.4], "std": [0.2], "height": 8, "width": 8},
    }
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    tensors["gates"] = torch.rand(4, 6, generator=torch.Generator().manual_seed(0))
    return Subject("2.safetensors", tensors, header, torch.device("cpu"), splits, {})


def overall(rows: list[Row]) -> dict[str, Row]:
    return {row.metric: row for row in rows if row.subset is None}


def distance(one: np.ndarray, other: np.ndarray) -> float:
    return math.sqrt(sum((a - b) ** 2 for a, b in zip(one, other, strict=True)))


def test_rows_are_the_loops_by_hand(subject):
    train, test = (subject.features(name).double().numpy() for name in ("train", "test"))
    labels, truth = (subject.splits[name].labels.tolist() for name in ("train", "test"))
    seed = derive(2, "evaluate", "feature_clusters") % 2**32
    means = KMeans(4, n_init=10, max_iter=500, random_state=seed).fit(train)
    members = [[labels[i] for i in np.flatnonzero(means.labels_ == cluster)] for cluster in range(4)]
    names = [min(Counter(own).items(), key=lambda item: (-item[1], item[0]))[0] for own in members]
    assert set(names) == {0, 1}, "a toy that tells nothing; change it"
    hits = 0
    for image, label in zip(test, truth, strict=True):
        distances = [distance(image, centre) for centre in means.cluster_centers_]
        hits += names[distances.index(min(distances))] == label
    units = [centre / distance(centre, 0 * centre) for centre in means.cluster_centers_]
    pairs = [distance(one, other) for one, other in combinations(units, 2)]
    centres, sizes = {}, {}
    for c in (0, 1):
        own = [cluster for cluster in range(4) if names[cluster] == c]
        sizes[c] = sum(len(members[cluster]) for cluster in own)
        centres[c] = sum(len(members[cluster]) * means.cluster_centers_[cluster] for cluster in own) / sizes[c]
    cosines = {
        (c, other): cosine_similarity(torch.tensor(centres[c]), subject.gates[other].double(), dim=0).item()
        for c in (0, 1)
        for other in range(4)
    }
    others = [value for (c, other), value in cosines.items() if c != other]
    assert evaluate(subject, SETTINGS) == [
        Row("cluster_accuracy", pytest.approx(hits / 50), 50),
        Row("centre_distance", pytest.approx(sum(pairs) / 6), 6),
        Row("centre_gate_cosine", pytest.approx((cosines[0, 0] + cosines[1, 1]) / 2), 2),
        Row("centre_gate_cosine", pytest.approx(sum(others) / 6), 6, "others"),
        *(
            Row("cluster_centre", pytest.approx(centres[c][k]), sizes[c], f"class={c},filter={k}")
            for c in (0, 1)
            for k in range(6)
        ),
    ]


def test_on_the_training_images_accuracy_is_purity(subject):
    subject.splits["test"] = subject.splits["train"]
    features, labels = subject.features("train").double().numpy(), subject.splits["train"].labels
    seed = derive(2, "evaluate", "feature_clusters") % 2**32
    members = torch.from_numpy(KMeans(4, n_init=10, max_iter=500, random_state=seed).fit_predict(features)).long()
    found = overall(evaluate(subject, SETTINGS))["cluster_accuracy"].value
    assert found == pytest.approx(purity(labels, members).item()) and found > 0.6


def test_size_of_a_batch_does_not_matter_and_runs_repeat(subject, monkeypatch):
    first, again = evaluate(subject, SETTINGS), evaluate(subject, SETTINGS)
    assert first == again
    monkeypatch.setattr(trained, "BATCH", 7)
    assert first == [
        Row(row.metric, pytest.approx(row.value, rel=1e-4, abs=1e-5), row.n, row.subset)
        for row in evaluate(subject, SETTINGS)
    ]


def test_network_without_gates_has_no_cosine(subject):
    expected = [row for row in evaluate(subject, SETTINGS) if row.metric != "centre_gate_cosine"]
    del subject.tensors["gates"]
    assert evaluate(subject, SETTINGS) == expected


def test_class_without_test_images_does_not_matter(subject):
    chosen = subject.splits["test"].labels == 1
    images = subject.splits["test"]
    subject.splits["test"] = Images(images.pixels[chosen], images.labels[chosen], [], images.notes)
    found = overall(evaluate(subject, SETTINGS))
    assert found["cluster_accuracy"].n == 24 and 0 <= found["cluster_accuracy"].value <= 1
    assert found["centre_gate_cosine"].n == 2


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
def test_network_that_is_dead_has_one_cluster_and_no_direction(subject):
    for name in ("backbone", "head"):
        for key in [key for key in subject.tensors if key.startswith(f"network.{name}")]:
            subject.tensors[key] = torch.zeros_like(subject.tensors[key])
    found = overall(evaluate(subject, SETTINGS))
    assert found["cluster_accuracy"].value == pytest.approx(26 / 50)
    for metric in ("centre_distance", "centre_gate_cosine"):
        assert math.isnan(found[metric].value) and found[metric].n == 0


def test_fewer_images_than_clusters_are_named(subject):
    images = subject.splits["train"]
    subject.splits["train"] = Images(images.pixels[:3], images.labels[:3], [], images.notes, images.path)
    with pytest.raises(UserError, match=r"x\.parquet: 3 training images are too few for 4 clusters"):
        evaluate(subject, SETTINGS)


def test_as_many_images_as_clusters_are_their_own_centres(subject):
    images = subject.splits["train"]
    subject.splits["train"] = Images(images.pixels[:4], images.labels[:4], [], images.notes)
    centres = [row.value for row in evaluate(subject, SETTINGS) if row.metric == "cluster_centre"]
    features = subject.features("train")
    assert centres == pytest.approx([*features[:2].mean(0).tolist(), *features[2:].mean(0).tolist()], rel=1e-5)


def test_names_take_the_lowest_of_equals_and_none_for_none():
    names, sizes = named(torch.tensor([0, 0, 0, 0, 2]), torch.tensor([2, 1, 1, 2, 0]), 3)
    assert names.tolist() == [1, -1, 0] and sizes.tolist() == [4, 0, 1]


def test_centres_of_one_name_weigh_by_their_size():
    centres = torch.tensor([[1.0, 0.0], [9.0, 9.0], [0.0, 4.0]], dtype=torch.float64)
    found, counts = class_centres(centres, torch.tensor([1, -1, 1]), torch.tensor([3, 0, 1]))
    assert found[1].tolist() == [0.75, 1.0] and found[[0, 2]].isnan().all() and counts.tolist() == [0, 4, 0]
