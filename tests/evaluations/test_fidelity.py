"""AOPC of a network's maps: the rows by hand, one image at a time, and what happens to L that do not fit."""

import json
from math import isnan

import pytest
import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.evaluations.fidelity import evaluate
from pipeline.evaluations.subject import Row, Subject
from pipeline.explainers.maps import Maps, resized
from pipeline.metrics.fidelity import aopc
from pipeline.models import trained
from pipeline.models.resnet_cifar import build
from pipeline.settings import parse_slice
from pipeline.settings.networks import ResnetCifar
from pipeline.training.data import Images
from pipeline.training.streams import seeded, stream

CPU = torch.device("cpu")
COUNT, SIDE = 9, 8
NETWORK = ResnetCifar(kind="resnet_cifar", blocks=1, channels=(4, 4, 6))
MEAN, STD = [0.4], [0.2]


def subject(**maps: Maps) -> Subject:
    """A network that was never trained but whose running statistics are of its images."""
    pixels = torch.randint(0, 256, (COUNT, 1, SIDE, SIDE), generator=stream(0, "pixels")).to(torch.uint8)
    ids = [f"test-{row}" for row in range(COUNT)]
    images = Images(pixels, torch.arange(COUNT) % 3, ids, {"class_names": ["a", "b", "c"]})
    with seeded(0, "init"), torch.no_grad():
        network = build(NETWORK, channels=1, size=(8, 8), classes=3, mean=MEAN, std=STD)
        network.head.weight.mul_(10)
        network.train()(images.floats(slice(None)))
    header = {
        "dataset": "noise",
        "method": "none",
        "seed": 4,
        "settings": {"network": NETWORK.slice()},
        "class_names": ["a", "b", "c"],
        "input": {"channels": 1, "mean": MEAN, "std": STD, "height": 8, "width": 8},
    }
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    return Subject("4.safetensors", tensors, header, CPU, {"test": images}, maps)


def maps(count: int, side: int = SIDE) -> Maps:
    """Maps of the images in another order than theirs."""
    rows = [(5 * row) % COUNT for row in range(count)]
    values = torch.rand(count, side, side, generator=stream(1, "maps"))
    return Maps([f"test-{row}" for row in rows], [0] * count, values)


def settings(**keys):
    return parse_slice("evaluation", json.dumps({"from": "fidelity", "explainers": ["one"], "draws": 2, **keys}))


def by_hand(looked_at: Subject, found: Maps, patch: int, steps: list[int]) -> Tensor:
    """One image after another: len(steps)×N."""
    areas = []
    for name, values in zip(found.ids, found.values, strict=True):
        image = looked_at.splits["test"].floats(slice(None))[int(name[len("test-") :])][None]
        with torch.no_grad():
            predicted = looked_at.network(image).argmax().item()
        areas.append(
            aopc(
                lambda changed, c=predicted: looked_at.network(changed).softmax(1)[:, c],
                image,
                resized(values[None], (SIDE, SIDE)),
                patch=patch,
                steps=steps,
                draws=2,
                generator=stream(4, "evaluate", "fidelity"),
            )
        )
    return torch.cat(areas, dim=1)


@pytest.mark.parametrize("batch", [1, 4, 500])
@pytest.mark.parametrize("side", [SIDE, 2])
def test_rows_are_the_means_by_hand(monkeypatch, batch, side):
    monkeypatch.setattr(trained, "BATCH", batch)
    looked_at = subject(one=maps(7, side), other=maps(3, side))
    rows = evaluate(looked_at, settings(patch=2, steps=[3, 10, 16]))
    control = maps(7, side)
    control.values = torch.zeros(7, side, side)
    measured = [("aopc", "one", maps(7, side)), ("aopc", "other", maps(3, side)), ("aopc_random", None, control)]
    expected = []
    for metric, explainer, found in measured:
        areas = by_hand(looked_at, found, 2, [3, 10, 16])
        count = areas.shape[1]
        expected.append(Row(metric, pytest.approx(areas.mean().item(), abs=1e-6), count, None, explainer))
        for step, values in zip((3, 10, 16), areas, strict=True):
            mean = pytest.approx(values.mean().item(), abs=1e-6)
            expected.append(Row(metric, mean, count, f"steps={step}", explainer))
    assert rows == expected
    assert len({round(row.value, 4) for row in rows}) > 6


def test_steps_that_do_not_fit_are_nan_of_no_image_and_no_part_of_the_mean():
    looked_at = subject(one=maps(4))
    rows = {row.subset: row for row in evaluate(looked_at, settings(patch=3, steps=[2, 4, 5])) if row.metric == "aopc"}
    assert rows[None].value == pytest.approx((rows["steps=2"].value + rows["steps=4"].value) / 2)
    assert (rows["steps=4"].n, rows[None].n) == (4, 4)
    assert isnan(rows["steps=5"].value) and rows["steps=5"].n == 0
    assert all(isnan(row.value) and row.n == 0 for row in evaluate(looked_at, settings(patch=9)))


def test_broken_map_is_left_out_and_not_counted():
    broken = maps(4)
    broken.values[2, 0, 0] = float("nan")
    areas = by_hand(subject(), maps(4), 2, [5])[0, [0, 1, 3]]
    row = evaluate(subject(one=broken), settings(patch=2, steps=[5]))[0]
    assert row == Row("aopc", pytest.approx(areas.mean().item(), abs=1e-6), 3, None, "one")


def test_maps_of_other_images_are_refused():
    other = maps(2)
    other.ids[1] = "elsewhere"
    with pytest.raises(UserError, match="has no image 'elsewhere', which the maps explain"):
        evaluate(subject(one=other), settings(patch=2, steps=[5]))


def test_measuring_leaves_maps_and_network_as_they_were():
    looked_at = subject(one=maps(4))
    before = {name: tensor.clone() for name, tensor in looked_at.network.state_dict().items()}
    evaluate(looked_at, settings(patch=2, steps=[5]))
    assert torch.equal(looked_at.maps["one"].values, maps(4).values)
    assert all(torch.equal(tensor, before[name]) for name, tensor in looked_at.network.state_dict().items())
    assert all(weight.grad is None for weight in looked_at.network.parameters())
