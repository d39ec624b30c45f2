"""pix2pix: losses and steps against their literal form, what is augmented, what is kept, and exact resume."""

import copy
import math

import pytest
import torch
from squares import SIDE, drawing, options
from torch import Tensor

from pipeline.annotators import pix2pix
from pipeline.annotators.job import with_masks
from pipeline.training.augment import augment
from pipeline.training.compute import Compute
from pipeline.training.data import Images
from pipeline.training.resume import Resume
from pipeline.training.schedule import optimiser_of
from pipeline.training.session import Session
from pipeline.training.streams import seeded

CPU = Compute(torch.device("cpu"), "fp32")


def pictures(count: int = 12, seed: int = 0, augmentation: dict | None = None) -> Images:
    """Squares with their mask as fourth channel."""
    pixels, masks = (torch.from_numpy(part) for part in drawing(count, seed))
    images = Images(pixels.permute(0, 3, 1, 2), torch.zeros(count, dtype=torch.int64), list(map(str, range(count))), {})
    return with_masks(images, masks, torch.arange(count), augmentation or {})


def session(settings, images: Images | None = None, resume: Resume | None = None) -> Session:
    with seeded(0, "init"):
        network = pix2pix.build(settings, channels=3)
    return Session(network, images or pictures(augmentation=pix2pix.augmentation(settings)), CPU, 0, "p", resume)


def bce(logit: float, target: int) -> float:
    p = 1 / (1 + math.exp(-logit))
    return -math.log(p if target else 1 - p)


def test_losses_are_those_of_the_paper():
    generator = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(3, 1, 2, 2, generator=generator) for _ in range(2))
    drawn, targets = torch.rand(3, 1, 4, 4, generator=generator) * 2 - 1, torch.ones(3, 1, 4, 4)
    expected = sum(bce(r, 1) for r in real.flatten().tolist()) + sum(bce(f, 0) for f in fake.flatten().tolist())
    assert pix2pix.discriminator_loss(real, fake).item() == pytest.approx(expected / 12 / 2)
    adversarial, l1 = pix2pix.generator_losses(fake, drawn, targets)
    assert adversarial.item() == pytest.approx(sum(bce(f, 1) for f in fake.flatten().tolist()) / 12)
    errors = [abs(a - b) for a, b in zip(drawn.flatten().tolist(), targets.flatten().tolist(), strict=True)]
    assert l1.item() == pytest.approx(sum(errors) / 48)


def test_a_step_descends_the_discriminator_and_then_the_generator():
    settings = options(optimiser={"from": "sgd", "learning_rate": 0.01, "momentum": 0, "weight_decay": 0}, l1=7)
    run = session(settings)
    networks, twin = run.network, copy.deepcopy(run.network)
    optimisers = [optimiser_of([{"params": part.parameters()}], settings.optimiser)
                  for part in (networks.generator, networks.discriminator)]  # fmt: skip
    images, targets = pix2pix.pairs(run.images.floats(slice(0, 4)), SIDE)
    recorded = pix2pix.step(networks, optimisers, images, targets, settings.l1, run)

    drawn = twin.generator(images)
    real = twin.discriminator(torch.cat([images, targets], 1))
    fake = twin.discriminator(torch.cat([images, drawn.detach()], 1))
    loss = 0.5 * (-real.sigmoid().log().mean() - (1 - fake.sigmoid()).log().mean())
    down(twin.discriminator, torch.autograd.grad(loss, list(twin.discriminator.parameters())))
    judged = twin.discriminator(torch.cat([images, drawn], 1))
    adversarial, l1 = -judged.sigmoid().log().mean(), (drawn - targets).abs().mean()
    down(twin.generator, torch.autograd.grad(adversarial + 7 * l1, list(twin.generator.parameters())))
    assert recorded.tolist() == pytest.approx([adversarial.item(), l1.item(), loss.item()])
    for (name, weight), other in zip(networks.named_parameters(), twin.parameters(), strict=True):
        assert torch.allclose(weight, other, atol=1e-6), name
        assert weight.requires_grad


def down(network: torch.nn.Module, slopes: tuple[Tensor, ...]) -> None:
    with torch.no_grad():
        for weight, slope in zip(network.parameters(), slopes, strict=True):
            weight -= 0.01 * slope


