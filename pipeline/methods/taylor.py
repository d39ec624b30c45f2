"""Taylor: training without gradients by ADMM, with a dual variable behind the last layer alone.

Paper: Taylor et al., Training neural networks without gradients: a scalable ADMM approach, ICML 2016 (admm.md section
5.1). Pre-activations Z_l and activations A_l of all images are variables of their own, tied to the layers by penalties;
a sweep solves for one variable after the other (rows are images, A_0 = X, no bias, no ReLU behind the last layer).

As run by Khorram 2020, chapter 4, and by default: Algorithm 1 of ADMM there, less all duals but U_L,

    J(Y, Z_L) + Σ_l λ/2 |W_l|² + Σ_{l<L} β/2 |Z_l − A_{l−1} W_lᵀ|² + β/2 |Z_L − A_{L−1} W_Lᵀ + U_L|²
              + Σ_{l<L} γ/2 |A_l − relu(Z_l)|²,   then   U_L += Z_L − A_{L−1} W_Lᵀ

Published for it: 87.52 % on MNIST with 784-128-128-10 (Figure 4.3).

The original has penalties without 1/2, a dual Λ that enters the step of Z_L alone, and takes the layers one by one,
W_l, A_l, Z_l, with the older W_{l+1} in that of A_l:

    W_l = Z_lᵀ pinv(A_{l−1})ᵀ;   Z_L = argmin J + <Z_L, Λ> + β |Z_L − A_{L−1} W_Lᵀ|²;   Λ += β (Z_L − A_{L−1} W_Lᵀ)

All start from N(0, 1), Λ from 0; its own settings are β 1, γ 10, the hinge loss and some sweeps of warm-up. Here U_L is
Λ / (2β), which makes Z_L that of the weight 2β with 1/2, and half a step that of the dual.

Departures: in the thesis' form weights have no random start, since a sweep begins with them. In the original the
weights W_2 to W_L of the first sweep, of which the paper says nothing, are those of the network as it was built.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pipeline.splitting.closed_forms import (
    activation_minimiser,
    output_loss,
    output_minimiser,
    pseudo_inverse_solver,
    relu_minimiser,
    ridge_solver,
)
from pipeline.splitting.full_batch import (
    EVERY,
    HIDDEN,
    LAST,
    accuracy,
    columns_of,
    inputs_of,
    linear_layers,
    normal,
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
    from pipeline.settings.splitting import Taylor


@dataclass
class Variables:
    """Pre-activations N×d_l of all layers, activations N×d_l of the hidden ones, the last layer's scaled dual N×C."""

    z: list[Tensor]
    a: list[Tensor]
    dual: Tensor


def columns(network: "Classifier", example: Tensor, settings: "Taylor", name: str) -> dict[str, int]:
    """Numbers kept of each image: Z of all layers, A of the hidden ones, and the dual of the last."""
    return columns_of(network, name, z=EVERY, a=HIDDEN, dual=LAST)


@torch.no_grad()
def fit(session: Session, settings: "Taylor") -> dict[str, Tensor]:
    """Train `session.network`, whose biases stay 0; leaves nothing besides its weights."""
    afford(session, "float32", columns(session.network, session.images.floats(slice(1)), settings, session.name))
    layers, inputs = linear_layers(session.network, session.name), inputs_of(session)
    for layer in layers:
        layer.bias.zero_()
    weights = [layer.weight for layer in layers]
    variables = start(session, weights, settings)
    z, dual = variables.z, variables.dual
    track(session, z=z, a=variables.a, dual=[dual])
    outputs = targets(z[-1], session.images.labels)
    thesis, key = settings.variant == "thesis", f"methods.{session.name}.weight_decay"
    # The inputs never change, so that their system is solved once.
    ridge = settings.weight_decay / settings.beta
    first = ridge_solver(inputs, ridge, key) if thesis else pseudo_inverse_solver(inputs)
    for epoch in session.epochs(settings):
        if thesis:
            products = sweep_(weights, inputs, outputs, variables, first, settings, key)
        else:
            products = original_sweep_(weights, inputs, outputs, variables, first, settings)
        recorded = measure(weights, products, outputs, variables, settings)
        if epoch >= settings.warm_up:
            dual.add_(z[-1] - products[-1], alpha=1.0 if thesis else 0.5)
        recorded[f"dual_{len(z)}"] = dual.abs().mean().item()
        session.record(accuracy=accuracy(straight_through(layers, products[0]), session.images.labels), **recorded)
    return {}


