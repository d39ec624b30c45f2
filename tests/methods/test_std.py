"""Standard training: it learns, and CSG that never opens its gates is the same training."""

import pytest
import torch

from pipeline.methods import csg, std
from pipeline.models.resnet_cifar import build
from pipeline.settings.methods import Csg, Std
from pipeline.settings.networks import ResnetCifar
from pipeline.training.compute import Compute
from pipeline.training.data import Images
from pipeline.training.session import Session
from pipeline.training.streams import seeded

CPU = Compute(torch.device("cpu"), "fp32")
NETWORK = ResnetCifar(blocks=1, channels=(4, 4, 8))
COMMON = {"network": NETWORK, "batch_size": 16}


def quadrants(count: int, seed: int) -> Images:
    """Noisy 8×8 images of four classes, each with another bright quadrant."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 160, (count, 1, 8, 8), dtype=torch.uint8, generator=generator)
    labels = torch.arange(count) % 4
    for image, label in zip(pixels, labels.tolist(), strict=True):
        top, left = 4 * (label // 2), 4 * (label % 2)
        image[:, top : top + 4, left : left + 4] += 90
    notes = {"class_names": list("abcd"), "mean": [0.4], "std": [0.25], "augment": {}}
    return Images(pixels, labels, [str(row) for row in range(count)], notes)


def session(seed: int = 0) -> Session:
    with seeded(seed, "init"):
        network = build(NETWORK, channels=1, size=(8, 8), classes=4, mean=[0.4], std=[0.25])
    return Session(network, quadrants(64, seed=0), CPU, seed)


def test_fit_learns_what_carries_over_to_other_images():
    run, unseen = session(), quadrants(64, seed=1)
    assert std.fit(run, Std(kind="std", epochs=15, **COMMON)) == {}
    history = {(row["epoch"], row["metric"]): row["value"] for row in run.history().to_pylist()}
    assert history[14, "accuracy"] > 0.9 and history[14, "loss"] < 0.5 * history[0, "loss"]
    with torch.no_grad():
        hits = run.network.eval()(unseen.floats(slice(None))).argmax(1) == unseen.labels
    assert hits.float().mean() > 0.8


@pytest.mark.parametrize("seed", [0, 1])
def test_csg_that_only_warms_up_is_std_bit_for_bit(seed):
    ordinary, warming = session(seed), session(seed)
    std.fit(ordinary, Std(kind="std", epochs=4, **COMMON))
    gates = csg.fit(warming, Csg(kind="csg", epochs=4, warmup=4, density_bound=0.25, **COMMON))["gates"]
    assert torch.equal(gates, torch.full((4, 8), 0.5))
    states = ordinary.network.state_dict(), warming.network.state_dict()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    of_both = [row for row in warming.history().to_pylist() if row["metric"] not in ("csg_path", "density")]
    assert of_both == ordinary.history().to_pylist()


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_a_step_is_that_on_the_loss_of_the_settings(loss):
    run, plain = session(), session().network.train()
    images, labels = run.images.pixels / 255, run.images.labels
    logits, onehot = plain(images), torch.eye(4)[labels]
    if loss == "squared_error":
        expected = ((logits - onehot) ** 2).sum() / 2 / 64
    else:
        expected = -(logits.log_softmax(1) * onehot).sum() / 64
    gradients = torch.autograd.grad(expected, list(plain.parameters()))
    plainest = {"from": "sgd", "learning_rate": 0.1, "momentum": 0.0, "weight_decay": 0.0}
    std.fit(run, Std(kind="std", network=NETWORK, epochs=1, batch_size=64, optimiser=plainest, loss=loss))
    for found, weight, gradient in zip(run.network.parameters(), plain.parameters(), gradients, strict=True):
        assert torch.allclose(found, weight - 0.1 * gradient, rtol=0, atol=1e-6)
    assert run.history().to_pylist()[0]["value"] == pytest.approx(expected.item(), rel=1e-5)


def test_cross_entropy_is_the_default():
    assert Std(kind="std").loss == "cross_entropy"
