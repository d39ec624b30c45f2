"""Closing filters of an untrained network, one image and one filter after another."""

import json
import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.evaluations.filter_masking import evaluate
from pipeline.evaluations.subject import Row, Subject
from pipeline.models import alexnet_cifar, trained
from pipeline.models.resnet_cifar import build
from pipeline.settings import parse_slice
from pipeline.settings.networks import AlexnetCifar, ResnetCifar
from pipeline.training.data import Images
from pipeline.training.streams import seeded, stream

COUNT, FILTERS = 60, 8
NAMES = ["a", "b", "c", "d"]
NETWORK = ResnetCifar(kind="resnet_cifar", blocks=1, channels=(4, 4, FILTERS))


@pytest.fixture
def subject() -> Subject:
    """A network that guesses every class of some images; no image is of class 3."""
    pixels = torch.randint(0, 256, (COUNT, 1, 8, 8), generator=stream(0, "pixels")).to(torch.uint8)
    images = Images(pixels, torch.arange(COUNT) % 3, [str(row) for row in range(COUNT)], {"class_names": NAMES})
    with seeded(0, "init"):
        network = build(NETWORK, channels=1, size=(8, 8), classes=4, mean=[0.4], std=[0.2])
        network.train()(images.floats(slice(None)))
    with torch.no_grad():
        network.head.weight *= 5
        network.head.bias -= network.eval()(images.floats(slice(None))).mean(0)
    header = {
        "method": "none",
        "seed": 1,
        "settings": {"network": NETWORK.slice()},
        "class_names": NAMES,
        "input": {"channels": 1, "mean": [0.4], "std": [0.2], "height": 8, "width": 8},
    }
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    tensors["gates"] = torch.rand(4, FILTERS, generator=stream(0, "gates"))
    return Subject("1.safetensors", tensors, header, torch.device("cpu"), {"test": images}, {})


def settings(closed: list[list[int]] | None = None, filters: int | None = None):
    block = {"from": "filter_masking", "closed": closed or [[1], [0, 2]], "filters": filters}
    return parse_slice("evaluation", json.dumps(block))


@torch.no_grad()
def features_by_hand(subject: Subject) -> list[list[float]]:
    images = subject.splits["test"]
    return [subject.network.features(images.floats(slice(i, i + 1)))[0].tolist() for i in range(COUNT)]


def predictions_by_hand(subject: Subject, opened: set[int]) -> list[int]:
    """Each image through W a + b, summed over the open filters only."""
    weights, bias = (subject.tensors[f"network.head.{name}"].tolist() for name in ("weight", "bias"))
    found = []
    for image in features_by_hand(subject):
        logits = [bias[c] + sum(weights[c][k] * image[k] for k in opened) for c in range(4)]
        found.append(logits.index(max(logits)))
    return found


def groups_by_hand(subject: Subject, filters: int) -> list[set[int]]:
    if "gates" in subject.tensors:
        return [{k for k, gate in enumerate(row) if gate > 0.5} for row in subject.tensors["gates"].tolist()]
    labels, features = subject.splits["test"].labels.tolist(), features_by_hand(subject)
    groups = []
    for c in range(3):
        sums = [sum(image[k] for image, y in zip(features, labels, strict=True) if y == c) for k in range(FILTERS)]
        groups.append(set(sorted(range(FILTERS), key=lambda k: -sums[k])[:filters]))
    return [*groups, set()]


def recall(labels: list[int], predicted: list[int], label: int, answer: int) -> float:
    answers = [p for y, p in zip(labels, predicted, strict=True) if y == label]
    return answers.count(answer) / len(answers) if answers else math.nan


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


