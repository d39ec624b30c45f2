"""A training run from outside: which batches, learning rates, records and progress lines a method gets."""

import io
from contextlib import redirect_stderr
from copy import deepcopy
from itertools import product
from types import SimpleNamespace

import pyarrow as pa
import pytest
import torch

from pipeline.artifacts import HISTORY, write_table
from pipeline.errors import UserError
from pipeline.methods import csg, std
from pipeline.models.resnet_cifar import build
from pipeline.settings.methods import Csg, Std
from pipeline.settings.networks import ResnetCifar
from pipeline.settings.training import Sgd, Steps
from pipeline.training.compute import Compute
from pipeline.training.data import Images
from pipeline.training.schedule import learning_rate, optimiser_of
from pipeline.training.session import Session
from pipeline.training.streams import seeded, stream

CPU = Compute(torch.device("cpu"), "fp32")
NETWORK = ResnetCifar(blocks=1, channels=(2, 2, 6))
COUNT = 50
#: Images that no run trains on: dark ones are of high classes.
WATCHED = Images(
    torch.arange(0, 250, 5, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 8, 8).clone(),
    4 - torch.arange(50) // 10, list(map(str, range(50))), {},
)  # fmt: skip


def options(**changes) -> Std:
    return Std(kind="std", **{"network": NETWORK, "epochs": 3, "batch_size": 16, **changes})


def session(seed: int = 0, watched: bool = False, **augment) -> Session:
    """A fresh run on 50 flat images of five classes; image i has the value i everywhere."""
    pixels = torch.arange(COUNT, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 8, 8).clone()
    notes = {"class_names": list("abcde"), "mean": [0.1], "std": [0.1], "augment": augment}
    with seeded(seed, "init"):
        network = build(NETWORK, channels=1, size=(8, 8), classes=5, mean=[0.1], std=[0.1])
    images = Images(pixels, torch.arange(COUNT) % 5, list(map(str, range(COUNT))), notes)
    return Session(network, images, CPU, seed, watched=WATCHED if watched else None)


def seen(run: Session, settings: Std) -> list[list[list[int]]]:
    """Images of every batch of every epoch, told apart by their value."""
    optimiser = optimiser_of([{"params": run.network.parameters()}], settings.optimiser)
    epochs = []
    for _ in run.epochs(settings, optimiser):
        epochs.append([])
        for images, labels in run.batches():
            numbers = (images[:, 0, 0, 0] * 255).round().int().tolist()
            assert labels.tolist() == [number % 5 for number in numbers]
            epochs[-1].append(numbers)
    return epochs


# Batches.


@pytest.mark.parametrize("batch_size", [1, 7, 16, 50])
def test_every_image_comes_at_most_once_an_epoch_in_whole_batches(batch_size):
    for epoch in seen(session(), options(batch_size=batch_size)):
        numbers = [number for batch in epoch for number in batch]
        assert [len(batch) for batch in epoch] == [batch_size] * (COUNT // batch_size)
        assert len(set(numbers)) == len(numbers) and set(numbers) <= set(range(COUNT))


def test_batches_differ_between_epochs_and_seeds_and_are_the_same_again():
    first, again, other = seen(session(0), options()), seen(session(0), options()), seen(session(1), options())
    assert first == again
    orders = [str(epoch) for epoch in first + other]
    assert len(set(orders)) == len(orders)


def test_order_is_that_of_the_stream_whatever_was_drawn_before():
    torch.rand(3)
    for number, epoch in enumerate(seen(session(5), options())):
        order = torch.randperm(COUNT, generator=stream(5, "shuffle", number)).tolist()
        assert epoch == [order[:16], order[16:32], order[32:48]]


def test_images_that_an_epoch_leaves_out_come_in_others():
    epochs = seen(session(), options(epochs=9))
    assert {number for epoch in epochs for batch in epoch for number in batch} == set(range(COUNT))


def test_batches_are_floats_from_0_to_1_and_augmented_by_step():
    run = session(shift=0, flip=False, crop_padding=8)
    optimiser = optimiser_of([{"params": run.network.parameters()}], Sgd())
    borders = []
    for _ in run.epochs(options(epochs=2), optimiser):
        for images, _ in run.batches():
            assert images.dtype is torch.float32 and images.shape == (16, 1, 8, 8)
            assert images.min() == 0 and images.max() <= (COUNT - 1) / 255
            borders.append(str((images == 0).flatten(1).int().tolist()))
    assert len(set(borders)) == len(borders) == 6


def test_batch_larger_than_the_data_is_an_error():
    with pytest.raises(UserError, match=r"training\.batch_size: 51 is more than the 50 training images; lower it"):
        std.fit(session(), options(batch_size=51))


# The same again.


@pytest.mark.parametrize(
    ("fit", "settings"),
    [(std.fit, options()), (csg.fit, Csg(kind="csg", network=NETWORK, epochs=3, batch_size=16, density_bound=0.3))],
)
def test_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path, fit, settings):
    files, states = [], []
    for run in (session(0, shift=1, flip=True), session(0, shift=1, flip=True), session(1, shift=1, flip=True)):
        torch.rand(17)  # what others draw from the global generator must not matter
        tensors = fit(run, settings)
        states.append({**run.network.state_dict(), **tensors})
        files.append(tmp_path / f"{len(files)}.parquet")
        write_table(files[-1], run.history(), HISTORY)
    first, again, other = states
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not any(torch.equal(first[name], other[name]) for name in first if name.endswith("conv1.weight"))
    assert files[0].read_bytes() == files[1].read_bytes() != files[2].read_bytes()


