"""Local search: a toy by hand, the algorithm pixel by pixel, and that it is blind."""

import json

import pytest
import torch
from torch import Tensor, nn
from victims import Linear, WithoutGradients, attacked, network, same_state, smooth, state

from pipeline.attacks.local_search import attack, local_search
from pipeline.attacks.outcome import fooled
from pipeline.settings.attacks import LocalSearch

#: Logits (x₀ − 2 x₁ + x₂ + 1, 0).
TOY = Linear([[1.0, -2.0, 1.0], [0.0, 0.0, 0.0]], [1.0, 0.0])
IMAGE, LABEL = torch.tensor([0.6, 0.7, 0.2]).view(1, 1, 3), torch.tensor([0])
PLAIN = {"rounds": 10, "magnitude": 10.0, "factor": 1.5, "chosen": 1, "distance": 1, "start": 1.0, "probes": 100}


def searched(victim=TOY, image=IMAGE, label=LABEL, target=None, seed: int = 0, **changes) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return local_search(victim, image, label, target, generator=generator, **(PLAIN | changes))


def test_toy_by_hand():
    # Probes set a pixel to 10.5 or −9.5: the second one, 10.5, lowers the logit 0.4 of the label most, to −19.2.
    # 0.5 + 1.5 · 0.2 = 0.8 leaves 0.2; its neighbours are everything; 0.5 + 1.5 · 0.3 = 0.95 leaves −0.1.
    assert searched(rounds=1).flatten().tolist() == pytest.approx([0.6, 0.8, 0.2])
    assert searched(rounds=2).flatten().tolist() == pytest.approx([0.6, 0.95, 0.2])
    assert torch.equal(searched(rounds=10), searched(rounds=2))


def test_values_wrap_around():
    # 4 · 0.2 = 0.8 wraps to −0.2, which is 0.3 in 0..1; the rest stays bit for bit.
    found = searched(rounds=1, factor=4.0)
    assert found.flatten().tolist() == pytest.approx([0.6, 0.3, 0.2])
    assert torch.equal(found[..., [0, 2]], IMAGE[..., [0, 2]])
    # The third pixel is the next best, 0.6 − 1.4 − 9.5 + 1: both go, −0.3 · 4 = −1.2 to −0.2.
    assert searched(rounds=1, factor=4.0, chosen=2).flatten().tolist() == pytest.approx([0.6, 0.3, 0.3])


def test_targets_are_what_it_goes_for():
    # Logits 0, −0.3, −0.2. The second pixel, at 10.5, hurts class 0 most; the third, at −9.5, helps class 2 alone.
    victim = Linear([[0.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, -4.0]], [0.0, -3.1, 0.6])
    assert searched(victim).flatten().tolist() == pytest.approx([0.6, 0.8, 0.2])
    assert searched(victim, target=torch.tensor([2])).flatten().tolist() == pytest.approx([0.6, 0.7, 0.05])


def literal(victim: nn.Module, image: Tensor, label: int, *, rounds, magnitude, factor, chosen, distance) -> Tensor:
    """The algorithm one probe at a time, all pixels in the first round."""
    channels, height, width = image.shape
    looked_at = [(row, column) for row in range(height) for column in range(width)]
    shifted = image - 0.5
    for _ in range(rounds):
        if victim(shifted[None] + 0.5).argmax() != label:
            break
        scores = []
        for row, column in looked_at:
            probe = shifted.clone()
            for channel in range(channels):
                probe[channel, row, column] = magnitude * shifted[channel, row, column].sign()
            scores.append(victim(probe[None] + 0.5).softmax(1)[0, label].item())
        best = [place for _, place in sorted(zip(scores, looked_at, strict=True))[:chosen]]
        for row, column in best:
            for channel in range(channels):
                value = factor * shifted[channel, row, column]
                shifted[channel, row, column] = value - 1 if value > 0.5 else value + 1 if value < -0.5 else value
        looked_at = sorted(
            {
                (r, c)
                for row, column in best
                for r in range(max(0, row - distance), min(height, row + distance + 1))
                for c in range(max(0, column - distance), min(width, column + distance + 1))
            }
        )
    return shifted + 0.5


@pytest.mark.parametrize(("chosen", "distance", "magnitude"), [(1, 0, 10.0), (3, 1, 2.0), (5, 2, 1.0)])
@torch.no_grad()
def test_batched_probes_are_the_literal_algorithm(chosen, distance, magnitude):
    victim, (images, _) = smooth(), attacked(6)
    for image in images.double():
        label = victim(image[None]).argmax(1)
        settings = {"rounds": 4, "magnitude": magnitude, "factor": 1.5, "chosen": chosen, "distance": distance}
        expected = literal(victim, image, label.item(), **settings)
        found = searched(victim, image, label, **settings)
        assert torch.allclose(found, expected, atol=1e-12) and not torch.equal(found, image)


def test_rounds_look_at_so_many_pixels_and_change_so_few():
    never = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 2))
    never[1].bias.data = torch.tensor([100.0, 0.0])
    victim = WithoutGradients(never)
    image = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    found = searched(victim, image, start=0.2, probes=10, distance=2, chosen=2, rounds=3)
    assert victim.sizes == [11, 11, 11]
    assert 0 < (found != image).any(0).sum() <= 6
    victim.sizes.clear()
    searched(victim, image, start=0.2, probes=100, distance=1, rounds=2)
    assert victim.sizes[0] == 13 and victim.sizes[1] - 1 in (4, 6, 9)


@pytest.mark.parametrize("factor", [0.3, 1.0, 1.5, 7.3])
def test_images_stay_in_range(factor):
    images, labels = attacked(3)
    images[:, :, :3] = images[:, :, :3].round()
    for image, label in zip(images, labels, strict=True):
        found = searched(network(), image, label[None], factor=factor, chosen=5, rounds=5)
        assert found.min() >= 0 and found.max() <= 1 and found.dtype is torch.float32


def test_image_that_is_already_wrong_comes_back():
    found = searched(TOY, IMAGE, torch.tensor([1]))
    assert torch.equal(found, IMAGE)


def stage(victim, images, labels, generator, **settings) -> Tensor:
    block = LocalSearch.model_validate(json.loads(json.dumps({"from": "local_search", **settings})))
    return attack(victim, images, labels, None, block, generator)


def test_draws_come_from_the_generator_and_not_from_the_batch():
    victim, (images, labels) = network(), attacked(5)
    settings = {"rounds": 3, "distance": 2, "probes": 6}
    together, again, other = (
        stage(victim, images, labels, torch.Generator().manual_seed(seed), **settings) for seed in (0, 0, 1)
    )
    assert torch.equal(together, again) and not torch.equal(together, other)
    generator = torch.Generator().manual_seed(0)
    parts = [stage(victim, images[row], labels[row], generator, **settings) for row in torch.arange(5).split(2)]
    assert torch.equal(together, torch.cat(parts))


def test_longer_searches_fool_more_and_leave_no_trace():
    victim, (images, labels) = network(), attacked(24)
    before, copy = state(victim), images.clone()
    rates = []
    for rounds in (1, 12):
        found = stage(victim, images, labels, torch.Generator().manual_seed(0), rounds=rounds, start=0.5, probes=64)
        rates.append(fooled(victim(found), labels, None).float().mean().item())
    assert rates[0] < rates[1]
    assert same_state(victim, before) and torch.equal(images, copy) and not found.is_inference()