@pytest.mark.parametrize(("gates", "filters"), [(True, None), (False, None), (False, 3)])
def test_rows_are_the_loops_by_hand(subject, monkeypatch, gates, filters):
    monkeypatch.setattr(trained, "BATCH", 7)
    if not gates:
        del subject.tensors["gates"]
    rows = evaluate(subject, settings(filters=filters))
    labels, groups = subject.splits["test"].labels.tolist(), groups_by_hand(subject, filters or 2)
    everything = set(range(FILTERS))
    expected: list[Row] = []
    plain = predictions_by_hand(subject, everything)
    singles = {}
    for chosen, name in (((0,), "0"), ((1,), "1"), ((2,), "2"), ((0, 2), "0+2")):
        own = set().union(*(groups[c] for c in chosen))
        closed, opened = (predictions_by_hand(subject, filters) for filters in (everything - own, own))
        assert closed != plain != opened, "a toy that tells nothing; change it"
        others = [c for c in range(3) if c not in chosen]
        scalars = [
            ("masked_recall", mean([recall(labels, closed, c, c) for c in chosen]), len(chosen)),
            ("kept_recall", mean([recall(labels, closed, c, c) for c in others]), len(others)),
            ("unmasked_recall", mean([recall(labels, plain, c, c) for c in others]), len(others)),
            ("closed_filters", len(own), FILTERS),
            ("open_share", mean([p in chosen for p in opened]), COUNT),
        ]
        if len(chosen) == 1:
            for metric, value, _ in scalars:
                singles.setdefault(metric, []).append(value)
        if name not in ("1", "0+2"):
            continue
        expected += [Row(metric, pytest.approx(value), n, f"closed={name}") for metric, value, n in scalars]
        expected += confusion_by_hand(labels, closed, f"closed={name},")
        expected += confusion_by_hand(labels, opened, f"open={name},")
    # Overall each class with test images is closed by itself.
    means = [Row(metric, pytest.approx(mean(values)), 3) for metric, values in singles.items()]
    assert rows == means + expected + confusion_by_hand(labels, plain, "")


def confusion_by_hand(labels: list[int], predicted: list[int], prefix: str) -> list[Row]:
    return [
        Row(
            "confusion", pytest.approx(recall(labels, predicted, y, p), nan_ok=True), labels.count(y),
            f"{prefix}class={y},predicted={p}",
        )
        for y in range(4)
        for p in range(4)
    ]  # fmt: skip


def scalars(rows: list[Row]) -> dict[str, Row]:
    """Those of the only set."""
    chosen = [row for row in rows if row.subset and row.subset.startswith("closed=") and "," not in row.subset]
    assert len(chosen) == 5
    return {row.metric: replace(row, subset=None) for row in chosen}


def test_of_gates_made_by_hand_the_exclusive_filters_are_closed(subject):
    subject.tensors["gates"] = torch.tensor([[1, 0, 0, 0, 1], [0, 1, 0, 0, 1], [0, 0, 1, 0, 1], [0, 0, 0, 1, 1.0]])
    subject.tensors["gates"] = subject.tensors["gates"].repeat_interleave(torch.tensor([2, 2, 1, 1, 2]), dim=1)
    shared = scalars(evaluate(subject, settings([[0]])))["closed_filters"]
    subject.header["settings"]["fixed_gates"] = {"exclusive": 2}
    alone = scalars(evaluate(subject, settings([[0]])))["closed_filters"]
    assert (shared.value, alone.value) == (4, 2)


def test_a_filter_a_class_closes_and_opens_just_that_class(subject):
    """Head and gates that give class c the filters c and c + 4."""
    own = torch.cat([torch.eye(4), torch.eye(4)], dim=1)
    subject.tensors |= {"gates": own, "network.head.weight": 1e3 * own, "network.head.bias": torch.ones(4)}
    features = subject.features("test")
    subject.splits["test"].labels = (features[:, :4] + features[:, 4:]).argmax(1)
    found = scalars(evaluate(subject, settings([[1]])))
    assert {name: row.value for name, row in found.items()} == {
        "masked_recall": 0, "kept_recall": 1, "unmasked_recall": 1, "closed_filters": 2, "open_share": 1
    }  # fmt: skip