def test_weights_start_as_published():
    network = pix2pix.build(options(base_channels=32, levels=3), channels=3)
    spread = torch.cat([w.flatten() for w in network.parameters() if w.dim() == 4])
    assert spread.mean().abs() < 1e-3 and spread.std().item() == pytest.approx(0.02, rel=0.02)
    scales = [m.weight for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert torch.cat(scales).mean().item() == pytest.approx(1, abs=0.01) and torch.cat(scales).std() < 0.04
    assert all((bias == 0).all() for name, bias in network.named_parameters() if name.endswith("bias"))


def test_images_and_masks_as_the_networks_take_them():
    shown = pictures(3).floats(slice(0, 3))
    images, targets = pix2pix.pairs(shown, SIDE)
    assert torch.equal(images, 2 * shown[:, :3] - 1) and torch.equal(targets, 2 * shown[:, 3:] - 1)
    images, targets = pix2pix.pairs(shown, 24)
    assert images.shape == (3, 3, 24, 24) and targets.shape == (3, 1, 24, 24)
    assert set(targets.unique().tolist()) == {-1, 1}


def test_a_random_change_meets_image_and_mask_alike():
    """An image that is its own mask stays so, whatever the mirror and jitter."""
    found = pictures(16).pixels[:, 3:].expand(-1, 4, -1, -1)
    settings = options(jitter=0.25, mirror=True)
    changed = augment(found, torch.Generator().manual_seed(0), **pix2pix.augmentation(settings))
    assert all(torch.equal(changed[:, channel], changed[:, 3]) for channel in range(3))
    assert not torch.equal(changed, found)


def test_masks_come_back_in_the_size_of_the_image_and_do_not_depend_on_the_batch():
    network = pix2pix.build(options(size=32, levels=3), channels=3).eval()
    images = pictures(5).floats(slice(0, 5))[:, :3]
    masks = network(images)
    assert masks.shape == (5, SIDE, SIDE) and masks.min() >= 0 and masks.max() <= 1
    assert torch.allclose(masks[2:3], network(images[2:3]), atol=1e-6)


def test_history_has_a_row_a_round_and_training_helps():
    run = session(options(steps=60, check_every=20))
    pix2pix.fit(run, options(steps=60, check_every=20), pictures(0))
    rows = run.history().to_pylist()
    assert [(row["epoch"], row["metric"]) for row in rows] == [
        (check, metric) for check in range(3) for metric in pix2pix.RECORDED
    ]
    l1 = [row["value"] for row in rows if row["metric"] == "l1"]
    assert l1[2] < 0.6 * l1[0]


def test_the_best_generator_on_held_out_images_is_kept():
    settings, held_out = options(steps=30, check_every=3), pictures(6, seed=5)
    run = session(settings)
    pix2pix.fit(run, settings, held_out)
    errors = [row["value"] for row in run.history().to_pylist() if row["metric"] == "held_out_l1"]
    assert len(errors) == 10
    assert pix2pix.error(run.network, held_out, 4) == pytest.approx(min(errors), rel=1e-6)
    assert pix2pix.error(run.network, held_out, 4) == pytest.approx(pix2pix.error(run.network, held_out, 6))


def test_it_stops_when_held_out_images_are_drawn_no_better():
    """A rate of next to nothing moves the running statistics of batch normalisation only: soon there is no gain."""
    settings = options(
        steps=300, check_every=3, patience=2, optimiser={"from": "sgd", "learning_rate": 1e-12, "momentum": 0}
    )
    run = session(settings)
    pix2pix.fit(run, settings, pictures(6, seed=5))
    errors = [row["value"] for row in run.history().to_pylist() if row["metric"] == "held_out_l1"]
    assert len(errors) < 100 and errors.index(min(errors)) == len(errors) - 3
    assert run.images_per_second > 0


@pytest.mark.parametrize("saves", [2, 5, 8])
def test_resume_ends_in_the_same_bytes(tmp_path, saves):
    """Stopped inside a round and between two, with dropout, jitter and held-out images."""
    settings = options(levels=4, dropout=0.5, base_channels=2, jitter=0.1, mirror=True)
    held_out = pictures(6, seed=5)
    whole = session(settings)
    pix2pix.fit(whole, settings, held_out)

    class Stops(Resume):
        left = saves

        def save(self, state: dict) -> None:
            super().save(state)
            self.left -= 1
            if not self.left:
                raise SystemExit

    first = session(settings, resume=Stops(tmp_path, "key", 0))
    with pytest.raises(SystemExit):
        pix2pix.fit(first, settings, held_out)
    again = session(settings, resume=Resume(tmp_path, "key", 3600))
    pix2pix.fit(again, settings, held_out)
    assert again.history().equals(whole.history())
    found = again.network.state_dict()
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, found[name]), name