# Learning rates and history.


def test_learning_rate_falls_at_the_milestones():
    rates = [learning_rate(Steps(milestones=(0.5, 0.75), factor=0.1), 0.2, epoch, 8) for epoch in range(8)]
    assert rates == pytest.approx([0.2] * 4 + [0.02] * 2 + [0.002] * 2)
    assert [learning_rate(Steps(milestones=()), 0.2, epoch, 4) for epoch in range(4)] == [0.2] * 4


def test_milestone_is_exactly_its_share_of_the_epochs():
    """For every whole percentage of usual numbers of epochs; in floating point 0.55 · 200 is above 110."""
    for epochs, percent in product((20, 60, 100, 150, 200), range(1, 100)):
        milestone, rest = divmod(epochs * percent, 100)
        if not rest:
            schedule = Steps(milestones=(percent / 100,), factor=0.5)
            assert learning_rate(schedule, 1.0, milestone - 1, epochs) == 1.0
            assert learning_rate(schedule, 1.0, milestone, epochs) == 0.5


def test_history_has_one_row_an_epoch_and_metric():
    run, settings = session(), options(epochs=4, schedule={"from": "steps", "milestones": [0.5]})
    optimiser = optimiser_of([{"params": run.network.parameters()}], settings.optimiser)
    expected, groups = [], []
    for epoch in run.epochs(settings, optimiser):
        assert run.network.training
        losses, hits = [], 0
        for images, labels in run.batches():
            logits = run.network(images)
            loss = torch.nn.functional.cross_entropy(logits, labels)
            run.step(loss, logits, labels)
            losses.append(loss.item())
            hits += (logits.argmax(1) == labels).sum().item()
        groups.append(optimiser.param_groups[0]["lr"])
        run.record(density=0.5, csg_path=epoch == 2)
        row = {
            "loss": sum(losses) / 3,
            "accuracy": hits / 48,
            "learning_rate": groups[-1],
            "density": 0.5,
            "csg_path": float(epoch == 2),
        }
        expected += [{"epoch": epoch, "metric": metric, "value": pytest.approx(value)} for metric, value in row.items()]
        run.network.eval()
    assert groups == pytest.approx([0.1, 0.1, 0.01, 0.01])
    assert run.history().schema == HISTORY and isinstance(run.history(), pa.Table)
    assert run.history().to_pylist() == expected
    assert run.images_per_second > 0


def test_step_forgets_the_gradient_of_the_step_before():
    """Two steps of plain gradient descent on the same slope move a weight twice as far as one."""
    run = session()
    plain = options(epochs=1, optimiser={"from": "sgd", "momentum": 0, "weight_decay": 0, "learning_rate": 0.1})
    weight = run.network.head.weight
    start = weight.detach().clone()
    logits, labels = torch.zeros(2, 5), torch.tensor([0, 1])
    for _ in run.epochs(plain, optimiser_of([{"params": run.network.parameters()}], plain.optimiser)):
        for _ in range(2):
            run.step(weight.sum(), logits, labels)
    assert torch.allclose(weight, start - 0.2, rtol=0, atol=1e-6)


