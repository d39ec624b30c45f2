"""How each kind of layer hands winning probabilities down (Zhang et al. 2016, equation 1; xnn.md section 6.1).

`signals` S×B×… lie at a layer's output, S of them for each of B images; `inputs` B×… are the activations below it.
Activations below zero excite nothing and count as zero, biases never take part. What nothing excites hands nothing on.

Every rule pulls signals back through a linear map, so the layers themselves are differentiated and strides, padding,
groups and overlapping windows need no code of their own.
"""

import operator
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.func import functional_call, vjp
from torch.fx.node import map_arg
from torch.nn import functional

from pipeline.models.classifier import pooled


class Rule(Enum):
    CARRY = "a value is a copy of one input: it gets all"
    SHARE = "equal positive weights"
    WEIGH = "weights of its own, of which the positive count"
    NORMALISE = "a factor for each channel"


RELUS = (nn.ReLU, functional.relu, torch.relu, torch.relu_, "relu", "relu_")
COPIES = (
    nn.Dropout, nn.Dropout2d, nn.Identity, nn.Flatten, nn.MaxPool2d, nn.AdaptiveMaxPool2d,
    functional.dropout, functional.max_pool2d, functional.adaptive_max_pool2d,
    torch.flatten, torch.reshape, torch.cat, "flatten", "reshape", "view", "float", "contiguous",
)  # fmt: skip
SUMS = (operator.add, operator.iadd, torch.add, "add", "add_")
PRODUCTS = (operator.mul, torch.mul, "mul")
AVERAGES = (
    nn.AvgPool2d, nn.AdaptiveAvgPool2d,
    functional.avg_pool2d, functional.adaptive_avg_pool2d, torch.mean, "mean", pooled,
)  # fmt: skip
RULES: dict[Any, Rule] = {
    **dict.fromkeys(RELUS + COPIES, Rule.CARRY),
    **dict.fromkeys(SUMS + PRODUCTS + AVERAGES, Rule.SHARE),
    **dict.fromkeys((nn.Linear, nn.Conv2d), Rule.WEIGH),
    **dict.fromkeys((nn.BatchNorm1d, nn.BatchNorm2d), Rule.NORMALISE),
}
SUPPORTED = (
    "Linear, Conv2d, BatchNorm, ReLU, Dropout, max and average pools, mean, flatten, reshape, cat, sums, factors > 0"
)

#: What runs in place of operations that would overwrite an activation which a rule still needs.
OUT_OF_PLACE: dict[Any, Callable[..., Tensor]] = {
    **dict.fromkeys(RELUS, lambda values, *_, **__: torch.relu(values)),
    **dict.fromkeys((operator.iadd, "add_"), torch.add),
}


def operation(node: fx.Node, module: nn.Module | None) -> Any:
    """The key of a node in the tables above; `module` is what it calls."""
    return type(module) if node.op == "call_module" else node.target


def rule_of(node: fx.Node, module: nn.Module | None) -> Rule | None:
    """The rule of a node of a traced network; None if there is none."""
    if node.op == "placeholder":
        return Rule.CARRY
    key = operation(node, module)
    # A weighted sum, or one with a constant, is not a plain sum of activations.
    if key in SUMS and (node.kwargs or any(_is_constant(value) for value in node.args)):
        return None
    if key in PRODUCTS and not any(isinstance(value, int | float) and value > 0 for value in node.args):
        return None
    if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and module.running_var is None:
        return None
    return RULES.get(key)


def _is_constant(value: Any) -> bool:
    return not isinstance(value, fx.Node) or value.op == "get_attr"


def run(node: fx.Node, module: nn.Module | None, inputs: Sequence[Any]) -> Any:
    """What a node gives for the values of its `all_input_nodes`, none of which is changed."""
    if node.op == "placeholder":
        return inputs[0]
    values = dict(zip(node.all_input_nodes, inputs, strict=True))
    args, kwargs = map_arg((node.args, node.kwargs), values.__getitem__)
    if node.op == "call_method":
        own = getattr(Tensor, node.target)
    else:
        own = module if node.op == "call_module" else node.target
    return OUT_OF_PLACE.get(operation(node, module), own)(*args, **kwargs)


def carry(function: Callable[..., Tensor], inputs: Sequence[Tensor], signals: Tensor) -> tuple[Tensor, ...]:
    """Signals at the inputs of which the outputs are copies: all of a maximum goes to the first largest value."""
    _, pull = vjp(function, *inputs)
    return torch.vmap(pull)(signals)


def share(function: Callable[..., Tensor], inputs: Sequence[Tensor], signals: Tensor) -> tuple[Tensor, ...]:
    """Signals at the inputs a of a linear `function` with weights ≥ 0: a ⊙ functionᵀ(signals ⊘ function(a))."""
    inputs = [values.clamp(min=0) for values in inputs]
    total, pull = vjp(function, *inputs)
    shares = torch.vmap(pull)(torch.where(total > 0, signals / total, 0))
    return tuple(values * part for values, part in zip(inputs, shares, strict=True))


def weigh(layer: nn.Module, inputs: Tensor, signals: Tensor, scale: Tensor | None = None) -> Tensor:
    """Signals at the input of a Linear or Conv2d by its positive weights; `scale` multiplies each output's weights."""
    return share(_excitation(layer, _weights(layer, scale)), [inputs], signals)[0]


def contrast(layer: nn.Module, inputs: Tensor, signals: Tensor, scale: Tensor | None = None) -> Tensor:
    """As `weigh`, for signals of one neuron each, minus the same of the neuron with negated weights.

    Sums to 0; NaN where nothing excites the one or the other (xnn.md section 6.2).
    """
    weights = _weights(layer, scale)
    (winners,), (losers,) = (share(_excitation(layer, some), [inputs], signals) for some in (weights, -weights))
    undefined = (winners.flatten(2).sum(2) <= 0) | (losers.flatten(2).sum(2) <= 0)
    return (winners - losers).masked_fill(_trailing(undefined, winners), torch.nan)


def normalise(norm: nn.Module, inputs: Tensor, signals: Tensor) -> Tensor:
    """Signals at the input of a batch normalisation that no layer before it can take in: channels of their own."""
    factors = _trailing(scale_of(norm).clamp(min=0), inputs[0])
    return share(lambda values: values * factors, [inputs], signals)[0]


def scale_of(norm: nn.Module) -> Tensor:
    """What batch normalisation in evaluation mode multiplies each channel by; it may be negative."""
    scale = torch.rsqrt(norm.running_var + norm.eps)
    return scale if norm.weight is None else scale * norm.weight


def _weights(layer: nn.Module, scale: Tensor | None) -> Tensor:
    return layer.weight if scale is None else layer.weight * _trailing(scale, layer.weight)


def _excitation(layer: nn.Module, weights: Tensor) -> Callable[[Tensor], Tensor]:
    """The layer with the positive ones of other `weights`, and without bias."""
    state = {"weight": weights.clamp(min=0)}
    if layer.bias is not None:
        state["bias"] = torch.zeros_like(layer.bias)
    return lambda inputs: functional_call(layer, state, (inputs,))


def _trailing(values: Tensor, like: Tensor) -> Tensor:
    """`values` with axes of length 1 added until it has as many as `like`."""
    return values.view(*values.shape, *[1] * (like.dim() - values.dim()))
