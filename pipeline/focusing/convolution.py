"""Convolution whose second derivative is quick, for penalties on gradients (reff.md section 3.1).

The gradient ∂x that a convolution y = w ∗ x hands on depends on the gradient g of its outputs and on w, and is linear
in both. Differentiated once more, along p in place of ∂x, it is a convolution and the gradient of one's weights:

    ∂g = w ∗ p,    ∂w = the gradient of the weights for inputs p and gradients g

PyTorch computes that ∂w as a convolution whose kernels are as large as the maps, which takes longer.
"""

import torch
from torch import Size, Tensor, nn
from torch.nn.functional import conv2d

#: Stride, padding, dilation and groups of a convolution.
Geometry = tuple[tuple[int, int], tuple[int, int], tuple[int, int], int]


class Convolution(nn.Conv2d):
    """Convolution of maps B×K×h×w, padded with zeros."""

    def forward(self, maps: Tensor) -> Tensor:
        weight, bias, device = self.weight, self.bias, maps.device.type
        if torch.is_autocast_enabled(device):
            dtype = torch.get_autocast_dtype(device)
            maps, weight, bias = (None if one is None else one.to(dtype) for one in (maps, weight, bias))
        geometry = (self.stride, self.padding, self.dilation, self.groups)
        # In a tuple maps count as no input of a function: gradients of theirs alone leave it out.
        parameters = Parameters.apply((maps,), weight, bias, geometry)
        return Convolved.apply(maps, weight, bias, parameters, geometry)


class Parameters(torch.autograd.Function):
    """Zeros in the shape of the outputs, whose gradient goes on to weight and bias.

    PyTorch leaves out the backward pass of a whole function or nothing of it: were this no function of its own,
    gradients of maps alone would cost those of weights, too.
    """

    @staticmethod
    def forward(
        context: object, inputs: tuple[Tensor], weight: Tensor, bias: Tensor | None, geometry: Geometry
    ) -> Tensor:
        (maps,) = inputs
        context.save_for_backward(maps, weight)
        context.geometry, context.biased = geometry, bias is not None
        return maps.new_zeros(()).expand(_shape(maps, weight, geometry))

    @staticmethod
    def backward(context: object, gradient: Tensor) -> tuple[Tensor | None, ...]:
        maps, weight = context.saved_tensors
        wanted = (False, True, context.biased)
        _, to_weight, to_bias = _gradients(gradient, maps, weight, context.geometry, wanted)
        return None, to_weight, to_bias, None


class Convolved(torch.autograd.Function):
    """The outputs; `parameters` are those zeros."""

    @staticmethod
    def forward(
        context: object, maps: Tensor, weight: Tensor, bias: Tensor | None, parameters: Tensor, geometry: Geometry
    ) -> Tensor:
        context.save_for_backward(weight)
        context.shape, context.geometry = maps.shape, geometry
        return conv2d(maps, weight, bias, *geometry)

    @staticmethod
    def backward(context: object, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (weight,) = context.saved_tensors
        to_maps = None
        if context.needs_input_grad[0]:
            to_maps = ToMaps.apply(gradient, weight, context.shape, context.geometry)
        return to_maps, None, None, gradient, None


class ToMaps(torch.autograd.Function):
    """∂x."""

    @staticmethod
    def forward(context: object, gradient: Tensor, weight: Tensor, shape: Size, geometry: Geometry) -> Tensor:
        context.save_for_backward(gradient, weight)
        context.geometry = geometry
        maps = gradient.new_empty(()).expand(shape)  # of which the shape alone counts
        return _gradients(gradient, maps, weight, geometry, (True, False, False))[0]

    @staticmethod
    def backward(context: object, p: Tensor) -> tuple[Tensor | None, ...]:
        gradient, weight = context.saved_tensors
        _, to_weight, _ = _gradients(gradient, p, weight, context.geometry, (False, True, False))
        return conv2d(p, weight, None, *context.geometry), to_weight, None, None


def _gradients(
    gradient: Tensor, maps: Tensor, weight: Tensor, geometry: Geometry, wanted: tuple[bool, bool, bool]
) -> tuple[Tensor | None, ...]:
    """Those of maps, weight and bias that are wanted."""
    stride, padding, dilation, groups = geometry
    place = ([weight.shape[0]], stride, padding, dilation, False, [0, 0], groups)
    return torch.ops.aten.convolution_backward(gradient, maps, weight, *place, wanted)


def _shape(maps: Tensor, weight: Tensor, geometry: Geometry) -> tuple[int, ...]:
    """Of the outputs."""
    sides = zip(maps.shape[2:], weight.shape[2:], *geometry[:3], strict=True)
    return (
        len(maps), len(weight),
        *((side + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
          for side, kernel, stride, padding, dilation in sides),
    )  # fmt: skip