def test_watched_images_are_classified_after_every_epoch_in_evaluation_mode():
    run, settings = session(watched=True), options(epochs=6)
    expected = []
    for _ in run.epochs(settings, optimiser_of([{"params": run.network.parameters()}], settings.optimiser)):
        for images, labels in run.batches():
            logits = run.network(images)
            run.step(torch.nn.functional.cross_entropy(logits, labels), logits, labels)
        twin = deepcopy(run.network).eval()
        hits = [twin(WATCHED.floats(slice(i, i + 1))).argmax() == WATCHED.labels[i] for i in range(50)]
        expected.append(sum(hits).item() / 50)
        run.record()
        assert run.network.training
    found = [row["value"] for row in run.history().to_pylist() if row["metric"] == "test_accuracy"]
    assert found == pytest.approx(expected) and len(set(found)) > 1


def test_watching_changes_nothing_else():
    plain, watched = session(), session(watched=True)
    std.fit(plain, options())
    std.fit(watched, options())
    assert all(torch.equal(a, b) for a, b in zip(plain.network.state_dict().values(),
                                                 watched.network.state_dict().values(), strict=True))  # fmt: skip
    rows = [row for row in watched.history().to_pylist() if row["metric"] != "test_accuracy"]
    assert rows == plain.history().to_pylist()


@pytest.mark.parametrize("saves", [False, True])
def test_the_clock_counts_training_and_not_what_is_between_epochs(monkeypatch, saves):
    now = [0.0]
    monkeypatch.setattr("pipeline.training.session.time", SimpleNamespace(perf_counter=lambda: now[0]))
    run, states = session(watched=True), []

    def save(state: dict) -> None:
        states.append(state["seconds"])
        now[0] += 1000

    run._resume = SimpleNamespace(load=lambda device: None, due=lambda: saves, save=save)
    for epoch in run.epochs(options(clock=True)):
        now[0] += 2.0 + epoch
        run.record(loss=0.5)
        now[0] += 100
    rows = [(row["metric"], row["value"]) for row in run.history().to_pylist()]
    seconds = [value for metric, value in rows if metric == "seconds"]
    assert seconds == [2.0, 5.0, 9.0] and states == (seconds if saves else [])
    assert [metric for metric, _ in rows[:3]] == ["seconds", "loss", "test_accuracy"]


def test_without_optimisers_only_what_the_method_says_is_recorded():
    run = session()
    for epoch in run.epochs(options(epochs=2)):
        assert run.network.training
        run.record(residual=epoch + 0.5)
    assert [(row["epoch"], row["metric"], row["value"]) for row in run.history().to_pylist()] == [
        (0, "residual", 0.5), (1, "residual", 1.5)
    ]  # fmt: skip


def test_a_round_of_steps_goes_through_the_images_as_often_as_it_takes():
    """50 images are three batches of 16; rounds of seven batches see each image twice or three times."""
    run = session()
    settings = SimpleNamespace(**vars(options(epochs=2)) | {"steps_per_epoch": 7})
    rounds = seen(run, settings)
    assert [[len(batch) for batch in one] for one in rounds] == [[16] * 7] * 2
    for one in rounds:
        numbers = [number for batch in one for number in batch]
        assert sorted(numbers[:50]) == sorted(numbers[50:100]) == list(range(50))
        assert numbers[:50] != numbers[50:100]
    assert rounds[0] != rounds[1]


def test_a_method_can_let_an_epoch_be_the_last():
    run, saved = session(), []
    run._resume = SimpleNamespace(load=lambda device: None, due=lambda: True, save=saved.append)
    for epoch in run.epochs(options(epochs=9)):
        if epoch == 2:
            run.stop()
        run.record(residual=0.0)
    assert [row["epoch"] for row in run.history().to_pylist()] == [0, 1, 2]
    assert [state["epoch"] for state in saved] == [1, 2], "a state of after the end would be trained on"


def test_training_shows_its_progress_on_the_standard_error_of_the_moment():
    with redirect_stderr(io.StringIO()) as caught:
        std.fit(session(), options())
    assert [line.split("  ")[0] for line in caught.getvalue().splitlines()] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