@torch.no_grad()
@pytest.mark.parametrize("gates", [True, False])
def test_without_pooling_the_maps_of_closed_filters_are_zero(subject, monkeypatch, gates):
    """The network is run again for each image, with the closed maps overwritten one by one."""
    monkeypatch.setattr(trained, "BATCH", 7)
    settings_of = AlexnetCifar(kind="alexnet_cifar", channels=(4, 4, 4, 4, FILTERS), hidden=6)
    with seeded(1, "init"):
        network = alexnet_cifar.build(settings_of, channels=1, size=(8, 8), classes=4, mean=[0.4], std=[0.2]).eval()
    images = subject.splits["test"]
    for layer in (network.tail.linear1, network.tail.linear2, network.tail.linear3):
        layer.weight *= 8
    network.tail.linear3.bias -= network(images.floats(slice(None))).mean(0)
    subject.tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()} | (
        {"gates": subject.tensors["gates"]} if gates else {}
    )
    subject.header["settings"]["network"] = settings_of.slice()

    def predictions(opened: set[int]) -> list[int]:
        found = []
        for row in range(COUNT):
            maps = network.maps(images.floats(slice(row, row + 1)))
            for k in set(range(FILTERS)) - opened:
                maps[0, k] = 0
            found.append(network.tail(maps).argmax().item())
        return found

    rows, labels, everything = evaluate(subject, settings([[1]])), images.labels.tolist(), set(range(FILTERS))
    own = groups_by_hand(subject, 2)[1]
    closed, opened, plain = (predictions(filters) for filters in (everything - own, own, everything))
    assert len({tuple(closed), tuple(opened), tuple(plain)}) == 3, "a toy that tells nothing; change it"
    confusions = [row for row in rows if row.metric == "confusion"]
    assert confusions == [
        *confusion_by_hand(labels, closed, "closed=1,"),
        *confusion_by_hand(labels, opened, "open=1,"),
        *confusion_by_hand(labels, plain, ""),
    ]
    assert scalars(rows)["closed_filters"] == Row("closed_filters", len(own), FILTERS)


def test_network_comes_back_as_it_was(subject):
    before = {name: tensor.clone() for name, tensor in subject.network.state_dict().items()}
    evaluate(subject, settings())
    after = subject.network.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items()) and not subject.network.training


@pytest.mark.parametrize("gates", [True, False])
def test_class_without_test_images_has_no_recall(subject, gates):
    if not gates:
        del subject.tensors["gates"]
    found = scalars(evaluate(subject, settings([[3]])))
    assert math.isnan(found["masked_recall"].value) and found["masked_recall"].n == 0
    assert found["kept_recall"].n == 3 and found["open_share"].n == COUNT
    assert (found["closed_filters"].value > 0) == gates
    if not gates:
        assert found["kept_recall"].value == found["unmasked_recall"].value


def test_closing_every_class_leaves_no_other(subject):
    subject.tensors["gates"] = torch.ones(4, FILTERS)
    found = scalars(evaluate(subject, settings([[0, 1, 2, 3]])))
    assert math.isnan(found["kept_recall"].value) and found["kept_recall"].n == found["unmasked_recall"].n == 0
    bias: Tensor = subject.tensors["network.head.bias"]
    assert found["masked_recall"].value == pytest.approx(1 / 3 if bias.argmax() < 3 else 0)
    assert found["open_share"].value == 1 and found["closed_filters"].value == FILTERS


def test_gates_of_no_class_close_nothing(subject):
    subject.tensors["gates"] = torch.full((4, FILTERS), math.nan)
    found = scalars(evaluate(subject, settings([[0]])))
    assert found["closed_filters"].value == 0 and found["kept_recall"].value == found["unmasked_recall"].value


def test_fewer_filters_than_classes_leave_each_class_one(subject):
    del subject.tensors["gates"]
    subject.splits["test"].notes["class_names"] = [str(c) for c in range(10)]
    subject.tensors["network.head.weight"] = torch.randn(10, FILTERS, generator=stream(0, "head"))
    subject.tensors["network.head.bias"] = torch.zeros(10)
    subject.header["class_names"] = [str(c) for c in range(10)]
    assert scalars(evaluate(subject, settings([[0]])))["closed_filters"].value == 1


def test_class_that_does_not_exist_is_named(subject):
    with pytest.raises(UserError, match=r"1\.safetensors: `closed` .* names class 5, but the classes are 0 to 3"):
        evaluate(subject, settings([[0], [0, 5]]))


@pytest.mark.parametrize("closed", [[], [[]], [[-1]]])
def test_sets_of_no_class_are_refused(closed):
    with pytest.raises(UserError, match="closed"):
        parse_slice("evaluation", json.dumps({"from": "filter_masking", "closed": closed}))
