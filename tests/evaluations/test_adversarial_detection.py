"""Detection of attacks on a small trained network: the whole way by loops, and classes with few images."""

import json
import math

import pytest
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from victims import CLASSES, of_attack, same_state, state
from victims import subject as victim

from pipeline.attacks.fgsm import fgsm
from pipeline.attacks.targets import other_classes
from pipeline.evaluations.adversarial_detection import evaluate
from pipeline.evaluations.subject import Row, Subject
from pipeline.models import trained
from pipeline.settings import parse_slice
from pipeline.training.data import Images
from pipeline.training.streams import derive, stream

FGSM = {"from": "fgsm", "epsilon": 0.06}


def part(images: Images, chosen: torch.Tensor) -> Images:
    return Images(images.pixels[chosen], images.labels[chosen], [], images.notes)


def subject() -> Subject:
    """90 training and 60 test images, a third of each class."""
    whole = victim(150)
    images = whole.splits["test"]
    whole.splits = {"train": part(images, torch.arange(90)), "test": part(images, torch.arange(90, 150))}
    return whole


def rows(found: Subject, attack: dict = FGSM, **settings) -> list[Row]:
    """Those of one attack, without its name."""
    block = {"from": "adversarial_detection", "attacks": {"tried": attack}, "sizes": [5, 20], "test_size": 15}
    block |= {"trees": 10, "forests": 2} | settings
    return of_attack(evaluate(found, parse_slice("evaluation", json.dumps(block))), "tried")


def value(found: list[Row], metric: str, subset: str | None = None) -> Row:
    (row,) = [row for row in found if row.metric == metric and row.subset == subset]
    return row


@torch.no_grad()
def attacked_by_hand(whole: Subject, split: str, size: int, targeted: bool) -> tuple[list, list, list[bool]]:
    """The first `size` images of each class in turn: features before and after, and whether the network is fooled."""
    images, network = whole.splits[split], whole.network
    targets = other_classes(images.labels, CLASSES, stream(whole.seed, "attack", "targets", split)).tolist()
    clean, adversarial, fooled, seen = [], [], [], dict.fromkeys(range(CLASSES), 0)
    for row, (label, target) in enumerate(zip(images.labels.tolist(), targets, strict=True)):
        seen[label] += 1
        if seen[label] > size:
            continue
        image, goal = images.floats(slice(row, row + 1)), torch.tensor([target]) if targeted else None
        with torch.enable_grad():
            changed = fgsm(network, image, torch.tensor([label]), goal, epsilon=0.06)
        clean.append(network.features(image)[0].tolist())
        adversarial.append(network.features(changed)[0].tolist())
        predicted = network(changed).argmax().item()
        fooled.append(predicted == target if targeted else predicted != label)
    return clean, adversarial, fooled


def scored(fitted: RandomForestClassifier, clean: list, adversarial: list) -> tuple[float, float]:
    marks, features = [0] * len(clean) + [1] * len(adversarial), clean + adversarial
    auc = roc_auc_score(marks, fitted.predict_proba(features)[:, 1])
    return (fitted.predict(features) != marks).mean(), auc