def start(session: Session, weights: list[Tensor], settings: "Taylor") -> Variables:
    """All variables from U(0, 1) · init_scale; of the original Z and A from N(0, 1), the dual 0."""
    shapes = [(len(session.images), len(weight)) for weight in weights]
    thesis = settings.variant == "thesis"
    draw, scale = (uniform, settings.init_scale) if thesis else (normal, 1.0)
    z = [draw(session, f"z{layer}", shape, scale) for layer, shape in enumerate(shapes, 1)]
    a = [draw(session, f"a{layer}", shape, scale) for layer, shape in enumerate(shapes[:-1], 1)]
    return Variables(z, a, uniform(session, f"u{len(z)}", shapes[-1], scale) if thesis else torch.zeros_like(z[-1]))


def sweep_(
    weights: list[Tensor],
    inputs: Tensor,
    outputs: Tensor,
    variables: Variables,
    first: Callable[[Tensor], Tensor],
    settings: "Taylor",
    key: str,
) -> list[Tensor]:
    """W of all layers, then Z_l and A_l from the first hidden layer to the last, then Z_L, in place.

    For one-hot `outputs` Y and the solver `first` of the first layer; returns the products A_{l−1} W_lᵀ.
    """
    z, a, dual = variables.z, variables.a, variables.dual
    beta, gamma, ridge = settings.beta, settings.gamma, settings.weight_decay / settings.beta
    solvers = itertools.chain([first], (ridge_solver(below, ridge, key) for below in a))
    for weight, wanted, solve in zip(weights, [*z[:-1], z[-1] + dual], solvers, strict=True):
        weight.copy_(solve(wanted))
    products = []
    for layer, below in enumerate([inputs, *a[:-1]]):
        products.append(below @ weights[layer].T)
        z[layer].copy_(relu_minimiser(products[layer], a[layer], beta, gamma))
        above = z[layer + 1] + dual if layer == len(a) - 1 else z[layer + 1]
        a[layer].copy_(activation_minimiser(weights[layer + 1], above, beta, z[layer].relu(), gamma))
    products.append(a[-1] @ weights[-1].T)
    z[-1].copy_(output_minimiser(settings.loss, products[-1] - dual, outputs, beta))
    return products


def original_sweep_(
    weights: list[Tensor],
    inputs: Tensor,
    outputs: Tensor,
    variables: Variables,
    first: Callable[[Tensor], Tensor],
    settings: "Taylor",
) -> list[Tensor]:
    """W_l, A_l and Z_l of one layer after the other, in place; arguments and result as those of `sweep_`."""
    z, a = variables.z, variables.a
    products = []
    for layer, below in enumerate([inputs, *a]):
        solve = pseudo_inverse_solver(below) if layer else first
        weights[layer].copy_(solve(z[layer]))
        products.append(below @ weights[layer].T)
        if layer < len(a):
            above = activation_minimiser(
                weights[layer + 1], z[layer + 1], settings.beta, z[layer].relu(), settings.gamma
            )
            a[layer].copy_(above)
            z[layer].copy_(relu_minimiser(products[layer], a[layer], settings.beta, settings.gamma))
    z[-1].copy_(output_minimiser(settings.loss, products[-1] - variables.dual, outputs, 2 * settings.beta))
    return products


def measure(
    weights: list[Tensor], products: list[Tensor], outputs: Tensor, variables: Variables, settings: "Taylor"
) -> dict[str, float]:
    """Objective per image as the sweep leaves it, plus β |U_L|² / 2 (the original: β |U_L|²); relative residuals."""
    z, dual = variables.z, variables.dual
    gaps = violations(z, variables.a, products)
    linear = [gap for (gap, _), *_ in gaps]
    penalties = settings.beta / 2 * sum(map(squares, [*linear[:-1], linear[-1] + dual]))
    penalties += settings.gamma / 2 * sum(squares(pairs[1][0]) for pairs in gaps[:-1])
    objective = output_loss(settings.loss, z[-1], outputs)
    if settings.variant == "thesis":
        objective += penalties + settings.weight_decay / 2 * sum(map(squares, weights))
    else:
        objective += 2 * penalties
    return {"objective": objective.item() / len(outputs), **residuals(gaps)}
