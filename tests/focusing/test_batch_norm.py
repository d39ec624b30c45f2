"""Batch normalisation with a quick second derivative, beside PyTorch's own."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.func import functional_call

from pipeline.focusing.twice import differentiable_twice


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def layers(dtype: torch.dtype = torch.float32) -> tuple[nn.BatchNorm2d, nn.BatchNorm2d]:
    """PyTorch's layer for three channels, and the same with the other derivative."""
    plain = nn.BatchNorm2d(3, dtype=dtype)
    nn.init.uniform_(plain.weight, 0.5, 1.5)
    nn.init.normal_(plain.bias)
    quick = copy.deepcopy(plain)
    differentiable_twice(quick)
    return plain, quick


def maps(dtype: torch.dtype = torch.float32) -> Tensor:
    return (2 + 3 * torch.randn(5, 3, 4, 4, dtype=dtype)).requires_grad_()


def test_both_derivatives_are_those_of_small_differences():
    _, quick = layers(torch.float64)

    def normalised(values: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return functional_call(quick, {"weight": weight, "bias": bias}, (values,))

    inputs = (maps(torch.float64), quick.weight, quick.bias)
    assert gradcheck(normalised, inputs) and gradgradcheck(normalised, inputs)


@pytest.mark.parametrize("training", [True, False])
def test_outputs_statistics_and_gradients_are_those_of_torch_to_the_bit(training):
    values, found = maps(), []
    for layer in layers():
        layer.train(training)
        outputs = layer(values)
        gradients = torch.autograd.grad(outputs.square().sum(), [values, layer.weight, layer.bias])
        found.append([outputs, *gradients, *layer.state_dict().values()])
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_a_penalty_on_gradients_has_the_gradients_of_torch(dtype, tolerance):
    values, direction, found = maps(), torch.randn(5, 3, 4, 4), []
    for layer in layers():
        score = (layer(values.to(dtype)).float().tanh() * direction).sum()
        (slopes,) = torch.autograd.grad(score, values, create_graph=True)
        found.append(torch.autograd.grad(slopes.square().sum(), [values, layer.weight, layer.bias]))
    for one, other in zip(*found, strict=True):
        assert (one - other).norm() < tolerance * other.norm()
