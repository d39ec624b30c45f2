"""Blocks of one linear layer each, with ReLU behind all but the last: `Blocks` without autograd.

    p_t = Z_{t-1} W_tᵀ + b_t,    f_t = max(p_t, 0) for t < T,    f_T = p_T               (admm.md section 3.2)

With Z given no block waits for another, so that equal ones run as one batched product (section 7). All weights and
biases lie in one vector, of which those of the network are views: a step of the optimiser is one operation.
"""

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from pipeline.splitting.blocks import Blocks, Normalise

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Values of variables in a pass: enough that products are fast, few enough that they stay in the cache.
CHUNK = 1 << 17


class Group(NamedTuple):
    """Consecutive blocks of one shape: G×out×in weights, their gradients, and the places of what goes in and out.

    `inputs` and `outputs` are columns of all values; the first block, whose input is the image, has no `inputs`.
    """

    weight: Tensor
    gradient: Tensor
    inputs: slice | None
    outputs: slice


class LinearBlocks(Blocks):
    """`layers` are the linear layers of `modules`, `entrance` is what comes before the first."""

    def __init__(self, modules: list[nn.Module], example: Tensor, entrance: nn.Module, layers: list[nn.Linear]) -> None:
        super().__init__(modules, example, 0)
        self.chunk = max(1, CHUNK // self.width)
        self._entrance, self._layers = entrance, layers
        self._hidden = slice(0, self.columns[-1].start)
        tensors = [layer.weight for layer in layers] + [layer.bias for layer in layers]
        self._vector = nn.Parameter(torch.cat([tensor.detach().flatten() for tensor in tensors]))
        self._vector.grad = torch.zeros_like(self._vector)
        start = 0
        for tensor in tensors:
            tensor.data = self._vector.data[start : start + tensor.numel()].view_as(tensor)
            start += tensor.numel()
        self._bias, self._bias_gradient = (whole[-self.width :] for whole in (self._vector.data, self._vector.grad))
        self._groups = list(self._grouped())

    def _grouped(self) -> "Iterator[Group]":
        # The first block has another input and the last one no ReLU: both stay by themselves.
        last = len(self) - 1
        kinds = [(t == 0, t == last, layer.weight.shape) for t, layer in enumerate(self._layers)]
        start = 0
        for (is_first, _, shape), alike in groupby(range(len(self)), kinds.__getitem__):
            blocks = list(alike)
            places = slice(start, start + len(blocks) * shape.numel())
            weight, gradient = (whole[places].view(-1, *shape) for whole in (self._vector.data, self._vector.grad))
            inputs = None if is_first else slice(self.columns[blocks[0] - 1].start, self.columns[blocks[-1] - 1].stop)
            yield Group(weight, gradient, inputs, slice(self.columns[blocks[0]].start, self.columns[blocks[-1]].stop))
            start = places.stop

    def chunks(self, count: int) -> "Iterator[slice]":
        """All of `count` rows in passes of neighbours."""
        return (slice(start, start + self.chunk) for start in range(0, count, self.chunk))

    def parameters(self) -> list[nn.Parameter]:
        """One vector of all weights and biases."""
        return [self._vector]

    @torch.no_grad()
    def outputs(self, images: Tensor, values: Tensor | None, *, again: bool = False, count: bool = False) -> Tensor:
        """As in `Blocks`."""
        pixels = self._entrance(images)
        outputs = pixels.new_empty(len(images), self.width)
        if values is None:
            below = pixels
            for at, layer in zip(self.columns, self._layers, strict=True):
                below = torch.addmm(layer.bias, below, layer.weight.t(), out=outputs[:, at])
                if layer is not self._layers[-1]:
                    below.relu_()
        else:
            for group in self._groups:
                if again and group.inputs is None:
                    outputs[:, group.outputs] = self._outputs[:, group.outputs]
                else:
                    self._pass(group, pixels, values, outputs)
            outputs[:, self._hidden].relu_()
        self._pixels, self._values, self._outputs = pixels, outputs if values is None else values, outputs
        return outputs

    def _pass(self, group: Group, pixels: Tensor, values: Tensor, outputs: Tensor) -> None:
        """Put what the blocks of a group give before their ReLU into their columns of `outputs`."""
        weight, bias, out = group.weight, self._bias[group.outputs], outputs[:, group.outputs]
        inputs = pixels if group.inputs is None else values[:, group.inputs]
        if len(weight) == 1:
            torch.addmm(bias, inputs, weight[0].t(), out=out)
        else:
            count = len(weight)
            inputs, out = side_by_side(inputs, count), side_by_side(out, count)
            torch.baddbmm(bias.view(count, 1, -1), inputs, weight.transpose(1, 2), out=out)

    @torch.no_grad()
    def pull(self, t: int, signals: Tensor) -> Tensor:
        """As in `Blocks`."""
        if t < len(self) - 1:
            signals = through_relu(signals, self._outputs[:, self.columns[t]])
        return signals @ self._layers[t].weight

    @torch.no_grad()
    def set_gradients(self, signals: Tensor, weight: float = 1.0) -> None:
        """As in `Blocks`."""
        hidden = through_relu(signals[:, self._hidden], self._outputs[:, self._hidden])
        scale = -weight / len(signals)
        for group in self._groups:
            is_last = group.outputs.stop == self.width
            along = signals[:, group.outputs] if is_last else hidden[:, group.outputs]
            inputs, gradient = self._pixels if group.inputs is None else self._values[:, group.inputs], group.gradient
            if len(gradient) == 1:
                torch.addmm(gradient[0], along.t(), inputs, beta=0, alpha=scale, out=gradient[0])
            else:
                turned = side_by_side(along, len(gradient)).transpose(1, 2)
                torch.baddbmm(gradient, turned, side_by_side(inputs, len(gradient)), beta=0, alpha=scale, out=gradient)
            torch.sum(along, 0, out=self._bias_gradient[group.outputs])
        self._bias_gradient.mul_(scale)

    def spectral_norms(self) -> list[float]:
        """Largest singular value of each block's matrix."""
        return [norm for group in self._groups for norm in torch.linalg.matrix_norm(group.weight, 2).tolist()]


def side_by_side(values: Tensor, count: int) -> Tensor:
    """The `count` equally wide blocks of columns of a matrix n×(G·d) as a stack of matrices G×n×d, without a copy."""
    return values.view(len(values), count, -1).transpose(0, 1)


def through_relu(signals: Tensor, outputs: Tensor) -> Tensor:
    """`signals` where the `outputs` of a ReLU, of the same shape, are above 0, else 0."""
    return torch.ops.aten.threshold_backward(signals, outputs, 0)


def split(modules: list[nn.Module]) -> tuple[nn.Module, list[nn.Linear]] | None:
    """Entrance and linear layers of `modules`; None unless each is one linear layer with bias and, but for the last, a
    ReLU. Before the first layer there may be normalisation, which is left out where it does nothing, and `nn.Flatten`.
    """
    layers, entrance = [], []
    for t, module in enumerate(modules):
        inside = list(module)
        while t == 0 and inside and isinstance(inside[0], Normalise | nn.Flatten):
            entrance.append(inside.pop(0))
        expected = [nn.Linear] if t == len(modules) - 1 else [nn.Linear, nn.ReLU]
        if [type(layer) for layer in inside] != expected or inside[0].bias is None:
            return None
        layers.append(inside[0])
    kept = [layer for layer in entrance if not (isinstance(layer, Normalise) and layer.does_nothing)]
    return nn.Sequential(*kept), layers
