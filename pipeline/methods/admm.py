"""ADMM: training by the alternating direction method of multipliers with closed forms, on all images at once.

Paper: Khorram, MSc thesis, Oregon State University 2020, chapter 4, Algorithm 1 (admm.md section 2). Pre-activations
Z_l and activations A_l of all images are variables of their own, tied to the layers by penalties and scaled duals U_l,
V_l (eq. 4.2; rows are images, A_0 = X, no bias, no ReLU behind the last layer):

    J(Y, Z_L) + Σ_l λ/2 |W_l|² + Σ_l β/2 |Z_l − A_{l−1} W_lᵀ + U_l|² + Σ_{l<L} γ/2 |A_l − relu(Z_l) + V_l|²

A sweep minimises it exactly in one variable after the other, each time with the newest values of the others, then adds
the violations to the duals. Published: 95.02 % on MNIST with 784-128-128-10 (Figure 4.3).

Departures: r(W) in eq. 4.2 is read as 1/2 |W|²; weights have no random start, since a sweep begins with them.
"""

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pipeline.splitting.closed_forms import (
    activation_minimiser,
    output_loss,
    output_minimiser,
    relu_minimiser,
    ridge_solver,
)
from pipeline.splitting.full_batch import (
    EVERY,
    HIDDEN,
    accuracy,
    columns_of,
    inputs_of,
    linear_layers,
    residuals,
    squares,
    straight_through,
    track,
    uniform,
    violations,
)
from pipeline.splitting.memory import afford
from pipeline.training.losses import targets
from pipeline.training.session import Session

if TYPE_CHECKING:
    from pipeline.models.classifier import Classifier
    from pipeline.settings.splitting import Admm


@dataclass
class Variables:
    """N×d_l of every layer: pre-activations Z and duals U of all L, activations A and duals V of the hidden ones."""

    z: list[Tensor]
    a: list[Tensor]
    u: list[Tensor]
    v: list[Tensor]


def columns(network: "Classifier", example: Tensor, settings: "Admm", name: str) -> dict[str, int]:
    """Numbers kept of each image: Z and U of all layers, A and V of the hidden ones."""
    return columns_of(network, name, z=EVERY, a=HIDDEN, u=EVERY, v=HIDDEN)


@torch.no_grad()
def fit(session: Session, settings: "Admm") -> dict[str, Tensor]:
    """Train `session.network`, whose biases stay 0; leaves nothing besides its weights."""
    afford(session, "float32", columns(session.network, session.images.floats(slice(1)), settings, session.name))
    layers, inputs = linear_layers(session.network, session.name), inputs_of(session)
    for layer in layers:
        layer.bias.zero_()
    weights = [layer.weight for layer in layers]
    variables = start(session, weights, settings.init_scale)
    track(session, **vars(variables))
    outputs = targets(variables.z[-1], session.images.labels)
    key = f"methods.{session.name}.weight_decay"
    ridge = settings.weight_decay / settings.beta
    # The inputs never change, so that their system is factorised once.
    first = ridge_solver(inputs, ridge, key)
    for _ in session.epochs(settings):
        solvers = itertools.chain([first], (ridge_solver(below, ridge, key) for below in variables.a))
        for layer, solve in enumerate(solvers):
            weights[layer].copy_(solve(variables.z[layer] + variables.u[layer]))
        products = update_variables_(weights, inputs, outputs, variables, settings)
        session.record(
            accuracy=accuracy(straight_through(layers, products[0]), session.images.labels),
            **update_duals_(weights, products, outputs, variables, settings),
        )
    return {}


def start(session: Session, weights: list[Tensor], scale: float) -> Variables:
    """Z, A, U and V of the layers from U(0, 1) · scale."""
    shapes = [(len(session.images), len(weight)) for weight in weights]
    drawn = {
        name: [uniform(session, f"{name}{layer}", shape, scale) for layer, shape in enumerate(some, 1)]
        for name, some in (("z", shapes), ("a", shapes[:-1]), ("u", shapes), ("v", shapes[:-1]))
    }
    return Variables(**drawn)


def update_variables_(
    weights: list[Tensor], inputs: Tensor, outputs: Tensor, variables: Variables, settings: "Admm"
) -> list[Tensor]:
    """Z_l and A_l from the first hidden layer to the last, then Z_L, in place; returns the products A_{l−1} W_lᵀ.

    For one-hot `outputs` Y. Of a hidden layer Z comes first, or A with the order a_then_z.
    """
    z, a, u, v = variables.z, variables.a, variables.u, variables.v
    beta, gamma, z_first = settings.beta, settings.gamma, settings.order == "z_then_a"
    products = []
    for layer in range(len(a)):
        products.append((a[layer - 1] if layer else inputs) @ weights[layer].T)
        if z_first:
            z[layer].copy_(relu_minimiser(products[layer] - u[layer], a[layer] + v[layer], beta, gamma))
        above = z[layer + 1] + u[layer + 1]
        a[layer].copy_(activation_minimiser(weights[layer + 1], above, beta, z[layer].relu() - v[layer], gamma))
        if not z_first:
            z[layer].copy_(relu_minimiser(products[layer] - u[layer], a[layer] + v[layer], beta, gamma))
    products.append(a[-1] @ weights[-1].T)
    z[-1].copy_(output_minimiser(settings.loss, products[-1] - u[-1], outputs, beta))
    return products


def update_duals_(
    weights: list[Tensor], products: list[Tensor], outputs: Tensor, variables: Variables, settings: "Admm"
) -> dict[str, float]:
    """U_l += Z_l − A_{l−1} W_lᵀ and V_l += A_l − relu(Z_l) in place; returns what there is to record.

    That is eq. 4.2 per image as the sweep leaves it, with the old duals, which plus violations are the new ones; the
    relative residuals; and mean absolute duals.
    """
    z, u, v = variables.z, variables.u, variables.v
    gaps = violations(z, variables.a, products)
    for dual, pairs in zip(u, gaps, strict=True):
        dual += pairs[0][0]
    for dual, pairs in zip(v, gaps[:-1], strict=True):
        dual += pairs[1][0]
    objective = output_loss(settings.loss, z[-1], outputs) + settings.weight_decay / 2 * sum(map(squares, weights))
    objective += settings.beta / 2 * sum(map(squares, u)) + settings.gamma / 2 * sum(map(squares, v))
    duals = {f"dual_{layer}": dual.abs().mean().item() for layer, dual in enumerate(u, 1)}
    duals |= {f"relu_dual_{layer}": dual.abs().mean().item() for layer, dual in enumerate(v, 1)}
    return {"objective": objective.item() / len(outputs), **residuals(gaps), **duals}
