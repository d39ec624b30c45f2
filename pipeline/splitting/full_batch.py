"""What methods share that keep the activations of all images: layers, inputs, random starts, and what they record.

Such a method has variables in place of every layer's outputs and an epoch is one sweep over them, of all N images at
once. Its weights are those of the network itself, changed in place, so that after each sweep the network can be used,
measured and saved like any other.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.models.mlp import Perceptron
from pipeline.models.trained import batches
from pipeline.training.session import Session
from pipeline.training.streams import stream

#: Layers that have a variable.
EVERY, HIDDEN, LAST = slice(None), slice(-1), slice(-1, None)


def linear_layers(network: nn.Module, name: str) -> list[nn.Linear]:
    """Linear layers of the network in forward order.

    Raises `UserError`, naming the method instance `name`, unless it is a multilayer perceptron.
    """
    if not isinstance(network, Perceptron):
        raise UserError(
            f"methods.{name}.network: {type(network).__name__} is not a multilayer perceptron, for whose layers alone "
            f"there are closed forms; set it to {{from: mlp}}"
        )
    return [layer for layer in network.modules() if isinstance(layer, nn.Linear)]


def columns_of(network: nn.Module, name: str, **layers: slice) -> dict[str, int]:
    """Numbers of an image in variables that are kept for those of the `layers`; raises as `linear_layers` does."""
    widths = [layer.out_features for layer in linear_layers(network, name)]
    return {variable: sum(widths[some]) for variable, some in layers.items()}


def inputs_of(session: Session) -> Tensor:
    """What the first layer sees of all training images, N×pixels float32."""
    network, images = session.network, session.images
    pixels = images.pixels[0].numel()
    inputs = torch.empty(len(images), pixels, device=images.pixels.device)
    for rows in batches(len(images)):
        inputs[rows] = network.backbone[0]((images.floats(rows) - network.mean) / network.std)
    return inputs


def uniform(session: Session, name: str, shape: Sequence[int], scale: float) -> Tensor:
    """float32 from U(0, 1) · scale, drawn from the stream "init", `name`."""
    return torch.rand(*shape, generator=stream(session.seed, "init", name)).mul_(scale).to(session.compute.device)


def normal(session: Session, name: str, shape: Sequence[int], scale: float) -> Tensor:
    """float32 from N(0, scale²), drawn from the stream "init", `name`."""
    return torch.randn(*shape, generator=stream(session.seed, "init", name)).mul_(scale).to(session.compute.device)


def track(session: Session, **variables: Sequence[Tensor]) -> None:
    """Make variables of the layers 1, 2, … part of the session's state, as name1, name2, …"""
    for name, tensors in variables.items():
        session.track(**{f"{name}{layer}": tensor for layer, tensor in enumerate(tensors, 1)})


def straight_through(layers: Sequence[nn.Linear], product: Tensor) -> Tensor:
    """Logits N×C of the network itself, from `product` X W_1ᵀ N×d_1, which a sweep has anyway."""
    outputs = product + layers[0].bias
    for layer in layers[1:]:
        outputs = layer(outputs.relu())
    return outputs


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Share of `logits` N×C that are largest at their label."""
    return (logits.argmax(1) == labels).double().mean().item()


def squares(tensor: Tensor) -> Tensor:
    """Sum of squares, in double precision."""
    return tensor.square().sum(dtype=torch.float64)


def violations(
    z: Sequence[Tensor], a: Sequence[Tensor], products: Sequence[Tensor]
) -> list[list[tuple[Tensor, Tensor]]]:
    """For each layer its violated constraints beside the variable that violates them, as `residuals` takes them.

    They are Z_l − P_l beside Z_l, for `products` P_l = A_{l−1} W_lᵀ, and in hidden layers A_l − relu(Z_l) beside A_l.
    """
    gaps = [[(mine - product, mine)] for mine, product in zip(z, products, strict=True)]
    for pairs, mine, below in zip(gaps, a, z, strict=False):
        pairs.append((mine - below.relu(), mine))
    return gaps


def residuals(layers: Sequence[Sequence[tuple[Tensor, Tensor]]]) -> dict[str, float]:
    """How far constraints are from being met, relative to the variables: of each layer, and "residual" of all.

    A layer has pairs of violation and variable, such as Z_l − A_{l−1} W_lᵀ and Z_l; of its pairs and of all layers the
    norms |violation| / |variable| are taken together.
    """
    sums = [sum(torch.stack([squares(gap), squares(variable)]) for gap, variable in pairs) for pairs in layers]
    relative = [(gap / variable).sqrt().item() for gap, variable in (sum(sums), *sums)]
    return {"residual": relative[0]} | {f"residual_{layer}": value for layer, value in enumerate(relative[1:], 1)}
