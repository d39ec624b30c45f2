"""Convolution with a quick second derivative, beside PyTorch's own."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from pipeline.focusing.twice import differentiable_twice

GEOMETRIES = [
    {"kernel_size": 3, "padding": 1},
    {"kernel_size": 3, "stride": 2, "padding": 1, "bias": False},
    {"kernel_size": (2, 3), "stride": (1, 2), "padding": (2, 0), "dilation": (2, 1), "groups": 2},
    {"kernel_size": 1, "stride": 3, "groups": 4, "bias": False},
]


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def layers(geometry: dict, dtype: torch.dtype = torch.float32) -> tuple[nn.Module, nn.Module]:
    """PyTorch's layer from four to eight channels, and the same with the other derivative."""
    plain = nn.Conv2d(4, 8, dtype=dtype, **geometry)
    quick = copy.deepcopy(plain)
    differentiable_twice(quick)
    assert type(quick) is not nn.Conv2d
    return plain, quick


def maps(dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(3, 4, 7, 6, dtype=dtype).requires_grad_()


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_both_derivatives_are_those_of_small_differences(geometry):
    _, quick = layers(geometry, torch.float64)
    names, weights = zip(*quick.named_parameters(), strict=True)

    def convolved(values: Tensor, *weights: Tensor) -> Tensor:
        return functional_call(quick, dict(zip(names, weights, strict=True)), (values,))

    inputs = (maps(torch.float64), *weights)
    assert gradcheck(convolved, inputs) and gradgradcheck(convolved, inputs)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_outputs_and_gradients_are_those_of_torch_to_the_bit(geometry, precision):
    values, found = maps(), []
    for layer in layers(geometry):
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            outputs = layer(values)
        found.append([outputs, *torch.autograd.grad(outputs.float().square().sum(), [values, *layer.parameters()])])
    for one, other in zip(*found, strict=True):
        assert one.dtype == other.dtype and torch.equal(one, other)


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-5), ("bf16", 2e-2)])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_a_penalty_on_gradients_has_the_gradients_of_torch(geometry, precision, tolerance):
    values, found = maps(), []
    for layer in layers(geometry):
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            score = layer(values).float().tanh().square().sum()
        (slopes,) = torch.autograd.grad(score, values, create_graph=True)
        found.append(torch.autograd.grad(slopes.square().sum(), [values, *layer.parameters()]))
    for one, other in zip(*found, strict=True):
        assert (one - other).norm() < tolerance * other.norm()


@pytest.mark.parametrize("format", [torch.contiguous_format, torch.channels_last])
def test_gradients_of_maps_do_not_cost_those_of_weights(format):
    values, operations = maps().to(memory_format=format), []
    for layer in layers(GEOMETRIES[0]):
        score = layer(values).tanh().sum()
        with FlopCounterMode(display=False) as counter:
            torch.autograd.grad(score, values, create_graph=True)
        operations.append(counter.get_total_flops())
    assert operations[0] == operations[1]


def test_inputs_need_no_gradient():
    layer = layers(GEOMETRIES[0])[1]
    layer(maps().detach()).sum().backward()
    assert layer.weight.grad is not None
    with torch.no_grad():
        assert not layer(maps()).requires_grad
