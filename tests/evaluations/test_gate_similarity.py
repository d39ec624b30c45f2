"""Features and gates of an untrained network, one image after another."""

import json
import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from pipeline.errors import UserError
from pipeline.evaluations.gate_similarity import evaluate
from pipeline.evaluations.subject import Row, Subject
from pipeline.models import trained
from pipeline.models.resnet_cifar import build
from pipeline.settings import parse_slice
from pipeline.settings.networks import ResnetCifar
from pipeline.training.data import Images
from pipeline.training.streams import seeded, stream

COUNT = 40
NAMES = ["a", "b", "c"]
NETWORK = ResnetCifar(kind="resnet_cifar", blocks=1, channels=(4, 4, 6))
SETTINGS = parse_slice("evaluation", json.dumps({"from": "gate_similarity"}))


@pytest.fixture
def subject() -> Subject:
    """Classes 0 and 1 are sometimes guessed; no image is of class 2."""
    pixels = torch.randint(0, 256, (COUNT, 1, 8, 8), generator=stream(0, "pixels")).to(torch.uint8)
    images = Images(pixels, torch.arange(COUNT) % 2, [str(row) for row in range(COUNT)], {"class_names": NAMES})
    with seeded(0, "init"):
        network = build(NETWORK, channels=1, size=(8, 8), classes=3, mean=[0.4], std=[0.2])
        network.train()(images.floats(slice(None)))
    with torch.no_grad():  # so that each class is guessed for some images
        network.head.bias -= network.eval()(images.floats(slice(None))).mean(0)
    header = {
        "method": "none",
        "seed": 1,
        "settings": {"network": NETWORK.slice()},
        "class_names": NAMES,
        "input": {"channels": 1, "mean": [0.4], "std": [0.2], "height": 8, "width": 8},
    }
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    tensors["gates"] = torch.rand(3, 6, generator=stream(0, "gates"))
    return Subject("1.safetensors", tensors, header, torch.device("cpu"), {"test": images}, {})


@torch.no_grad()
def by_hand(subject: Subject) -> dict[str, Tensor]:
    """S, row by row, from images that go through the network alone."""
    network, images = subject.network, subject.splits["test"]
    groups: dict[tuple, list[Tensor]] = {}
    for row, label in enumerate(images.labels.tolist()):
        pixels = images.floats(slice(row, row + 1))
        group = "tp" if network(pixels).argmax().item() == label else "fn"
        groups.setdefault((group, label), []).append(network.features(pixels)[0].detach())
    assert len(groups) == 4, "a toy that tells nothing; change it"
    matrices = {group: torch.full((3, 3), math.nan) for group in ("tp", "fn")}
    for (group, label), features in groups.items():
        mean = torch.stack(features).mean(0)
        matrices[group][label] = torch.stack([cosine_similarity(mean, gate, dim=0) for gate in subject.gates])
    return matrices


def test_rows_are_the_matrices_by_hand_and_their_means(subject, monkeypatch):
    monkeypatch.setattr(trained, "BATCH", 7)
    rows = evaluate(subject, SETTINGS)
    for group, matrix in by_hand(subject).items():
        cosines = {row.subset: row.value for row in rows if row.metric == "gate_similarity" and row.subset[:2] == group}
        expected = {f"{group},class={y},gate={c}": matrix[y, c].item() for y in range(3) for c in range(3)}
        assert cosines == {subset: pytest.approx(value, abs=1e-5, nan_ok=True) for subset, value in expected.items()}
        own, others = [matrix[0, 0], matrix[1, 1]], [matrix[0, 1], matrix[0, 2], matrix[1, 0], matrix[1, 2]]
        own, others = sum(own).item() / 2, sum(others).item() / 4
        assert [row for row in rows if row.subset == group] == [
            Row("gate_similarity_diagonal", pytest.approx(own, abs=1e-5), 2, group),
            Row("gate_similarity_off_diagonal", pytest.approx(others, abs=1e-5), 4, group),
            Row("gate_similarity_difference", pytest.approx(own - others, abs=1e-5), 2, group),
        ]
    assert [(row.metric, row.value) for row in rows if row.subset is None] == [
        ("gate_similarity_difference", next(row.value for row in rows if row.subset == "tp" and "diff" in row.metric))
    ]


def test_single_cosines_count_their_images(subject):
    counts = {row.subset: row.n for row in evaluate(subject, SETTINGS) if row.metric == "gate_similarity"}
    assert sum(n for subset, n in counts.items() if subset.endswith("gate=0")) == COUNT
    assert counts["tp,class=2,gate=1"] == 0


def test_network_without_wrong_answers_has_nan_for_them(subject):
    subject.splits["test"].labels = subject.logits("test").argmax(1)
    rows = evaluate(subject, SETTINGS)
    wrong = [row for row in rows if row.subset and row.subset.startswith("fn")]
    assert len(wrong) == 12 and all(math.isnan(row.value) and row.n == 0 for row in wrong)
    assert not math.isnan(rows[0].value)


def test_network_without_gates_is_named(subject):
    del subject.tensors["gates"]
    with pytest.raises(UserError, match="'none' has no gates"):
        evaluate(subject, SETTINGS)
