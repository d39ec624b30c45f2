"""Decay of maps down the cascade: the rows by hand, and that nothing else changes."""

import json

import pytest
import torch

from pipeline.evaluations.randomisation import evaluate
from pipeline.evaluations.subject import Row, Subject
from pipeline.metrics.randomisation import cascade, likeness
from pipeline.models import trained
from pipeline.models.resnet_cifar import build
from pipeline.registry import load
from pipeline.settings import parse_slice
from pipeline.settings.networks import ResnetCifar
from pipeline.training.data import Images
from pipeline.training.streams import seeded, stream

COUNT, SIDE = 9, 12
NETWORK = ResnetCifar(kind="resnet_cifar", blocks=1, channels=(4, 4, 6))
MEAN, STD = [0.4], [0.2]
STAGES = ["00 original", "01 head", "02 backbone.5", "03 backbone.4", "04 backbone.3", "05 backbone.0"]


@pytest.fixture
def subject() -> Subject:
    """A network that was never trained but whose running statistics are of its images."""
    pixels = torch.randint(0, 256, (COUNT, 1, SIDE, SIDE), generator=stream(0, "pixels")).to(torch.uint8)
    names = ["a", "b", "c"]
    images = Images(pixels, torch.arange(COUNT) % 3, [str(row) for row in range(COUNT)], {"class_names": names})
    with seeded(0, "init"):
        network = build(NETWORK, channels=1, size=(8, 8), classes=3, mean=MEAN, std=STD)
        network.train()(images.floats(slice(None)))
    header = {
        "dataset": "noise",
        "method": "none",
        "seed": 4,
        "settings": {"network": NETWORK.slice()},
        "class_names": names,
        "input": {"channels": 1, "mean": MEAN, "std": STD, "height": 8, "width": 8},
    }
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    return Subject("4.safetensors", tensors, header, torch.device("cpu"), {"test": images}, {})


def settings(samples: int = 7, **explainer):
    block = {"from": "randomisation", "samples": samples, "explainer": {"from": "input_gradient", **explainer}}
    return parse_slice("evaluation", json.dumps(block))


def by_hand(subject: Subject, block, count: int) -> dict[str, tuple[float, float]]:
    """Means over images, explained one at a time, of both measures by stage."""
    explain = load("explainer", block.explainer.kind)
    pixels = subject.splits["test"].floats(slice(None))[:count]
    targets = torch.arange(count) % 3
    if block.explainer.target == "prediction":
        targets = subject.network(pixels).argmax(1).detach()

    def maps(network) -> torch.Tensor:
        single = [explain(network, pixels[row, None], targets[row, None], block.explainer) for row in range(count)]
        return torch.cat(single)

    original = maps(subject.network)
    networks = [("original", subject.network), *cascade(subject.network, 4)]
    assert all(network is networks[1][1] for _, network in networks[1:]), "one copy: maps must be taken on the way"
    found = {STAGES[0]: likeness(original, original)}
    for stage, (_, network) in zip(STAGES[1:], cascade(subject.network, 4), strict=True):
        found[stage] = likeness(original, maps(network))
    return {stage: (both.ssim.mean().item(), both.rank_correlation.mean().item()) for stage, both in found.items()}


@pytest.mark.parametrize("batch", [2, 500])
@pytest.mark.parametrize("target", ["label", "prediction"])
def test_rows_are_the_means_by_hand(subject, monkeypatch, batch, target):
    monkeypatch.setattr(trained, "BATCH", batch)
    block = settings(target=target)
    rows = evaluate(subject, block)
    expected = by_hand(subject, block, 7)
    assert list(expected) == STAGES
    for number, metric in enumerate(("ssim", "rank_correlation")):
        curve = {f"stage={stage}": pytest.approx(both[number], abs=1e-4) for stage, both in expected.items()}
        found = [row for row in rows if row.metric == metric]
        assert {row.subset: row.value for row in found} == curve | {None: curve["stage=05 backbone.0"]}
        assert {(row.n, row.explainer) for row in found} == {(7, None)}
        assert found[1] == Row(metric, pytest.approx(1), 7, "stage=00 original")
    assert rows[0].value < 0.5, "a toy that tells nothing; change it"


def test_label_and_prediction_differ_and_samples_are_at_most_the_images(subject):
    values = {row.value for target in ("label", "prediction") for row in evaluate(subject, settings(target=target))[:1]}
    assert len(values) == 2
    assert {row.n for row in evaluate(subject, settings(samples=100))} == {COUNT}


def test_images_of_blank_maps_are_not_counted(subject):
    with torch.no_grad():
        subject.network.head.weight[1] = 0  # class b has no gradient: images 1, 4, 7
    rows = evaluate(subject, settings(samples=9))
    counted = {(row.metric, row.subset): row.n for row in rows}
    assert counted["ssim", "stage=00 original"] == 6 and counted["rank_correlation", None] == 6


def test_cascade_leaves_the_network_and_the_global_generator_as_they_were(subject):
    before = {name: tensor.clone() for name, tensor in subject.network.state_dict().items()}
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    first, again = evaluate(subject, settings()), evaluate(subject, settings())
    assert torch.equal(torch.rand(2), expected) and first == again
    assert all(torch.equal(tensor, before[name]) for name, tensor in subject.network.state_dict().items())
    assert not subject.network.training
    assert all(weight.grad is None and weight.requires_grad for weight in subject.network.parameters())


def test_coarse_maps_are_enlarged(subject):
    block = parse_slice("evaluation", json.dumps({"from": "randomisation", "explainer": {"from": "cam"}}))
    original, *_ = rows = evaluate(subject, block)
    assert [row.subset for row in rows] == [row.subset for row in evaluate(subject, settings())]
    assert original.n == COUNT and original.value < 0.9 and rows[1].value == pytest.approx(1)
