"""Sparsified SmoothGrad: the literal loop, its range, limits of the shares, and gradients with few entries."""

import pytest
import torch
from gradient_toys import TARGETS, generator, linear, resnet, slope, smooth, trained
from torch import Tensor, nn

from pipeline.explainers.smooth_grad import noisy_copies
from pipeline.explainers.sparsified_smooth_grad import capped, explain, sparsified_smooth_grad
from pipeline.settings.explainers import SparsifiedSmoothGrad
from pipeline.training.streams import stream


def literal_copy(gradient: Tensor, keep: float, cap: float) -> Tensor:
    """The recipe on one gradient C×H×W with loops."""
    sizes = gradient.abs().flatten().tolist()
    ranked = sorted(sizes, reverse=True)
    stay, top = (max(1, int(share * len(sizes))) for share in (keep, cap))
    values = []
    for place, size in enumerate(sizes):
        before = sum(other > size or (other == size and index < place) for index, other in enumerate(sizes))
        if before >= stay or size == 0:
            values.append(0.0)
        else:
            values.append(1.0 if size >= ranked[top - 1] else size / ranked[top - 1])
    return torch.tensor(values, dtype=gradient.dtype).view_as(gradient)


def literal(network: nn.Module, images: Tensor, draws: int, keep: float, cap: float) -> Tensor:
    total = torch.zeros_like(images)
    for copies in noisy_copies(images, 0.1, draws, generator()):
        for row, (copy, target) in enumerate(zip(copies, TARGETS, strict=True)):
            total[row] += literal_copy(slope(network, copy, target), keep, cap)
    return total / draws


@pytest.mark.parametrize("make", [smooth, resnet])
@pytest.mark.parametrize(("keep", "cap"), [(0.1, 0.05), (0.5, 0.01), (0.05, 0.3), (1.0, 1.0)])
def test_attributions_are_the_literal_loop(make, keep, cap):
    network, images = trained(make)
    found = sparsified_smooth_grad(
        network, images, TARGETS, noise=0.1, draws=4, keep=keep, cap=cap, generator=generator()
    )
    assert torch.allclose(found, literal(network, images, 4, keep, cap), rtol=1e-3, atol=1e-6)
    assert (found >= 0).all() and found.amax((1, 2, 3)).max() <= 1


def test_linear_logit_has_the_same_map_in_every_copy():
    network, weights = linear()
    images = torch.rand(5, 2, 6, 6, dtype=torch.float64)
    one, many = (
        sparsified_smooth_grad(network, images, TARGETS, noise=1.0, draws=n, keep=0.2, cap=0.1, generator=generator())
        for n in (1, 5)
    )
    assert torch.allclose(one, many)
    assert one[0].count_nonzero() == 14 and (one[0] == 1).sum() == 7
    assert torch.allclose(one[0], literal_copy(weights[TARGETS[0]], 0.2, 0.1))


def test_scale_of_the_logit_does_not_matter():
    network, images = trained(smooth)
    options = {"noise": 0.1, "draws": 3, "keep": 0.3, "cap": 0.05}
    expected = sparsified_smooth_grad(network, images, TARGETS, **options, generator=generator())
    scaled = sparsified_smooth_grad(lambda x: -1e6 * network(x), images, TARGETS, **options, generator=generator())
    assert torch.allclose(scaled, expected)


def test_few_gradients_count_as_one_and_none_as_zero():
    magnitudes = torch.zeros(3, 1, 4, 4)
    magnitudes[1, 0, 0, 0], magnitudes[1, 0, 2, 1] = 1e-3, 1e30
    magnitudes[2] = 5
    expected = (magnitudes > 0).float()
    assert torch.equal(capped(magnitudes, 0.5), expected)


def test_few_gradients_have_a_derivative():
    magnitudes = torch.zeros(1, 1, 4, 4)
    magnitudes[0, 0, 1, 1] = 3
    magnitudes.requires_grad_()
    capped(magnitudes, 0.5).sum().backward()
    assert magnitudes.grad.isfinite().all()


def test_nan_stays_in_its_item():
    magnitudes = torch.rand(2, 2, 3, 3, generator=generator())
    expected = capped(magnitudes, 0.2)
    magnitudes[0, 0, 0, 0] = torch.nan
    found = capped(magnitudes, 0.2)
    assert found[0].isnan().any() and torch.equal(found[1], expected[1])


def test_stage_draws_from_the_stream_of_its_name():
    network, images = trained(resnet)
    settings = SparsifiedSmoothGrad(kind="sparsified_smooth_grad", noise=0.2, draws=3, keep=0.3, cap=0.1)
    expected = sparsified_smooth_grad(
        network,
        images,
        TARGETS,
        noise=0.2,
        draws=3,
        keep=0.3,
        cap=0.1,
        generator=stream(0, "explain", "sparsified_smooth_grad"),
    )
    assert torch.equal(explain(network, images, TARGETS, settings), expected.sum(1))
