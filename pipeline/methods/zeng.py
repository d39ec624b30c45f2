"""Zeng: training by block coordinate descent (BCD), on all images at once.

Paper: Zeng, Lau, Lin and Yao, Global convergence of block coordinate descent in deep learning, ICML 2019, the form with
three splittings as in the authors' code for MNIST (admm.md section 5.2). Pre-activations Z_l and activations A_l of all
images are variables of their own, tied to the layers by penalties without duals (rows are images, A_0 = X, relu_L is
the identity):

    1/2 |A_L − Y|² + Σ_l ρ/2 |Z_l − A_{l−1} W_lᵀ − b_l|² + Σ_l γ/2 |A_l − relu_l(Z_l)|²

A sweep goes from A_L down to W_1 and minimises exactly over one variable after the other; A_L, W, b and the hidden Z
are also held by α/2 |new − old|². The network's own weights are the start: the authors' are those of mlp with init
small. Published: 83.28 % on MNIST with 784-128-128-10, as run by Khorram 2020 (Figure 4.3).

As in the authors' code b_l is found with the old W_l, beside the new one; then the objective may rise. With
`newest_weights` it is found with the new W_l, and it never does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pipeline.splitting.closed_forms import activation_minimiser, relu_minimiser, ridge_solver
from pipeline.splitting.full_batch import (
    EVERY,
    accuracy,
    columns_of,
    inputs_of,
    linear_layers,
    residuals,
    squares,
    straight_through,
    track,
    violations,
)
from pipeline.splitting.memory import afford
from pipeline.training.losses import targets
from pipeline.training.session import Session

if TYPE_CHECKING:
    from pipeline.models.classifier import Classifier
    from pipeline.settings.splitting import Zeng


@dataclass
class Variables:
    """N×d_l of all L layers: pre-activations, activations, and the products A_{l−1} W_lᵀ of both with the weights.

    Of a product a sweep needs what it was at the end of the one before, where it is computed for the record anyway.
    """

    z: list[Tensor]
    a: list[Tensor]
    products: list[Tensor]


def columns(network: "Classifier", example: Tensor, settings: "Zeng", name: str) -> dict[str, int]:
    """Numbers kept of each image: Z, A and products of all layers."""
    return columns_of(network, name, z=EVERY, a=EVERY, products=EVERY)


@torch.no_grad()
def fit(session: Session, settings: "Zeng") -> dict[str, Tensor]:
    """Train `session.network`; leaves nothing besides its weights."""
    afford(session, "float32", columns(session.network, session.images.floats(slice(1)), settings, session.name))
    layers, inputs = linear_layers(session.network, session.name), inputs_of(session)
    variables = start(layers, inputs)
    track(session, **vars(variables))
    outputs = targets(variables.z[-1], session.images.labels)
    ridge, key = settings.alpha / settings.rho, f"methods.{session.name}.alpha"
    # The inputs never change, so that their system is factorised once.
    first = ridge_solver(inputs, ridge, key)
    for _ in session.epochs(settings):
        update_output_(layers[-1], outputs, variables, settings)
        for layer in reversed(range(len(layers))):
            below = variables.a[layer - 1] if layer else inputs
            solve = ridge_solver(below, ridge, key) if layer else first
            update_layer_(layers[layer], below, solve, variables.z[layer], variables.products[layer], settings)
            if layer:
                update_below_(layers, layer, variables, settings)
        for product, linear, below in zip(variables.products, layers, [inputs, *variables.a[:-1]], strict=True):
            torch.mm(below, linear.weight.T, out=product)
        session.record(
            accuracy=accuracy(straight_through(layers, variables.products[0]), session.images.labels),
            **measure(layers, outputs, variables, settings),
        )
    return {}


def start(layers: list[nn.Linear], inputs: Tensor) -> Variables:
    """Z and A of the network's own forward pass."""
    z, a, products = [], [], []
    for layer in layers:
        products.append(inputs @ layer.weight.T)
        z.append(products[-1] + layer.bias)
        inputs = z[-1].relu()
        a.append(inputs)
    a[-1] = z[-1].clone()
    return Variables(z, a, products)


