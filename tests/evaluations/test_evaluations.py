"""Evaluations of one small trained network, by hand and as the stage writes them."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from tables import write_samples
from torch import Tensor

from pipeline.artifacts import EXPLANATIONS, HISTORY, METRICS, read_table, write_table
from pipeline.checkpoints import load_checkpoint, save_checkpoint
from pipeline.datasets.samples import Prepared, Sample
from pipeline.errors import UserError
from pipeline.evaluations import job
from pipeline.evaluations.subject import Row, Subject
from pipeline.explainers import job as explainer_job
from pipeline.explainers.maps import Maps, write_maps
from pipeline.metrics.catalogue import METRICS as CATALOGUE
from pipeline.metrics.mutual_information import mutual_information_matrix
from pipeline.metrics.sparsity import gini
from pipeline.models import trained
from pipeline.models.resnet_cifar import build
from pipeline.registry import TABLES, load
from pipeline.settings import parse_slice
from pipeline.settings.methods import Csg
from pipeline.training.compute import Compute
from pipeline.training.data import Images
from pipeline.training.session import Session
from pipeline.training.streams import seeded

CPU = torch.device("cpu")
MEAN, STD = [0.4], [0.25]
NAMES = ["north", "east", "south", "nowhere"]
SETTINGS = Csg(
    kind="csg",
    network={"from": "resnet_cifar", "blocks": 1, "channels": (4, 4, 6)},
    epochs=6,
    batch_size=15,
    density_bound=0.3,
    lambda2=0.1,
)


@dataclass
class Trained:
    """Paths of a checkpoint, of test images (40, 20 and 15 of three classes, none of the fourth), of their maps and of
    the history of the training, which watched the same images.

    Images have the bar as mask, and three attributes of which the last never occurs.
    """

    model: str
    data: str
    maps: str
    history: str

    def subject(self, splits: bool = True, maps: dict[str, Maps] | None = None) -> Subject:
        tensors, header = load_checkpoint(self.model)
        data = dict.fromkeys(("train", "test"), Images.read(self.data, CPU)) if splits else {}
        return Subject(self.model, tensors, header, CPU, data, maps or {}, self.history)


def pictures() -> tuple[np.ndarray, np.ndarray]:
    """Dim 8×8 bars at another place for each class, half drowned in noise."""
    labels = np.repeat([0, 1, 2], [40, 20, 15])
    images = np.random.default_rng(0).integers(0, 200, (75, 8, 8, 1), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[2 * label + 1] += 50
    return images, labels


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> Trained:
    folder = tmp_path_factory.mktemp("toy")
    found = Trained(*(str(folder / name) for name in ("3.safetensors", "test.parquet", "maps.parquet", "h.parquet")))
    images, labels = pictures()
    ids = [f"test-{row}" for row in range(len(labels))]
    prepared = Prepared(
        class_names=NAMES, mean=MEAN, std=STD, train=(), test=(), columns=("mask", "attributes"),
        names={"attributes": ["north", "even", "never"]},
    )  # fmt: skip
    samples = (
        Sample(
            sample_id=name, image=image, label=int(label), mask=np.arange(8)[:, None].repeat(8, 1) == 2 * label + 1,
            attributes=np.array([label == 0, row % 2 == 0, 0], np.uint8),
        )
        for row, (name, image, label) in enumerate(zip(ids, images, labels, strict=True))
    )  # fmt: skip
    write_samples(found.data, samples, prepared, augment={})
    with seeded(3, "init"):
        network = build(SETTINGS.network, channels=1, size=(8, 8), classes=4, mean=MEAN, std=STD)
    images = Images.read(found.data, CPU)
    run = Session(network, images, Compute(CPU, "fp32"), seed=3, watched=images)
    # Beside its gates what methods without them leave.
    drawn = torch.Generator().manual_seed(1)
    left = {"factors": torch.rand(6, 2, generator=drawn), "bases": torch.eye(2, 64)}
    tensors = load("method", "csg")(run, SETTINGS) | left
    write_table(found.history, run.history(), HISTORY)
    weights = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    header = {
        "dataset": "bars",
        "method": "csg",
        "seed": 3,
        "settings": SETTINGS.slice(),
        "class_names": NAMES,
        "input": {"channels": 1, "mean": MEAN, "std": STD, "height": 8, "width": 8},
    }
    save_checkpoint(found.model, weights | tensors, header)
    values = torch.randn(5, 8, 8, generator=torch.Generator().manual_seed(0))
    values[1] = 0
    write_maps(found.maps, Maps(ids[:5], labels[:5].tolist(), values))
    return found


@pytest.fixture
def without_gates(toy, tmp_path) -> Trained:
    """The same network as if `std` had trained it."""
    tensors, header = load_checkpoint(toy.model)
    path = str(tmp_path / "std" / "3.safetensors")
    weights = {name: tensor for name, tensor in tensors.items() if name != "gates"}
    save_checkpoint(path, weights, header | {"method": "std"})
    return Trained(path, toy.data, toy.maps, toy.history)


def evaluate(kind: str, subject: Subject, **settings) -> list[Row]:
    return load("evaluation", kind)(subject, parse_slice("evaluation", json.dumps({"from": kind, **settings})))


def chosen(rows: list[Row], metric: str) -> Row:
    (row,) = [row for row in rows if row.metric == metric and row.subset is None]
    return row


def logits_by_hand(toy: Trained) -> Tensor:
    """One image after another through a network built anew."""
    tensors, _ = load_checkpoint(toy.model)
    network = build(SETTINGS.network, channels=1, size=(8, 8), classes=4, mean=MEAN, std=STD)
    network.load_state_dict({name[len("network.") :]: t for name, t in tensors.items() if name.startswith("network.")})
    network.eval()
    with torch.no_grad():
        return torch.cat([network(torch.from_numpy(image).permute(2, 0, 1)[None] / 255) for image in pictures()[0]])


def test_accuracy_is_the_loop_by_hand(toy):
    rows = evaluate("accuracy", toy.subject())
    labels = pictures()[1].tolist()
    hits = [int(logits.argmax()) == label for logits, label in zip(logits_by_hand(toy), labels, strict=True)]
    assert chosen(rows, "accuracy") == Row("accuracy", pytest.approx(sum(hits) / 75), 75)
    assert 0.4 < sum(hits) / 75 < 1, "a toy that tells nothing; change it"
    expected = {f"class={c}": [hit for hit, label in zip(hits, labels, strict=True) if label == c] for c in range(3)}
    assert {row.subset: (row.value, row.n) for row in rows[1:]} == {
        subset: (pytest.approx(sum(found) / len(found)), len(found)) for subset, found in expected.items()
    }


def test_weighted_mean_of_the_classes_is_the_whole(toy):
    whole, *classes = evaluate("accuracy", toy.subject())
    assert sum(row.value * row.n for row in classes) / sum(row.n for row in classes) == pytest.approx(whole.value)
    assert len({row.value for row in classes}) > 1


@pytest.mark.parametrize("batch", [1, 16, 75, 1000])
def test_results_do_not_depend_on_the_size_of_a_batch(toy, monkeypatch, batch):
    monkeypatch.setattr(trained, "BATCH", batch)
    subject = toy.subject()
    assert torch.allclose(subject.logits("test"), logits_by_hand(toy), atol=1e-5)
    assert subject.features("test").shape == (75, 6)


def test_gates_by_hand(toy):
    subject = toy.subject(splits=False)
    gates, weights = subject.tensors["gates"], subject.tensors["network.head.weight"]
    gates[:, :3] = torch.tensor([[1, 0.2, 0.6], [0.3, 0, 1], [0, 0.97, 0], [0.5, 0.4, 0]])
    rows = evaluate("gates", subject)
    by_hand = sum(abs(value) for row in gates.tolist() for value in row) / 24
    pairs = [(g, w) for rows in zip(gates.tolist(), weights.tolist(), strict=True) for g, w in zip(*rows, strict=True)]
    columns = gates.T.tolist()
    alone = [max(column) > 0.95 and sum(gate > 0.5 for gate in column) == 1 for column in columns]
    open_share = sum(abs(w) for g, w in pairs if g > 0.5) / sum(abs(w) for _, w in pairs)
    assert [(row.metric, row.value, row.n, row.subset) for row in rows] == [
        ("l1_density", pytest.approx(by_hand), 24, None),
        ("l1_density_lower", 0.25, 24, None),
        ("l1_density_upper", 0.3, 24, None),
        ("exclusive_filters", sum(alone) / 4, 4, None),
        ("shared_filters", sum(sum(gate > 0.5 for gate in column) > 1 for column in columns), 6, None),
        ("weight_correlation", pytest.approx(np.corrcoef(np.array(pairs).T)[0, 1]), 24, None),
        ("weight_share", pytest.approx(open_share), 24, None),
    ]
    assert 0.25 < by_hand < 1 and 0 < sum(alone) < 6


def test_fixed_gates_have_no_interval_to_end_in(toy):
    subject = toy.subject(splits=False)
    subject.header["settings"]["fixed_gates"] = {"exclusive": 1}
    found = [row.metric for row in evaluate("gates", subject)]
    assert found == ["l1_density", "exclusive_filters", "shared_filters", "weight_correlation", "weight_share"]


def test_network_without_gates_is_named(without_gates):
    with pytest.raises(UserError, match=r"std/3\.safetensors: method 'std' has no gates; .*under `methods`"):
        evaluate("gates", without_gates.subject(splits=False))


@pytest.mark.parametrize(("samples", "count"), [(None, 75), (50, 50)])
def test_mutual_information_is_the_matrix_of_the_features(toy, samples, count):
    subject = toy.subject()
    rows = evaluate("mutual_information", subject, samples=samples, neighbours=2)
    labels = pictures()[1][:count]
    matrix = mutual_information_matrix(subject.features("test").numpy()[:count], labels, 4, neighbours=2)
    pairs = {row.subset: row.value for row in rows if row.metric == "mutual_information"}
    assert pairs == {f"filter={k},class={c}": matrix[k, c] for k in range(6) for c in range(4)}
    assert chosen(rows, "mutual_information_score").value == pytest.approx(np.mean([max(row) for row in matrix]))
    assert {row.n for row in rows} == {count}
    assert pairs["filter=0,class=3"] == 0


def test_floor_of_shuffled_labels_is_the_same_every_time_and_lower(toy):
    first, again = (evaluate("mutual_information", toy.subject()) for _ in range(2))
    assert first == again
    floor, score = (chosen(first, f"mutual_information_{end}").value for end in ("floor", "score"))
    assert 0 < floor < score


def test_sparsity_leaves_out_empty_maps(toy):
    maps = torch.rand(4, 3, 3, generator=torch.Generator().manual_seed(0))
    maps[2] = 0
    subject = toy.subject(False, {"one": named(maps), "other": named(-2 * maps[:1])})
    rows = evaluate("sparsity", subject, explainers=["one", "other"])
    mean = sum(gini(maps)[[0, 1, 3]].tolist()) / 3
    assert rows == [
        Row("gini", pytest.approx(mean), 3, explainer="one"),
        Row("gini", pytest.approx(gini(maps)[0].item()), 1, explainer="other"),
    ]


def run(kind: str, toy: Trained, output: Path, **settings) -> list[dict]:
    """The stage as the command line calls it; returns the rows that it wrote."""
    block = parse_slice("evaluation", json.dumps({"from": kind, **settings}))
    job.run(
        evaluate=load("evaluation", kind),
        settings=block,
        model=toy.model,
        history=toy.history,
        data={split: toy.data for split in block.splits},
        maps={name: toy.maps for name in block.explainers},
        output=str(output),
        device="cpu",
        threads=1,
    )
    return read_table(output, METRICS).to_pylist()


#: What evaluations need to be told, and sizes that suit images of 8×8.
SMALL = {
    "adversarial": {"attacks": {"fgsm": {"from": "fgsm", "epsilon": 0.2}}},
    "adversarial_detection": {
        "attacks": {"fgsm": {"from": "fgsm", "epsilon": 0.2}},
        "sizes": [5, 10], "test_size": 5, "trees": 5, "forests": 2,
    },
    "filter_masking": {"closed": [[0], [0, 1]]},
    "fidelity": {"explainers": ["gradient"], "patch": 2, "steps": [2, 5], "draws": 2},
    "localisation": {"explainers": ["gradient"], "gradient_filters": 2, "gradient_samples": 10},
    "map_robustness": {"explainer": {"from": "input_gradient"}, "samples": 5, "steps": 2},
    "randomisation": {"explainer": {"from": "input_gradient"}, "samples": 5},
    "sparsity": {"explainers": ["gradient"]},
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(TABLES["evaluation"]))
def test_stage_writes_the_long_table(toy, tmp_path, capsys, kind):
    settings = SMALL.get(kind, {})
    rows = run(kind, toy, tmp_path / "t.parquet", **settings)
    maps = {"gradient": named(torch.from_numpy(np.stack(maps_of(toy))))} if "explainers" in settings else None
    expected = evaluate(kind, toy.subject(maps=maps), **settings)
    facts = [(row["metric"], row["n"], row["subset"], row["explainer"]) for row in rows]
    assert facts == [(row.metric, row.n, row.subset, row.explainer) for row in expected]
    assert [row["value"] for row in rows] == pytest.approx([row.value for row in expected], nan_ok=True)
    assert {(row["dataset"], row["method"], row["seed"]) for row in rows} == {("bars", "csg", 3)}
    for row in rows:
        metric, undefined = CATALOGUE[row["metric"]], math.isnan(row["value"])
        assert undefined or metric.low is None or row["value"] >= metric.low
        assert undefined or metric.high is None or row["value"] <= metric.high
        assert undefined == (row["n"] == 0) or row["subset"], "a value without anything that it is a mean over"
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed] == [row.metric for row in expected if row.subset is None]


def test_results_on_another_dataset_say_so(toy, tmp_path):
    own, other = (run("accuracy", toy, tmp_path / "t.parquet", **more) for more in ({}, {"measured_on": "darker"}))
    assert [row["subset"] for row in own] == [None, "class=0", "class=1", "class=2"]
    assert [row["subset"] for row in other] == [
        "images=darker", "images=darker class=0", "images=darker class=1", "images=darker class=2",
    ]  # fmt: skip
    assert [row | {"subset": None} for row in own] == [row | {"subset": None} for row in other]


@pytest.mark.parametrize("changed", [{"class_names": ["up", "down", "left", "right"]}, {"side": 9}])
def test_images_that_the_network_does_not_classify_are_refused(toy, tmp_path, changed):
    side = changed.get("side", 8)
    names = changed.get("class_names", NAMES)
    images = np.zeros((4, side, side, 1), np.uint8)
    data = str(tmp_path / "other.parquet")
    prepared = Prepared(class_names=names, mean=MEAN, std=STD, train=(), test=())
    samples = (Sample(sample_id=str(row), image=image, label=row) for row, image in enumerate(images))
    write_samples(data, samples, prepared, augment={})
    other = Trained(toy.model, data, toy.maps, toy.history)
    with pytest.raises(UserError, match=r"other\.parquet: its classes, or .* 'bars', .* under `measured_on`"):
        run("accuracy", other, tmp_path / "t.parquet", measured_on="other")
    assert not (tmp_path / "t.parquet").exists()


def named(values: Tensor) -> Maps:
    return Maps([f"test-{row}" for row in range(len(values))], [0] * len(values), values)


def maps_of(toy: Trained) -> list[np.ndarray]:
    rows = read_table(toy.maps, EXPLANATIONS).to_pylist()
    return [np.array(row["map"], np.float32).reshape(row["height"], row["width"]) for row in rows]


def test_stage_that_fails_writes_nothing(without_gates, tmp_path):
    with pytest.raises(UserError, match=r"3\.safetensors: method 'std' has no gates"):
        run("gates", without_gates, tmp_path / "out" / "t.parquet")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("target", ["label", "prediction"])
def test_maps_of_the_explainer_stage_are_what_sparsity_measures(toy, tmp_path, monkeypatch, target):
    monkeypatch.setattr(trained, "BATCH", 25)
    explained = Trained(toy.model, toy.data, str(tmp_path / "maps.parquet"), toy.history)
    block = parse_slice("explainer", json.dumps({"from": "input_gradient", "samples": 60, "target": target}))
    explainer_job.run(
        explain=load("explainer", "input_gradient"),
        settings=block,
        model=toy.model,
        data=toy.data,
        output=explained.maps,
        device="cpu",
        threads=1,
    )
    table = read_table(explained.maps, EXPLANATIONS)
    assert table["sample_id"].to_pylist() == [f"test-{row}" for row in range(60)]
    targets = torch.from_numpy(pictures()[1]) if target == "label" else logits_by_hand(toy).argmax(1)
    assert table["target"].to_pylist() == targets[:60].tolist()
    (row,) = run("sparsity", explained, tmp_path / "t.parquet", explainers=["input_gradient"])
    assert row["explainer"] == "input_gradient" and row["n"] == 60
    assert row["value"] == pytest.approx(np.mean(gini(torch.from_numpy(np.stack(maps_of(explained)))).tolist()))
