"""Sparse MoreauGrad: the literal loop, closed forms of linear and quadratic logits, groups, and the Moreau envelope."""

import pytest
import torch
from gradient_toys import TARGETS, generator, linear, resnet, slope, smooth, trained
from torch import Tensor, nn
from torch.nn.functional import softshrink

from pipeline.explainers.sparse_moreau_grad import explain, group_softshrink, sparse_moreau_grad
from pipeline.settings.explainers import SparseMoreauGrad
from pipeline.training.streams import stream

UNIT = torch.tensor([0.2, 0.5], dtype=torch.float64).view(1, 2, 1, 1)
#: Enough steps to converge, and without noise where nothing else is said.
CONVERGED = {"noise": 0.0, "draws": 1, "steps": 300, "average": 100, "step": 0.1, "smoothing": 1.0}


def literal_groups(values: Tensor, threshold: float, patch: int) -> Tensor:
    """Group by group, C×H×W."""
    lowered = torch.zeros_like(values)
    for top in range(0, values.shape[1], patch):
        for left in range(0, values.shape[2], patch):
            group = values[:, top : top + patch, left : left + patch]
            norm = group.square().sum().sqrt().item()
            if norm > threshold:
                lowered[:, top : top + patch, left : left + patch] = group * (1 - threshold / norm)
    return lowered


def literal_entries(values: Tensor, threshold: float) -> Tensor:
    lowered = [
        (abs(v) - threshold) * (1 if v > 0 else -1) if abs(v) > threshold else 0.0 for v in values.flatten().tolist()
    ]
    return torch.tensor(lowered, dtype=values.dtype).view_as(values)


def literal(network: nn.Module, image: Tensor, target: Tensor, patch: int | None) -> Tensor:
    """One image with noise 0.1, 3 draws, 7 steps of 0.2 of which 4 are averaged, λ = 2, η = 0.1; the authors' loop."""
    source, delta, last = generator(), torch.zeros_like(image), []
    sigma, unit = 0.1 * (image.max() - image.min()), UNIT[0].to(image.dtype)
    for _ in range(7):
        gradient = torch.zeros_like(image)
        for _ in range(3):
            noise = sigma * torch.randn(1, *image.shape, generator=source, dtype=image.dtype)[0]
            # By the chain rule, a step of 1 in δ moves a pixel by its unit.
            gradient += unit * slope(network, image + noise + unit * delta, target) / 3
        delta = delta - 0.2 * (gradient + delta / 2)
        delta = literal_groups(delta, 0.02, patch) if patch else literal_entries(delta, 0.02)
        last.append(delta)
    return -sum(last[-4:]) / 4 / 2 / unit


@pytest.mark.parametrize("make", [smooth, resnet])
@pytest.mark.parametrize("patch", [None, 3, 4])
def test_attributions_are_the_literal_loop(make, patch):
    network, images = trained(make)
    found = sparse_moreau_grad(
        network,
        images,
        TARGETS,
        noise=0.1,
        draws=3,
        steps=7,
        average=4,
        step=0.2,
        smoothing=2.0,
        sparsity=0.1,
        patch=patch,
        unit=UNIT.to(images.dtype),
        generator=generator(),
    )
    expected = [literal(network, image, target, patch) for image, target in zip(images, TARGETS, strict=True)]
    assert torch.allclose(found, torch.stack(expected), rtol=1e-3, atol=1e-5)
    assert found.std() > 0


@pytest.mark.parametrize(("smoothing", "noise"), [(1.0, 0.0), (0.5, 0.3), (1.5, 0.3)])
def test_linear_logit_loses_the_threshold(smoothing, noise):
    network, weights = linear()
    images = torch.rand(5, 2, 6, 6, dtype=torch.float64)
    options = CONVERGED | {"smoothing": smoothing, "noise": noise, "sparsity": 0.05}
    found = sparse_moreau_grad(network, images, TARGETS, **options, generator=generator())
    expected = softshrink(weights, 0.05)[TARGETS]
    assert torch.allclose(found, expected, atol=1e-5)
    assert 0 < expected.count_nonzero() < expected.numel()
    assert (found[expected == 0] == 0).all()


def test_threshold_of_a_linear_logit_is_in_units():
    network, weights = linear()
    images = torch.rand(5, 2, 6, 6, dtype=torch.float64)
    found = sparse_moreau_grad(network, images, TARGETS, **CONVERGED, sparsity=0.02, unit=UNIT, generator=generator())
    assert torch.allclose(found, (softshrink(UNIT * weights, 0.02) / UNIT)[TARGETS], atol=1e-5)


