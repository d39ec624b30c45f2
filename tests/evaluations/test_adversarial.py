"""Success and size of attacks by hand, on one trained network, and how targets are dealt."""

import json
from itertools import pairwise

import pytest
import torch
from victims import CLASSES, of_attack, subject

from pipeline.attacks.fgsm import fgsm
from pipeline.attacks.targets import other_classes
from pipeline.evaluations.adversarial import evaluate
from pipeline.evaluations.subject import Row, Subject
from pipeline.models import trained
from pipeline.settings import parse_slice
from pipeline.training.streams import stream


def rows(found: Subject, attack: dict, **settings) -> list[Row]:
    """Those of one attack, without its name."""
    block = {"from": "adversarial", "attacks": {"tried": attack}, **settings}
    return of_attack(evaluate(found, parse_slice("evaluation", json.dumps(block))), "tried")


def value(found: list[Row], metric: str, subset: str | None = None) -> Row:
    (row,) = [row for row in found if row.metric == metric and row.subset == subset]
    return row


@pytest.mark.parametrize("targeted", [False, True])
def test_rows_are_the_loop_by_hand(targeted):
    whole = subject()
    network, images, labels = whole.network, whole.splits["test"].floats(slice(None)), whole.splits["test"].labels
    targets = other_classes(labels, CLASSES, stream(whole.seed, "attack", "targets"))
    found = rows(whole, {"from": "fgsm", "epsilon": 0.06}, targeted=targeted, samples=25)
    success, l2, linf, pixels = {c: [] for c in range(CLASSES)}, [], [], []
    for image, label, target in zip(images, labels.tolist(), targets.tolist(), strict=True):
        if network(image[None]).argmax() != label or sum(map(len, success.values())) == 25:
            continue
        goal = torch.tensor([target]) if targeted else None
        changed = fgsm(network, image[None], torch.tensor([label]), goal, epsilon=0.06)[0]
        predicted = network(changed[None]).argmax().item()
        success[label].append(predicted == target if targeted else predicted != label)
        if success[label][-1]:
            change = (changed - image).abs()
            l2.append(change.square().sum().sqrt().item())
            linf.append(change.max().item())
            pixels.append(sum(bool((change[:, r, c] > 1 / 510).any()) for r in range(8) for c in range(8)))
    every = [hit for hits in success.values() for hit in hits]
    assert 0 < sum(every) < 25, "a toy that tells nothing; change it"
    expected = [Row("attack_success", pytest.approx(sum(every) / 25), 25)]
    expected += [
        Row("attack_success", pytest.approx(sum(hits) / len(hits)), len(hits), subset=f"class={c}")
        for c, hits in success.items()
    ]
    for metric, values in (("l2", l2), ("linf", linf), ("pixels", pixels)):
        name = f"attack_{metric}" if metric == "pixels" else f"attack_distance_{metric}"
        expected.append(Row(name, pytest.approx(sum(values) / len(values), rel=1e-4), sum(every)))
    assert found == expected


@pytest.mark.parametrize(
    "attack",
    [
        {"from": "pgd", "epsilon": 0.05, "random_start": True},
        {"from": "local_search", "rounds": 2, "probes": 8},
        {"from": "one_pixel", "population": 10, "generations": 2},
        {"from": "carlini_wagner", "steps": 10, "searches": 2},
        {"from": "mi_fgsm"},
    ],
    ids=lambda attack: attack["from"],
)
def test_batches_do_not_matter_and_runs_repeat(monkeypatch, attack):
    first, again = (rows(subject(), attack, targeted=True, samples=10) for _ in range(2))
    assert [vars(row) for row in first] == [pytest.approx(vars(row), nan_ok=True) for row in again]
    monkeypatch.setattr(trained, "BATCH", 4)
    apart = rows(subject(), attack, targeted=True, samples=10)
    for one, other in zip(first, apart, strict=True):
        assert one.value == pytest.approx(other.value, rel=1e-3, nan_ok=True) and one.n == other.n


def test_success_rises_with_the_ball():
    rates = [
        value(rows(subject(), {"from": "pgd", "epsilon": epsilon}), "attack_success").value
        for epsilon in (0.001, 0.02, 0.06)
    ]
    assert all(low < high for low, high in pairwise(rates)) and rates[0] < 0.1


def test_one_pixel_changes_one_pixel():
    found = rows(subject(), {"from": "one_pixel", "population": 40, "generations": 5}, samples=20)
    assert value(found, "attack_pixels").n > 0 and value(found, "attack_pixels").value == 1


def test_no_success_has_a_rate_but_no_size():
    found = rows(subject(), {"from": "fgsm", "epsilon": 1e-6}, samples=5)
    assert value(found, "attack_success") == Row("attack_success", 0.0, 5)
    for metric in ("attack_distance_l2", "attack_distance_linf", "attack_pixels"):
        assert value(found, metric).n == 0 and value(found, metric).value != value(found, metric).value


@pytest.mark.parametrize("kind", ["fgsm", "pgd", "mi_fgsm"])
def test_network_that_is_always_wrong_has_nothing_to_attack(kind):
    whole = subject()
    whole.splits["test"].labels = (whole.logits("test").argmax(1) + 1) % CLASSES
    found = rows(whole, {"from": kind}, targeted=True)
    assert [row.metric for row in found] == [
        "attack_success", "attack_distance_l2", "attack_distance_linf", "attack_pixels"
    ]  # fmt: skip
    assert all(row.n == 0 and row.value != row.value for row in found)


def test_changes_that_eight_bits_do_not_show_are_none():
    whole = subject()
    labels = whole.splits["test"].labels
    others, own = whole.logits("test")[0].clone(), whole.logits("test")[0, labels[0]]
    others[labels[0]] = -torch.inf
    assert own > others.max(), "a toy that tells nothing; change it"
    # The same network, but the first image lies just before the boundary.
    near = subject()
    near.tensors["network.head.bias"][labels[0]] -= own - others.max() - 1e-3
    found = rows(near, {"from": "fgsm", "epsilon": 0.0019}, samples=1)
    assert value(found, "attack_success").value == 1
    assert value(found, "attack_pixels").value == 0 and value(found, "attack_distance_linf").value > 0.0018


def test_several_attacks_stand_side_by_side_under_their_means():
    attacks = {"weak": {"from": "fgsm", "epsilon": 0.02}, "strong": {"from": "pgd", "epsilon": 0.06}}
    block = {"from": "adversarial", "attacks": attacks, "samples": 20}
    found = evaluate(subject(), parse_slice("evaluation", json.dumps(block)))
    alone = {name: rows(subject(), attack, samples=20) for name, attack in attacks.items()}
    assert {name: of_attack(found, name) for name in attacks} == alone
    weak, strong = (value(of_rows, "attack_success") for of_rows in alone.values())
    assert weak.value < strong.value
    mean = value(found, "attack_success")
    assert (mean.value, mean.n) == (pytest.approx((weak.value + strong.value) / 2), 40)


def test_attack_without_a_success_leaves_the_mean_of_sizes_to_the_others():
    attacks = {"none": {"from": "fgsm", "epsilon": 1e-6}, "some": {"from": "fgsm", "epsilon": 0.06}}
    block = {"from": "adversarial", "attacks": attacks, "samples": 20}
    found = evaluate(subject(), parse_slice("evaluation", json.dumps(block)))
    assert value(found, "attack_pixels").value == value(of_attack(found, "some"), "attack_pixels").value
    assert value(found, "attack_pixels").n == value(of_attack(found, "some"), "attack_pixels").n > 0
