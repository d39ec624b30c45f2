"""Localisation of one small network: all rows by hand, from maps that are made one image and one filter at a time."""

import json
from math import nan
from pathlib import Path

import numpy as np
import pytest
import torch
from tables import write_images
from torch import Tensor
from torch.nn.functional import interpolate

from pipeline.errors import UserError
from pipeline.evaluations.localisation import evaluate
from pipeline.evaluations.subject import Row, Subject
from pipeline.explainers.filter_gradient import filter_gradient
from pipeline.explainers.maps import Maps
from pipeline.models import trained
from pipeline.models.resnet_cifar import build
from pipeline.settings import parse_slice
from pipeline.settings.networks import ResnetCifar
from pipeline.training.data import Images
from pipeline.training.streams import stream

CPU = torch.device("cpu")
NAMES = ["left", "right", "nowhere"]
LABELS = np.array([0] * 9 + [1] * 6)
IDS = [f"test-{row}" for row in range(len(LABELS))]
#: Images without a mask.
BARE = (2, 11)
KEPT = [row for row in range(len(LABELS)) if row not in BARE]
NETWORK = ResnetCifar(blocks=1, channels=(4, 4, 6))


def pictures() -> tuple[np.ndarray, np.ndarray]:
    """Bright rectangles in dim noise, 16×16, and their masks."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 120, (len(LABELS), 16, 16, 1), dtype=np.uint8)
    masks = np.zeros(images.shape[:3], bool)
    for row, label in enumerate(LABELS):
        top, left = generator.integers(0, 8, 2)
        masks[row, top : top + 6, left // 2 + 6 * label :][:, :5] = row not in BARE
    images[masks] += 130
    return images, masks


@pytest.fixture(scope="module")
def subject(tmp_path_factory) -> Subject:
    path = str(tmp_path_factory.mktemp("toy") / "test.parquet")
    images, masks = pictures()
    write_images(path, IDS, images, LABELS, class_names=NAMES, mean=[0.4], std=[0.25], masks=masks * np.uint8(255))
    torch.manual_seed(1)
    network = build(NETWORK, channels=1, size=(8, 8), classes=3, mean=[0.4], std=[0.25])
    network.train()(torch.rand(30, 1, 16, 16))
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    header = {
        "method": "std", "seed": 0, "class_names": NAMES, "settings": {"network": NETWORK.slice()},
        "input": {"channels": 1, "mean": [0.4], "std": [0.25], "height": 8, "width": 8},
    }  # fmt: skip
    return Subject("0.safetensors", tensors, header, CPU, {"test": Images.read(path, CPU)}, {})


def settings(**values):
    return parse_slice("evaluation", json.dumps({"from": "localisation", **values}))


def measured(subject: Subject, maps: dict[str, Maps] | None = None, **values) -> list[Row]:
    """Rows of the evaluation with `maps`."""
    parts = vars(subject) | {"maps": maps or {}}
    return evaluate(Subject(**{key: parts[key] for key in Subject.__dataclass_fields__}), settings(**values))


def found(rows: list[Row], metric: str, explainer: str | None, subset: str | None = None) -> tuple[float, int]:
    (row,) = [row for row in rows if (row.metric, row.explainer, row.subset) == (metric, explainer, subset)]
    return row.value, row.n


def iou(predicted: Tensor, mask: Tensor) -> float:
    union = int((predicted | mask).sum())
    return int((predicted & mask).sum()) / union if union else 0.0


def mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else nan


def some_maps(count: int) -> Maps:
    values = torch.randn(12, 5, 5, generator=torch.Generator().manual_seed(0))
    values[3], values[4], values[5, 0, 0] = 0.1, -values[4].abs(), torch.nan
    return Maps(IDS[:count], LABELS[:count].tolist(), values[:count])


def test_maps_of_an_explainer_are_measured_one_by_one(subject):
    maps = some_maps(12)
    rows = measured(subject, {"one": maps}, share=0.25, overlap=20)
    overlaps, halves, hits, energies = {}, {}, {}, {}
    for row, (small, mask) in enumerate(zip(maps.values, subject.splits["test"].masks(), strict=False)):
        if row in (*BARE, 5):
            continue
        large = interpolate(small[None, None], size=(16, 16), mode="bilinear")[0, 0]
        least = large.flatten().sort(descending=True).values[63]
        # Image 3 has a constant map: all of it is the top.
        overlaps[row] = iou((large >= least) | torch.tensor(row == 3), mask)
        halves[row] = iou((large >= large.max() / 2) & (large.max() > 0) | torch.tensor(row == 3), mask)
        if row != 3:
            hits[row] = float(mask.flatten()[large.argmax()])
        positive = large.double().clamp(min=0)
        # Image 4 has nothing positive.
        energies[row] = (positive[mask].sum() / positive.sum()).item() if row != 4 else 0.0
    every = list(overlaps.values())
    assert found(rows, "iou", "one") == (pytest.approx(mean(every)), 9)
    assert found(rows, "ap", "one") == (pytest.approx(mean([value >= 0.2 for value in every])), 9)
    assert found(rows, "iou_half_maximum", "one") == (pytest.approx(mean(list(halves.values()))), 9)
    assert found(rows, "pointing_game", "one") == (pytest.approx(mean(list(hits.values()))), 8)
    assert found(rows, "energy_inside", "one") == (pytest.approx(mean(list(energies.values()))), 9)
    assert found(rows, "centre_distance", "one")[1] == 10
    assert found(rows, "flat_maps", "one") == (pytest.approx(1 / 12), 12)
    assert found(rows, "empty_maps", "one") == (pytest.approx(1 / 12), 12)
    for label in (0, 1):
        own = [value for row, value in overlaps.items() if LABELS[row] == label]
        assert found(rows, "iou", "one", f"class={label}") == (pytest.approx(mean(own)), len(own))
        assert found(rows, "ap", "one", f"class={label}") == (pytest.approx(mean([v >= 0.2 for v in own])), len(own))
    for n in range(5, 65, 5):
        assert found(rows, "ap", "one", f"n={n}") == (pytest.approx(mean([value >= n / 100 for value in every])), 9)


def test_without_filters_there_are_the_rows_of_maps_alone(subject):
    every = measured(subject, {"one": some_maps(12)})
    alone = measured(subject, {"one": some_maps(12)}, filters=False)
    assert alone == [row for row in every if row.explainer in (None, "one")]


def filter_overlaps_by_hand(subject: Subject, rows: list[int], share: float) -> tuple[list[list[float]], Tensor]:
    """IoU of image and filter, and the activation maps."""
    images = subject.splits["test"]
    masks = images.masks()
    with torch.no_grad():
        maps = torch.cat([subject.network.maps(images.floats(slice(row, row + 1))) for row in rows])
    thresholds = [
        maps[:, k].flatten().sort(descending=True).values[int(share * maps[:, k].numel()) - 1].item() for k in range(6)
    ]
    large = interpolate(maps, size=(16, 16), mode="bilinear")
    return [[iou(large[i, k] >= thresholds[k], masks[row]) for k in range(6)] for i, row in enumerate(rows)], maps


@pytest.mark.parametrize(("samples", "percent"), [(None, 20), (12, 10)])
def test_all_filters_are_aggregated_over_the_class_they_focus_on(subject, samples, percent):
    kept = [row for row in KEPT if row < (samples or 99)]
    rows = measured(subject, samples=samples, overlap=percent)
    overlaps, _ = filter_overlaps_by_hand(subject, kept, 0.3)
    of_class = {c: [i for i, row in enumerate(kept) if LABELS[row] == c] for c in (0, 1)}

    def rate(k: int, c: int, n: int) -> float:
        return mean([overlaps[i][k] >= n / 100 for i in of_class[c]])

    focused = [max((0, 1), key=lambda c, k=k: rate(k, c, percent)) for k in range(6)]
    own = {
        "iou": [mean([overlaps[i][k] for i in of_class[c]]) for k, c in enumerate(focused)],
        "ap": [rate(k, c, percent) for k, c in enumerate(focused)],
    }
    for metric, values in own.items():
        assert found(rows, metric, "ActivMap") == (pytest.approx(mean(values)), 6)
        for k, value in enumerate(values):
            expected = (pytest.approx(value), len(of_class[focused[k]]))
            assert found(rows, metric, "ActivMap", f"filter={k}") == expected
        for c in (0, 1):
            group = [value for value, label in zip(values, focused, strict=True) if label == c]
            expected = (pytest.approx(mean(group), nan_ok=True), len(group))
            assert found(rows, metric, "ActivMap", f"class={c}") == expected
    for c in (0, 1):
        assert found(rows, "focus_filters", "ActivMap", f"class={c}") == (focused.count(c), 6)
    assert 0 < focused.count(0) < 6, "a toy that tells nothing; change it"
    for n in range(5, 65, 5):
        best = [max(rate(k, 0, n), rate(k, 1, n)) for k in range(6)]
        assert found(rows, "ap", "ActivMap", f"n={n}") == (pytest.approx(mean(best)), 6)


def test_filters_that_cover_every_image_are_counted(subject):
    """All filters but the first are dead: their threshold is 0, which all their activations reach."""
    dead = {name: tensor.clone() for name, tensor in subject.tensors.items()}
    dead["network.backbone.5.norm2.bias"][1:] = -1000
    rows = measured(Subject("0.safetensors", dead, subject.header, CPU, subject.splits, {}))
    masks = subject.splits["test"].masks()[KEPT].double()
    assert found(rows, "covering_filters", "ActivMap") == (pytest.approx(5 / 6), 6)
    of_class = masks[LABELS[KEPT] == 0].mean().item()
    assert found(rows, "iou", "ActivMap", "filter=4")[0] == pytest.approx(of_class)


def test_gradient_maps_are_those_of_the_busiest_filters_of_the_class(subject):
    rows = measured(subject, gradient_filters=2, gradient_samples=5, gradient_overlap=15)
    images = subject.splits["test"]
    masks = images.masks()
    _, maps = filter_overlaps_by_hand(subject, KEPT, 0.3)
    overlaps = {}
    for position in torch.randperm(13, generator=stream(0, "evaluate", "localisation", "images"))[:5].tolist():
        row = KEPT[position]
        same = [i for i, other in enumerate(KEPT) if LABELS[other] == LABELS[row]]
        activity = [mean([maps[i, k].mean().item() for i in same]) for k in range(6)]
        busiest = sorted(range(6), key=lambda k: -activity[k])[:2]
        of_filters = filter_gradient(subject.network, images.floats(slice(row, row + 1)), torch.tensor([busiest]))[0]
        overlaps[row] = mean([iou(of_filter > 1, masks[row]) for of_filter in of_filters])
    every = list(overlaps.values())
    assert min(every) < max(every)
    assert found(rows, "iou", "GradMap") == (pytest.approx(mean(every)), 5)
    assert found(rows, "ap", "GradMap") == (pytest.approx(mean([value >= 0.15 for value in every])), 5)
    for label in (0, 1):
        own = [value for row, value in overlaps.items() if LABELS[row] == label]
        assert found(rows, "iou", "GradMap", f"class={label}") == (pytest.approx(mean(own)), len(own))


def test_gradient_maps_of_other_seeds_are_those_of_the_same_images(subject):
    first = measured(subject, gradient_samples=4)
    header = subject.header | {"seed": 5}
    parts = {key: vars(subject)[key] for key in Subject.__dataclass_fields__} | {"header": header}
    assert evaluate(Subject(**parts), settings(gradient_samples=4)) == first


def test_gradient_maps_of_drawn_filters_are_aggregated_as_activations_are(subject):
    """With all filters drawn: the focus of each is the class with its largest APn (appendix H.1)."""
    rows = measured(subject, gradient_drawn=6, gradient_overlap=25, gradient_samples=100)
    images, masks = subject.splits["test"].floats(torch.tensor(KEPT)), subject.splits["test"].masks()[KEPT]
    labels = LABELS[KEPT].tolist()
    own = []
    for k in range(6):
        overlaps = [
            iou(filter_gradient(subject.network, image[None], torch.tensor([[k]]))[0, 0] > 1, mask)
            for image, mask in zip(images, masks, strict=True)
        ]
        of_classes = [[value for value, label in zip(overlaps, labels, strict=True) if label == c] for c in (0, 1)]
        rates = [mean([value >= 0.25 for value in values]) for values in of_classes]
        chosen = rates.index(max(rates))
        own.append((mean(of_classes[chosen]), rates[chosen]))
        for metric, value in zip(("iou", "ap"), own[-1], strict=True):
            expected = (pytest.approx(value), len(of_classes[chosen]))
            assert found(rows, metric, "GradMap H.1", f"filter={k}") == expected
    for place, metric in enumerate(("iou", "ap")):
        assert found(rows, metric, "GradMap H.1") == (pytest.approx(mean([pair[place] for pair in own])), 6)


def test_drawn_filters_are_distinct_and_follow_the_seed(subject):
    def drawn(**values) -> list[str]:
        rows = measured(subject, gradient_drawn=3, **values)
        subsets = [row.subset or "" for row in rows if row.explainer == "GradMap H.1"]
        return [subset for subset in subsets if subset.startswith("filter")]

    first = drawn()
    assert len(set(first)) == 3 and first == drawn(gradient_overlap=40)


def test_blur_of_the_release_is_another_one(subject):
    released = measured(subject, gradient_blur=30, gradient_truncate=1)
    maps = filter_gradient(subject.network, subject.splits["test"].floats(slice(0, 1)), torch.tensor([[0]]), blur=30,
                           truncate=1)  # fmt: skip
    sharp = filter_gradient(subject.network, subject.splits["test"].floats(slice(0, 1)), torch.tensor([[0]]), blur=5)
    assert maps.std() < sharp.std()
    assert found(released, "iou", "GradMap") != found(measured(subject), "iou", "GradMap")


@pytest.mark.parametrize("batch", [1, 4])
def test_rows_do_not_depend_on_the_size_of_a_batch(subject, monkeypatch, batch):
    maps = {"one": some_maps(12)}
    expected = measured(subject, maps)
    monkeypatch.setattr(trained, "BATCH", batch)
    for row, other in zip(measured(subject, maps), expected, strict=True):
        assert (row.metric, row.n, row.subset, row.explainer) == (other.metric, other.n, other.subset, other.explainer)
        assert row.value == pytest.approx(other.value, abs=1e-6, nan_ok=True)


def test_every_row_is_told_apart_and_lies_in_its_range(subject):
    rows = measured(subject, {"one": some_maps(12), "other": some_maps(3)})
    assert len({(row.metric, row.explainer, row.subset) for row in rows}) == len(rows)
    assert all(0 <= row.value <= 1 for row in rows if row.metric != "focus_filters" and row.n)
    area = mean([mask.double().mean().item() for mask in subject.splits["test"].masks() if mask.any()])
    assert found(rows, "mask_area", None) == (pytest.approx(area), len(KEPT))


def test_measuring_leaves_the_network_as_it_was(subject):
    before = {name: tensor.clone() for name, tensor in subject.network.state_dict().items()}
    measured(subject, {"one": some_maps(12)})
    assert all(torch.equal(tensor, before[name]) for name, tensor in subject.network.state_dict().items())
    assert all(weight.grad is None for weight in subject.network.parameters()) and not subject.network.training


@pytest.mark.parametrize("ids", [["test-1", "test-0"], [*IDS, "test-15"], ["a"]])
def test_maps_of_other_images_are_refused(subject, ids):
    with pytest.raises(
        UserError, match=r"test\.parquet: its images are not those that 'one' explained; delete the maps"
    ):
        measured(subject, {"one": Maps(ids, [0] * len(ids), torch.rand(len(ids), 4, 4))})



def test_test_images_without_masks_are_named(subject, tmp_path: Path):
    images, masks = pictures()
    path = str(tmp_path / "bare.parquet")
    masks[:4] = False
    write_images(path, IDS, images, LABELS, class_names=NAMES, mean=[0.4], std=[0.25], masks=masks * np.uint8(255))
    bare = Subject("0.safetensors", subject.tensors, subject.header, CPU, {"test": Images.read(path, CPU)}, {})
    with pytest.raises(UserError, match=r"bare\.parquet: none of the images measured has a mask; raise `samples`"):
        measured(bare, samples=4)
    write_images(path, IDS, images, LABELS, class_names=NAMES, mean=[0.4], std=[0.25])
    with pytest.raises(UserError, match=r"bare\.parquet: no image has 'mask'"):
        measured(bare)
