"""Sparse MoreauGrad: the gradient of a smoothed logit under a penalty that makes it sparse.

Paper: Zhang and Farnia 2023, MoreauGrad: sparse and robust interpretation of neural networks via Moreau envelope; the
recipe is that of their code (normat.md section 7). The Moreau envelope of the logit f under Gaussian noise n is
M(x) = min_δ E f(x + n + δ) + ‖δ‖²/(2λ). Its gradient is −δ*/λ at the minimiser δ*, which equals E ∇f(x + n + δ*): δ* is
the way that lowers the logit most cheaply, the attribution the way back. Added to what is minimised is the penalty
η‖δ‖₁, or η Σ_j ‖δ_j‖₂ over groups j, patches with all their channels. Proximal gradient from δ = 0, with fresh noise at
every step: δ ← S(δ − step · (mean_n ∇f(x + n + δ) + δ/λ)), where S lowers the magnitude of entries or groups by
step · η, to 0 at least; δ* is the mean of the last iterates. Of a linear logit w·x the result is w with magnitudes
lowered by η, for every λ.

The authors show |δ*| and take λ = 1; here it is −δ*/λ, a gradient for every λ. Their code averages 101 iterates where
100 are meant. Step, λ and η are theirs, for standardised images: δ is `unit` times as long in pixels. With step ≥ 2λ
the iteration does not converge. Groups at an edge are smaller if `patch` does not divide the image's side.

Range: that of the input gradient. Sign: as the input gradient, of the envelope. Resolution: the image's, its zeros in
whole patches for groups. Cost: `steps` × `draws` forward and backward passes an image.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, softshrink

from pipeline.explainers.channels import one_map
from pipeline.explainers.input_gradient import input_gradient
from pipeline.explainers.smooth_grad import noisy_copies
from pipeline.training.streams import stream

if TYPE_CHECKING:
    from pipeline.settings.explainers import SparseMoreauGrad


def explain(network: nn.Module, images: Tensor, targets: Tensor, settings: "SparseMoreauGrad") -> Tensor:
    """Maps B×H×W of `attribute`, its channels put together by `one_map`."""
    return one_map(attribute(network, images, targets, settings), settings.channels)


def attribute(
    network: nn.Module, images: Tensor, targets: Tensor, settings: "SparseMoreauGrad", *, create_graph: bool = False
) -> Tensor:
    """`sparse_moreau_grad` with these settings; the unit of δ is the buffer `std`, or 1."""
    return sparse_moreau_grad(
        network,
        images,
        targets,
        noise=settings.noise,
        draws=settings.draws,
        steps=settings.steps,
        average=settings.average,
        step=settings.step,
        smoothing=settings.smoothing,
        sparsity=settings.sparsity,
        patch=settings.patch,
        unit=getattr(network, "std", 1.0),
        generator=stream(0, "explain", "sparse_moreau_grad"),
        create_graph=create_graph,
    )


def sparse_moreau_grad(
    network: nn.Module,
    images: Tensor,
    targets: Tensor,
    *,
    noise: float,
    draws: int,
    steps: int,
    average: int,
    step: float,
    smoothing: float,
    sparsity: float,
    generator: torch.Generator,
    patch: int | None = None,
    unit: Tensor | float = 1.0,
    create_graph: bool = False,
) -> Tensor:
    """−δ*/λ as B×C×H×W in logits per pixel unit; `noise`, `draws` and `generator` as in `noisy_copies`.

    `average` iterates are averaged, λ is `smoothing`, η `sparsity`, `patch` the side of groups (None: single entries),
    and `unit`, which broadcasts to the images, the length in pixels of 1 in δ. With `create_graph` (as in
    `input_gradient`) the graphs of all steps and draws are in memory: the result is then differentiable as it was
    computed, through every step.
    """
    delta, total = torch.zeros_like(images), torch.zeros_like(images)
    for number in range(steps):
        slope = torch.zeros_like(images)
        for copies in noisy_copies(images, noise, draws, generator):
            slope += input_gradient(network, copies + unit * delta, targets, create_graph=create_graph)
        delta = delta - step * (unit * slope / draws + delta / smoothing)
        delta = group_softshrink(delta, step * sparsity, patch) if patch else softshrink(delta, step * sparsity)
        if number >= steps - average:
            total += delta
    return -total / (average * smoothing * unit)


def group_softshrink(values: Tensor, threshold: float, patch: int) -> Tensor:
    """Values B×C×H×W with the Euclidean norm of each patch × patch × C group lowered by `threshold`, to 0 at least."""
    height, width = values.shape[2:]
    squares = avg_pool2d(values.square().sum(1, keepdim=True), patch, ceil_mode=True, divisor_override=1)
    # A root has no derivative at 0.
    norms = squares.clamp_min(torch.finfo(values.dtype).tiny).sqrt()
    factors = (1 - threshold / norms).clamp_min(0)
    factors = factors.repeat_interleave(patch, 2).repeat_interleave(patch, 3)
    return values * factors[:, :, :height, :width]
