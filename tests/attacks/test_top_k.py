"""The attack on maps: the literal loop, its bounds, what it cannot move, and ReLU made smooth for its steps alone."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.functional import relu
from victims import Linear, attacked, network, same_state, smooth, state

from pipeline.attacks.top_k import Attacked, Softened, top_k
from pipeline.explainers.input_gradient import input_gradient
from pipeline.explainers.input_x_gradient import input_x_gradient

SMALL = {"radius": 0.5, "steps": 6, "step": 0.02, "share": 0.4}


def gradients(victim: nn.Module, labels: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda images: input_gradient(victim, images, labels, create_graph=True)


def smooth_attack(count: int = 6, **settings) -> tuple[Attacked, Tensor, Tensor]:
    victim, (images, labels) = smooth(), attacked(count)
    images = images.double()
    return top_k(victim, gradients(victim, labels), images, **(SMALL | settings)), images, labels


def mass(victim: nn.Module, image: Tensor, label: int, top: list[int]) -> Tensor:
    """D of one image, entry by entry."""
    (slope,) = torch.autograd.grad(victim(image[None])[0, label], image, create_graph=True)
    sizes = [abs(value) for value in slope.flatten()]
    return sum(sizes[entry] for entry in top) / sum(sizes)


@pytest.mark.parametrize("radius", [0.05, 0.5])
def test_batch_is_the_literal_loop_over_images(radius):
    victim = smooth()
    found, images, labels = smooth_attack(3, radius=radius, steps=4)
    for row, (start, label) in enumerate(zip(images, labels.tolist(), strict=True)):
        image = start.clone().requires_grad_()
        sizes = torch.autograd.grad(victim(image[None])[0, label], image)[0].flatten().abs().tolist()
        assert all(sizes)
        top = sorted(range(len(sizes)), key=lambda entry: -sizes[entry])[: int(0.4 * len(sizes))]
        lowest, best = mass(victim, image, label, top).item(), start
        assert found.before[row].item() == pytest.approx(lowest)
        for _ in range(4):
            (slope,) = torch.autograd.grad(mass(victim, image, label, top), image)
            delta = image.detach() - 0.02 * slope.sign() - start
            delta = delta * min(1, radius / delta.norm().item())
            image = (start + delta).requires_grad_()
            reached = mass(victim, image, label, top).item()
            if reached < lowest and victim(image[None]).argmax() == victim(start[None]).argmax():
                lowest, best = reached, image.detach()
        assert torch.allclose(found.images[row], best, atol=1e-6)
        assert found.after[row].item() == pytest.approx(lowest, rel=1e-6)
        assert found.found[row] and not found.stuck[row]


def test_a_step_takes_from_the_top_and_gives_to_the_rest():
    # a(x) = x², so the two largest of five values go down and the others up, as far as the radius lets them.
    image = torch.tensor([0.1, 0.9, 0.3, 0.2, 0.8]).view(1, 1, 1, 5)
    found = top_k(Linear([[0.0] * 5], [0.0]), torch.square, image, radius=9.0, steps=1, step=0.05, share=0.4)
    assert found.images.flatten().tolist() == pytest.approx([0.15, 0.85, 0.35, 0.25, 0.75])
    assert found.before.item() == pytest.approx(1.45 / 1.59)
    assert found.after.item() == pytest.approx((0.85**2 + 0.75**2) / (0.85**2 + 0.75**2 + 0.15**2 + 0.35**2 + 0.25**2))
    near = top_k(Linear([[0.0] * 5], [0.0]), torch.square, image, radius=0.05, steps=1, step=0.05, share=0.4)
    assert near.images.flatten().tolist() == pytest.approx(
        [value + sign * 0.05 / 5**0.5 for value, sign in zip((0.1, 0.9, 0.3, 0.2, 0.8), (1, -1, 1, 1, -1), strict=True)]
    )


@pytest.mark.parametrize("radius", [0.1, 1.0, 3.0])
def test_images_stay_in_the_ball_and_keep_their_class_and_mass_falls(radius):
    found, images, _ = smooth_attack(12, radius=radius, step=0.3 * radius)
    victim = smooth()
    assert (found.images - images).flatten(1).norm(dim=1).max() <= radius * (1 + 1e-6)
    assert torch.equal(victim(found.images).argmax(1), victim(images).argmax(1))
    assert (found.after <= found.before).all() and torch.equal(found.found, found.after < found.before)
    assert torch.equal(found.images[~found.found], images[~found.found])
    assert found.found.any()


def test_larger_balls_take_more():
    masses = [
        smooth_attack(12, radius=radius, step=radius / 30, steps=10)[0].after.mean() for radius in (0.1, 0.5, 2.0)
    ]
    assert masses[0] > masses[1] > masses[2]


def test_no_step_that_keeps_the_class_means_the_image_itself():
    # The class hangs on the largest value, which every step lowers.
    victim = Linear([[1.0, 0.0], [0.0, 0.0]], [-0.9, 0.0])
    image = torch.tensor([0.9001, 0.5]).view(1, 1, 1, 2)
    found = top_k(victim, torch.square, image, radius=1.0, steps=5, step=0.01, share=0.5)
    assert torch.equal(found.images, image) and torch.equal(found.after, found.before)
    assert not found.found and not found.stuck


def test_relu_networks_say_that_they_are_stuck():
    victim, (images, labels) = network(), attacked()
    found = top_k(victim, gradients(victim, labels), images, **SMALL)
    assert found.stuck.all() and not found.found.any()
    assert torch.equal(found.images, images) and torch.equal(found.after, found.before)


def test_softplus_moves_them_and_the_network_itself_judges():
    victim, (images, labels) = network(), attacked()
    before, copy = state(victim), images.clone()
    found = top_k(victim, gradients(victim, labels), images, softplus=20.0, **SMALL)
    assert not found.stuck.any() and found.found.float().mean() > 0.8
    assert torch.equal(victim(found.images).argmax(1), victim(images).argmax(1))
    # before and after are masses of the ReLU network's own gradients.
    for row in range(3):
        image = images[row].clone().requires_grad_()
        sizes = torch.autograd.grad(victim(image[None])[0, labels[row]], image)[0].flatten().abs().tolist()
        chosen = sorted(range(len(sizes)), key=lambda entry: -sizes[entry])
        top = chosen[: int(0.4 * sum(size > 0 for size in sizes))]
        for point, value in ((images[row], found.before[row]), (found.images[row], found.after[row])):
            assert value.item() == pytest.approx(
                mass(victim, point.clone().requires_grad_(), labels[row], top).item(), rel=1e-4
            )
    assert same_state(victim, before) and torch.equal(images, copy)
    assert not images.requires_grad and not found.images.requires_grad


def test_attributions_with_a_first_derivative_need_no_softplus():
    victim, (images, labels) = network(), attacked()
    found = top_k(victim, lambda x: input_x_gradient(victim, x, labels, create_graph=True), images, **SMALL)
    assert not found.stuck.any() and found.found.any()


@pytest.mark.parametrize("frozen", [False, True])
def test_networks_whose_gradient_is_constant_are_stuck(frozen):
    victim = Linear([[1.0, -2.0], [0.5, 0.2]], [0.0, 0.0]).requires_grad_(not frozen)
    images, labels = torch.rand(2, 1, 1, 2), torch.tensor([0, 1])
    found = top_k(victim, gradients(victim, labels), images, softplus=10.0, radius=1.0, steps=2, step=0.1, share=0.5)
    assert found.stuck.all() and torch.equal(found.images, images)


def test_bad_maps_harm_no_other():
    victim = Linear([[0.0] * 4], [0.0])
    image = torch.tensor([0.1, 0.9, 0.3, 0.2]).view(1, 1, 2, 2)
    images = torch.cat([image, torch.zeros_like(image), torch.full_like(image, torch.nan), image])
    found = top_k(victim, torch.square, images, radius=1.0, steps=3, step=0.01, share=0.5)
    alone = top_k(victim, torch.square, image, radius=1.0, steps=3, step=0.01, share=0.5)
    assert found.stuck.tolist() == [False, True, True, False] and found.found.tolist() == [True, False, False, True]
    assert found.before[1:3].isnan().all() and found.after[1:3].isnan().all()
    assert torch.equal(found.images[1], images[1]) and found.images[2].isnan().all()
    for row in (0, 3):
        assert torch.equal(found.images[row], alone.images[0])


def test_maps_with_too_few_entries_have_no_top():
    image = torch.tensor([0.0, 0.9, 0.0, 0.2]).view(1, 1, 2, 2)
    found = top_k(Linear([[0.0] * 4], [0.0]), torch.square, image, radius=1.0, steps=2, step=0.01, share=0.4)
    assert found.stuck.all() and torch.equal(found.images, image)


def test_batch_does_not_matter():
    together, images, labels = smooth_attack(4)
    victim = smooth()
    for row in range(4):
        one = slice(row, row + 1)
        alone = top_k(victim, gradients(victim, labels[one]), images[one], **SMALL)
        assert torch.allclose(together.images[one], alone.images, atol=1e-9)


def test_values_leave_the_range_unless_they_are_clipped():
    free, _, _ = smooth_attack(radius=4.0, step=0.1)
    clipped, images, _ = smooth_attack(radius=4.0, step=0.1, clip=True)
    assert free.images.min() < 0 and free.images.max() > 1
    assert clipped.images.min() >= 0 and clipped.images.max() <= 1 and clipped.found.any()
    assert (clipped.images - images).flatten(1).norm(dim=1).max() <= 4.0 * (1 + 1e-6)


WAYS = {
    "module": nn.ReLU(),
    "in place": nn.ReLU(inplace=True),
    "function": functional.relu,
    "imported by name": relu,
    "keyword": lambda x: relu(input=x),
    "torch": torch.relu,
    "torch keyword": lambda x: torch.relu(input=x),
    "method": Tensor.relu,
    "within a module": nn.Sequential(nn.Identity(), nn.ReLU()),
}


@pytest.mark.parametrize("way", WAYS)
def test_relu_is_softplus_within_the_block_alone(way):
    values = torch.linspace(-2, 2, 9, dtype=torch.float64)
    with Softened(3.0):
        found = WAYS[way](values.clone())
        assert torch.equal(functional.leaky_relu(values), torch.where(values > 0, values, 0.01 * values))
    assert torch.allclose(found, torch.log(1 + torch.exp(3 * values)) / 3)
    assert torch.equal(WAYS[way](values.clone()), values.clamp_min(0))


def test_relu_comes_back_after_an_error():
    with pytest.raises(ZeroDivisionError), Softened(3.0):
        _ = 1 / 0
    assert relu(torch.tensor(-1.0)) == 0


def test_softened_networks_approach_the_network():
    victim, (images, _) = network(), attacked()
    distances = []
    for beta in (10.0, 100.0, 1000.0):
        with torch.no_grad(), Softened(beta):
            softened = victim(images)
        distances.append((softened - victim(images)).abs().max().item())
    assert distances[0] > distances[1] > distances[2] > 0
