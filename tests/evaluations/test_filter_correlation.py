"""Correlation of the filters of the last convolution, with and without gates."""

import json
from itertools import combinations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from pipeline.evaluations.filter_correlation import evaluate
from pipeline.evaluations.subject import Row, Subject
from pipeline.models import alexnet_cifar
from pipeline.models.resnet_cifar import build
from pipeline.settings import parse_slice
from pipeline.settings.networks import AlexnetCifar, ResnetCifar
from pipeline.training.streams import seeded, stream

NAMES = ["a", "b", "c"]
SETTINGS = parse_slice("evaluation", json.dumps({"from": "filter_correlation"}))


@pytest.fixture(params=[1, 2])
def blocks(request) -> int:
    """Blocks of a stage; with one, the last has a convolution in its shortcut."""
    return request.param


@pytest.fixture
def subject(blocks) -> Subject:
    settings = ResnetCifar(kind="resnet_cifar", blocks=blocks, channels=(4, 4, 6))
    with seeded(0, "init"):
        network = build(settings, channels=1, size=(8, 8), classes=3, mean=[0.4], std=[0.2])
    header = {
        "method": "none",
        "seed": 1,
        "settings": {"network": settings.slice()},
        "class_names": NAMES,
        "input": {"channels": 1, "mean": [0.4], "std": [0.2], "height": 8, "width": 8},
    }
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    tensors["gates"] = torch.rand(3, 6, generator=stream(1, "gates"))
    return Subject("1.safetensors", tensors, header, torch.device("cpu"), {}, {})


def cosines(kernels: Tensor) -> dict[tuple[int, int], float]:
    pairs = combinations(range(len(kernels)), 2)
    return {(i, j): abs(cosine_similarity(kernels[i].flatten(), kernels[j].flatten(), dim=0).item()) for i, j in pairs}


def mean(values: list[float]):
    return pytest.approx(sum(values) / len(values), abs=1e-6)


def grouped(values: dict[tuple[int, int], float], groups: list[int], subset: str | None) -> list[Row]:
    within = [value for (i, j), value in values.items() if groups[i] == groups[j]]
    between = [value for (i, j), value in values.items() if groups[i] != groups[j]]
    assert within and between, "a toy that tells nothing; change it"
    ratio = pytest.approx(mean(within).expected / mean(between).expected, abs=1e-5)
    return [
        Row("filter_correlation_within", mean(within), len(within), subset),
        Row("filter_correlation_between", mean(between), len(between), subset),
        Row("filter_correlation_ratio", ratio, 15, subset),
    ]


def test_rows_are_the_loop_over_pairs_of_the_last_blocks_filters(subject, blocks):
    values = cosines(subject.tensors[f"network.backbone.{2 + 3 * blocks}.conv2.weight"])
    by_gates, by_weights = (
        [column.index(max(column)) for column in matrix.T.tolist()]
        for matrix in (subject.gates, subject.tensors["network.head.weight"])
    )
    assert by_gates != by_weights
    assert evaluate(subject, SETTINGS) == [
        Row("filter_correlation", mean(list(values.values())), 15),
        *grouped(values, by_gates, None),
        *grouped(values, by_weights, "groups=weights"),
    ]


def test_network_without_gates_has_the_groups_of_its_weights(subject):
    whole = evaluate(subject, SETTINGS)
    del subject.tensors["gates"]
    assert evaluate(subject, SETTINGS) == [row for row in whole if row.subset or row.metric == "filter_correlation"]


@pytest.mark.parametrize("blocks", [1], indirect=True)
def test_network_without_pooling_has_no_groups_of_weights(subject):
    settings = AlexnetCifar(kind="alexnet_cifar", channels=(4, 4, 4, 4, 6), hidden=5)
    with seeded(0, "init"):
        network = alexnet_cifar.build(settings, channels=1, size=(8, 8), classes=3, mean=[0.4], std=[0.2])
    gates = subject.tensors["gates"]
    subject.tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    subject.header["settings"]["network"] = settings.slice()
    values = cosines(subject.tensors["network.backbone.conv5.weight"])
    overall = Row("filter_correlation", mean(list(values.values())), 15)
    assert evaluate(subject, SETTINGS) == [overall]
    subject.tensors["gates"] = gates
    assert evaluate(subject, SETTINGS) == [overall, *grouped(values, gates.argmax(0).tolist(), None)]


def test_network_stays_as_it_is(subject):
    before = {name: value.clone() for name, value in subject.network.state_dict().items()}
    evaluate(subject, SETTINGS)
    assert all(torch.equal(value, before[name]) for name, value in subject.network.state_dict().items())
    assert all(parameter.requires_grad for parameter in subject.network.parameters())
    assert not subject.network.training