@pytest.mark.parametrize("targeted", [True, False])
def test_rows_are_the_loop_by_hand(targeted):
    whole = subject()
    found = rows(whole, targeted=targeted)
    clean, adversarial, fooled = attacked_by_hand(whole, "test", 15, targeted)
    assert 0 < sum(fooled) < 45, "a toy that tells nothing; change it"
    assert value(found, "attack_success") == Row("attack_success", pytest.approx(sum(fooled) / 45), 45)
    caught = [[row for row, hit in zip(part, fooled, strict=True) if hit] for part in (clean, adversarial)]
    for size in (5, 20):
        before, after, _ = attacked_by_hand(whole, "train", size, targeted)
        singles, successes = [], []
        for forest in range(2):
            seed = derive(whole.seed, "evaluate", "adversarial_detection", forest) % 2**32
            marks = [0] * len(before) + [1] * len(after)
            fitted = RandomForestClassifier(10, random_state=seed).fit(before + after, marks)
            singles.append(scored(fitted, clean, adversarial))
            successes.append(scored(fitted, *caught))
            single = [
                value(found, name, f"size={size},forest={forest}") for name in ("detection_error", "detection_auc")
            ]
            # Half a row and half a pair: single precision moves a feature that lies at a threshold.
            assert [row.value for row in single] == pytest.approx(singles[-1], abs=0.012)
            assert [row.n for row in single] == [90, 90]
        subsets = [(f"size={size}", singles, 90), (f"size={size},successful", successes, 2 * sum(fooled))]
        for subset, values, count in [*subsets, (None, singles, 90)][: 3 if size == 20 else 2]:
            for place, metric in enumerate(("detection_error", "detection_auc")):
                mean = sum(pair[place] for pair in values) / 2
                assert value(found, metric, subset) == Row(metric, pytest.approx(mean, abs=0.012), count, subset)
        assert value(found, "detection_size", f"size={size}") == Row("detection_size", size, 3, f"size={size}")
    assert len(found) == 1 + 2 + 2 * (1 + 2 + 2 + 2 * 2)


def test_large_changes_are_easier_to_detect_than_tiny_ones():
    errors = [
        value(rows(subject(), {"from": "fgsm", "epsilon": epsilon}), "detection_error").value for epsilon in (1e-6, 0.5)
    ]
    assert errors[0] > 0.4 and errors[1] < 0.2


@pytest.mark.parametrize("attack", [FGSM, {"from": "pgd", "epsilon": 0.05, "random_start": True}])
def test_batches_do_not_matter_and_runs_repeat(monkeypatch, attack):
    first, again = rows(subject(), attack), rows(subject(), attack)
    assert first == again
    monkeypatch.setattr(trained, "BATCH", 4)
    for one, other in zip(first, rows(subject(), attack), strict=True):
        assert one.value == pytest.approx(other.value, abs=0.03) and (one.metric, one.n) == (other.metric, other.n)


def test_fewer_images_than_asked_for_are_counted():
    found = rows(subject(), sizes=[10, 1000], test_size=1000)
    assert value(found, "detection_size", "size=10").value == 10
    assert value(found, "detection_size", "size=1000").value == 30
    assert value(found, "attack_success").n == 60 and value(found, "detection_error").n == 120


def test_overall_is_the_largest_size_in_whatever_order():
    found = rows(subject(), sizes=[20, 5])
    assert value(found, "detection_error").value == value(found, "detection_error", "size=20").value
    assert sorted(map(str, found)) == sorted(map(str, rows(subject(), sizes=[5, 20])))


def test_one_image_a_class_is_enough():
    found = rows(subject(), sizes=[1], test_size=1)
    assert value(found, "detection_error").n == 6 and 0 <= value(found, "detection_error").value <= 1


def test_class_without_images_is_left_out():
    whole = subject()
    whole.splits["train"] = part(whole.splits["train"], whole.splits["train"].labels != 2)
    whole.splits["test"] = part(whole.splits["test"], whole.splits["test"].labels != 0)
    found = rows(whole)
    assert value(found, "attack_success").n == 30
    assert value(found, "detection_size", "size=20").value == pytest.approx(40 / 3)


def test_attack_that_never_succeeds_has_no_rows_on_successes():
    whole = subject()
    whole.splits["test"].labels = whole.logits("test").argmax(1)  # no image is its target before the attack
    found = rows(whole, {"from": "fgsm", "epsilon": 1e-7})
    assert value(found, "attack_success").value == 0
    caught = [row for row in found if row.subset and row.subset.endswith("successful")]
    assert len(caught) == 4 and all(math.isnan(row.value) and row.n == 0 for row in caught)


def test_network_comes_back_as_it_was():
    whole = subject()
    before = state(whole.network)
    rows(whole, {"from": "pgd"})
    assert same_state(whole.network, before)
