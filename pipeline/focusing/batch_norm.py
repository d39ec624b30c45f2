"""Batch normalisation whose second derivative is quick, for penalties on gradients (reff.md section 3.1).

PyTorch puts that derivative together from dozens of passes over the maps; here it is five sums a channel and two
linear combinations. With x̂ = (x − μ) s, s = (v + ε)^(−1/2) over the n values x of a channel, and f = γ s, the gradient
g of the outputs goes on as

    ∂x = f (g − mean g − x̂ mean(g x̂)),    ∂γ = Σ g x̂,    ∂β = Σ g

which are differentiated once more, along p, q and r in place of ∂x, ∂γ and ∂β, where μ and s depend on x.
"""

import torch
from torch import Tensor, nn


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation of maps B×K×h×w."""

    def forward(self, maps: Tensor) -> Tensor:
        if not self.training:
            return super().forward(maps)
        self.num_batches_tracked += 1
        running = (self.running_mean, self.running_var, self.momentum, self.eps)
        return Normalised.apply(maps, self.weight, self.bias, *running)


class Normalised(torch.autograd.Function):
    """γ x̂ + β, by PyTorch's own kernels, as is the first derivative."""

    @staticmethod
    def forward(
        context: object, maps: Tensor, weight: Tensor, bias: Tensor,
        running_mean: Tensor, running_var: Tensor, momentum: float, eps: float,
    ) -> Tensor:  # fmt: skip
        running = (running_mean, running_var, True, momentum, eps)
        outputs, mean, scale = torch.native_batch_norm(maps, weight, bias, *running)
        context.save_for_backward(maps, weight, mean, scale)
        context.eps = eps
        return outputs

    @staticmethod
    def backward(context: object, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return *Gradients.apply(gradient, *context.saved_tensors, context.eps), None, None, None, None


class Gradients(torch.autograd.Function):
    """∂x, ∂γ and ∂β."""

    @staticmethod
    def forward(
        context: object, gradient: Tensor, maps: Tensor, weight: Tensor, mean: Tensor, scale: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        context.save_for_backward(gradient, maps, weight, mean, scale)
        kept = (None, None, mean, scale, True, eps, [True, True, True])
        return torch.ops.aten.native_batch_norm_backward(gradient, maps, weight, *kept)

    @staticmethod
    def backward(context: object, p: Tensor, q: Tensor, r: Tensor) -> tuple[Tensor | None, ...]:
        gradient, maps, weight, mean, s = context.saved_tensors
        g, p, x = (values.to(mean.dtype) for values in (gradient, p, maps))
        x = (x - mean[:, None, None]).mul_(s[:, None, None])
        n, f = x[:, 0].numel(), weight * s
        p_mean, g_mean = _sum(p) / n, _sum(g) / n
        px_mean, gx_mean = _sum(p * x) / n, _sum(g * x) / n
        # Σ p ∂x / f, in which s is changed by x, too.
        along = _sum(p * g) - n * (p_mean * g_mean + px_mean * gx_mean)
        by_p, by_g = -f * gx_mean, q - f * px_mean
        to_gradient = _combined((p, f), (x, by_g), r - f * p_mean)
        # x̂ gets by_p p + by_g g, of which the mean and the part along x̂ stay behind in μ and s.
        constant = by_p * p_mean + by_g * g_mean
        part = by_p * px_mean + by_g * gx_mean
        to_maps = _combined((p, s * by_p), (g, s * by_g), (x, -s * (part + f * along / n)), -s * constant)
        return to_gradient.to(gradient.dtype), to_maps.to(maps.dtype), s * along, None, None, None


def _sum(values: Tensor) -> Tensor:
    return values.sum((0, 2, 3))


def _combined(*terms: tuple[Tensor, Tensor] | Tensor) -> Tensor:
    """Sum of maps B×K×h×w times factors K, and of the constants K that come last."""
    (maps, factors), *others, constants = terms
    total = (maps * factors[:, None, None]).add_(constants[:, None, None])
    for maps, factors in others:
        total.addcmul_(maps, factors[:, None, None])
    return total
