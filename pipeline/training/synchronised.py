"""Layers that see the whole batch, for networks whose images lie on several processes.

Batch normalisation has the mean and variance of all processes' images. torch.nn.SyncBatchNorm is for GPUs alone and has
no second derivative, which penalties on gradients need (reff.md section 3.1); here both come from sums over processes,
which can be differentiated as often as needed, on any device. With μ_p, v_p of process p's equal share:

    μ = 1/N Σ_p μ_p,    v = 1/N Σ_p (v_p + (μ_p − μ)²)

Dropout draws for the whole batch, so that no two processes drop the same.
"""

import torch
from torch import Tensor, distributed, nn

from pipeline.training.group import Group


def synchronise(network: nn.Module, group: Group) -> None:
    """Let batch normalisation and dropout of `network` act on the batch of all processes; keeps weights and names."""
    for layer in network.modules():
        for plain, shared in ((nn.BatchNorm2d, BatchNorm), (nn.Dropout, Dropout)):
            # The same layer with another forward pass: who holds the layer or its weights need not know.
            if type(layer) is plain:
                layer.__class__ = shared
                layer.group = group


class Total(torch.autograd.Function):
    """Σ_p of the processes' tensors. It is its own adjoint: the gradient of a sum is the sum of the gradients."""

    @staticmethod
    def forward(context: object, values: Tensor) -> Tensor:
        total = values.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(context: object, gradient: Tensor) -> Tensor:
        return Total.apply(gradient)


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation of maps b×K×h×w by the statistics of all processes' maps."""

    group: Group

    def forward(self, maps: Tensor) -> Tensor:
        if not self.training:
            return super().forward(maps)
        variances, means = torch.var_mean(maps.float(), (0, 2, 3), correction=0)
        mean = Total.apply(means) / self.group.size
        variance = Total.apply(variances + (means - mean).square()) / self.group.size
        with torch.no_grad():
            count = self.group.size * maps[:, 0].numel()
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
            self.num_batches_tracked += 1
        scale = self.weight * (variance + self.eps).rsqrt()
        shift = self.bias - mean * scale
        return (maps * scale[:, None, None] + shift[:, None, None]).to(maps.dtype)


class Dropout(nn.Dropout):
    """Dropout of this process's rows as drawn for the whole batch, from torch's global generator."""

    group: Group

    def forward(self, values: Tensor) -> Tensor:
        if not self.training:
            return values
        count = self.group.size * len(values)
        kept = values.new_empty(count, *values.shape[1:]).bernoulli_(1 - self.p)
        return values * kept[self.group.share(count)].div_(1 - self.p)