def update_output_(layer: nn.Linear, outputs: Tensor, variables: Variables, settings: "Zeng") -> None:
    """A_L = (Y + γ Z_L + α A_L) / (1 + γ + α) and Z_L = (γ A_L + ρ (A_{L−1} W_Lᵀ + b_L)) / (γ + ρ), in place."""
    z, a, alpha, rho, gamma = variables.z[-1], variables.a[-1], settings.alpha, settings.rho, settings.gamma
    a.copy_((outputs + gamma * z + alpha * a) / (1 + gamma + alpha))
    z.copy_((gamma * a + rho * (variables.products[-1] + layer.bias)) / (gamma + rho))


def update_layer_(
    layer: nn.Linear,
    below: Tensor,
    solve: Callable[[Tensor], Tensor],
    z: Tensor,
    product: Tensor,
    settings: "Zeng",
) -> None:
    """W_l and b_l in place, for Z_l, `product` A_{l−1} W_lᵀ and the solver of ridge α/ρ on `below` A_{l−1}.

    W_l = (α W_l + ρ (Z_l − b_l)ᵀ A_{l−1}) (α I + ρ A_{l−1}ᵀ A_{l−1})⁻¹, here as the change of the old W_l, and
    b_l = (α b_l + ρ Σ_n (Z_l − A_{l−1} W_lᵀ)) / (ρ N + α) over the images n.
    """
    change = solve(z - product - layer.bias)
    rest = (z - product).sum(0, dtype=torch.float64)
    if settings.newest_weights:
        rest -= change.double() @ below.sum(0, dtype=torch.float64)
    layer.weight += change
    pulled = settings.alpha * layer.bias + settings.rho * rest
    layer.bias.copy_(pulled / (settings.rho * len(z) + settings.alpha))


def update_below_(layers: list[nn.Linear], layer: int, variables: Variables, settings: "Zeng") -> None:
    """A_{l−1} under the 0-based `layer` l and then Z_{l−1}, in place.

    A_{l−1} = (ρ W_lᵀ W_l + γ I)⁻¹ (ρ W_lᵀ (Z_l − b_l) + γ relu(Z_{l−1})), and Z_{l−1} minimises entry by entry
    ρ/2 (z − A_{l−2} W_{l−1}ᵀ − b_{l−1})² + α/2 (z − Z_{l−1})² + γ/2 (A_{l−1} − relu(z))².
    """
    alpha, rho, gamma = settings.alpha, settings.rho, settings.gamma
    a, z = variables.a[layer - 1], variables.z[layer - 1]
    above = variables.z[layer] - layers[layer].bias
    a.copy_(activation_minimiser(layers[layer].weight, above, rho, z.relu(), gamma))
    near = (rho * (variables.products[layer - 1] + layers[layer - 1].bias) + alpha * z) / (rho + alpha)
    z.copy_(relu_minimiser(near, a, rho + alpha, gamma))


def measure(layers: list[nn.Linear], outputs: Tensor, variables: Variables, settings: "Zeng") -> dict[str, float]:
    """Objective per image, without the pull of the old variables, and relative residuals."""
    z, a = variables.z, variables.a
    reached = [product + layer.bias for product, layer in zip(variables.products, layers, strict=True)]
    gaps = violations(z, a[:-1], reached)
    gaps[-1].append((a[-1] - z[-1], a[-1]))
    objective = squares(a[-1] - outputs) / 2
    for (linear, _), (nonlinear, _) in gaps:
        objective += settings.rho / 2 * squares(linear) + settings.gamma / 2 * squares(nonlinear)
    return {"objective": objective.item() / len(outputs), **residuals(gaps)}