def test_unit_is_that_of_a_network_on_standardised_images():
    network, images = trained(smooth)
    inside = {"noise": 0.0, "draws": 1, "steps": 20, "average": 5, "step": 0.1, "smoothing": 1.0, "sparsity": 0.05}
    standardised = sparse_moreau_grad(network, images / UNIT, TARGETS, **inside, generator=generator())
    pixels = sparse_moreau_grad(
        lambda x: network(x / UNIT), images, TARGETS, **inside, unit=UNIT, generator=generator()
    )
    assert torch.allclose(pixels, standardised / UNIT)
    assert 0 < standardised.count_nonzero() < standardised.numel()


@pytest.mark.parametrize("patch", [1, 2, 4, 6, 8])
def test_groups_of_a_linear_logit_lose_the_threshold_of_their_norm(patch):
    network, weights = linear()
    images = torch.rand(5, 2, 6, 6, dtype=torch.float64)
    threshold = 0.07 * patch
    found = sparse_moreau_grad(
        network, images, TARGETS, **CONVERGED, sparsity=threshold, patch=patch, generator=generator()
    )
    expected = torch.stack([literal_groups(weights[target], threshold, patch) for target in TARGETS])
    assert torch.allclose(found, expected, atol=1e-5)
    assert expected.count_nonzero() > 0


@pytest.mark.parametrize("smoothing", [0.5, 2.0])
def test_without_penalty_it_is_the_gradient_of_the_moreau_envelope(smoothing):
    """For f(x) = w·x + ½‖x‖² the envelope is known; its derivative is taken by autograd."""
    weights = torch.linspace(-1, 1, 72, dtype=torch.float64)

    class Bowl(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            flat = images.flatten(1)
            return (flat @ weights + flat.square().sum(1) / 2)[:, None].expand(-1, 3)

    images = torch.rand(2, 2, 6, 6, dtype=torch.float64)
    x = images.clone().requires_grad_()
    # The minimiser of f(x + δ) + ‖δ‖²/(2λ) solves w + x + δ + δ/λ = 0.
    delta = -smoothing / (1 + smoothing) * (weights.view(2, 6, 6) + x)
    envelope = Bowl()(x + delta)[:, 0] + delta.square().sum((1, 2, 3)) / (2 * smoothing)
    expected = torch.autograd.grad(envelope.sum(), x)[0]
    options = CONVERGED | {"smoothing": smoothing, "sparsity": 0.0}
    found = sparse_moreau_grad(Bowl(), images, TARGETS[:2], **options, generator=generator())
    assert torch.allclose(found, expected, atol=1e-6)


def test_gradient_at_the_minimiser_is_the_attribution():
    network, images = trained(smooth)
    options = CONVERGED | {"step": 0.02, "smoothing": 0.05, "sparsity": 0.0}
    found = sparse_moreau_grad(network, images, TARGETS, **options, generator=generator())
    for attributions, image, target in zip(found, images, TARGETS, strict=True):
        assert torch.allclose(slope(network, image - 0.05 * attributions, target), attributions, atol=1e-6)


def test_more_penalty_leaves_fewer_entries():
    network, images = trained(smooth)
    left = [
        sparse_moreau_grad(network, images, TARGETS, **CONVERGED, sparsity=eta, generator=generator()).count_nonzero()
        for eta in (0.0, 0.05, 0.2, 1e3)
    ]
    assert left[0] == images.numel() and left[0] > left[1] > left[2] > left[3] == 0


def test_groups_are_lowered_whole_and_nan_stays_in_its_group():
    values = torch.randn(2, 3, 5, 7, dtype=torch.float64, generator=generator())
    expected = torch.stack([literal_groups(item, 2.5, 2) for item in values])
    assert torch.allclose(group_softshrink(values, 2.5, 2), expected)
    assert 0 < expected.count_nonzero() < expected.numel()
    values[1, 0, 4, 6] = torch.nan
    found = group_softshrink(values, 2.5, 2)
    assert found[1, :, 4:, 6:].isnan().all()
    found[1, :, 4:, 6:] = expected[1, :, 4:, 6:]
    assert torch.allclose(found, expected)


def test_zero_groups_have_a_derivative():
    values = torch.zeros(1, 2, 4, 4, requires_grad=True)
    group_softshrink(values, 0.0, 2).sum().backward()
    assert values.grad.isfinite().all()


def test_stage_draws_from_the_stream_of_its_name_in_units_of_the_network():
    network, images = trained(resnet)
    options = {
        "noise": 0.1,
        "draws": 2,
        "steps": 3,
        "average": 2,
        "step": 0.1,
        "smoothing": 1.0,
        "sparsity": 0.01,
        "patch": 2,
    }
    settings = SparseMoreauGrad(kind="sparse_moreau_grad", **options, channels="signed")
    expected = sparse_moreau_grad(
        network, images, TARGETS, **options, unit=network.std, generator=stream(0, "explain", "sparse_moreau_grad")
    )
    assert torch.equal(explain(network, images, TARGETS, settings), expected.sum(1))
