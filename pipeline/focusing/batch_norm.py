"""Batch normalisation whose second derivative is quick, for penalties on gradients (reff.md section 3.1).

PyTorch puts that derivative together from dozens of passes over the maps; here it is the first derivative once more, a
sum a channel and a linear combination. With x̂ = (x − μ) s, s = (v + ε)^(−1/2) over the n values x of a channel, and
f = γ s, the gradient g of the outputs goes on as

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
        to_maps, to_weight, to_bias = _gradients(gradient, maps, weight, mean, scale, eps)
        context.save_for_backward(gradient, maps, weight, mean, scale, to_weight, to_bias)
        context.eps = eps
        context.set_materialize_grads(False)
        return to_maps, to_weight, to_bias

    @staticmethod
    def backward(context: object, p: Tensor | None, q: Tensor | None, r: Tensor | None) -> tuple[Tensor | None, ...]:
        gradient, maps, weight, mean, s, gx, g_sum = context.saved_tensors
        p = torch.zeros_like(maps) if p is None else p
        # ∂x is linear in g and symmetric: along p it goes on to g as p does to x.
        to_gradient, px, p_sum = _gradients(p, maps, weight, mean, s, context.eps)
        n, f = maps[:, 0].numel(), weight * s
        g_mean, gx_mean, p_mean, px_mean = g_sum / n, gx / n, p_sum / n, px / n
        g, p, centred = gradient.to(mean.dtype), p.to(mean.dtype), maps - mean[:, None, None]
        # Σ p ∂x / f, in which s is changed by x, too.
        along = (p * g).sum((0, 2, 3)) - n * (p_mean * g_mean + px_mean * gx_mean)
        by_p, by_g = -f * gx_mean, -f * px_mean
        if q is not None:
            to_gradient, by_g = to_gradient + centred * (q * s)[:, None, None], by_g + q
        if r is not None:
            to_gradient = to_gradient + r[:, None, None]
        # x̂ gets by_p p + by_g g, of which the mean and the part along x̂ stay behind in μ and s.
        constant = by_p * p_mean + by_g * g_mean
        part = by_p * px_mean + by_g * gx_mean + f * along / n
        to_maps = (p * (s * by_p)[:, None, None]).sub_((s * constant)[:, None, None])
        for values, factors in ((g, s * by_g), (centred, -s * s * part)):
            to_maps.addcmul_(values, factors[:, None, None])
        return to_gradient.to(gradient.dtype), to_maps.to(maps.dtype), s * along, None, None, None


def _gradients(
    gradient: Tensor, maps: Tensor, weight: Tensor, mean: Tensor, scale: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    kept = (None, None, mean, scale, True, eps, [True, True, True])
    return torch.ops.aten.native_batch_norm_backward(gradient, maps, weight, *kept)
