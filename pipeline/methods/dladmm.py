"""dlADMM: ADMM for deep learning with backward and forward sweeps and majorised steps, on all images at once.

Paper: Wang, Yu, Chen and Zhao, ADMM for efficient deep learning with global convergence, KDD 2019; order, constants and
start are those of the authors' code (admm.md section 5.4). Pre-activations z_l and activations a_l of all images are
variables of their own, tied to the layers by penalties, the last layer also by a dual variable u, which is not scaled
(rows are images, a_0 = X, no ReLU behind the last layer):

    CE(z_L) + <u, z_L − a_{L−1} W_Lᵀ − b_L> + Σ_l ρ/2 |z_l − a_{l−1} W_lᵀ − b_l|² + Σ_{l<L} ρ/2 |a_l − relu(z_l)|²

with the cross-entropy summed over images. An iteration takes z, b, W, a of the layers from the last to the first, then
W, b, z, a from the first to the last, then u. Steps of W and a go down the gradient by 1/θ, the first of θ₀, 2 θ₀,
4 θ₀, … whose quadratic majorises the objective. Published: 84.67 % on Fashion-MNIST with 784-1000-1000-10 (Figure B.1).

Efficient form: the condition of a step of W, φ(W + d) ≤ φ(W) + <∇, d> + θ/2 |d|² with d = −∇/θ and φ = ρ/2 |g|² of the
gap g = z − a Wᵀ − b + u/ρ, is one of quadratics in 1/θ, and says ρ |a ∇ᵀ|² ≤ θ |∇|². The one product a ∇ᵀ replaces
those of all trials and also that of the new W. Likewise for a.

Departures: random tensors have streams of their own unless `same_draws`, with which all begin with the same numbers, as
those of the authors do.
"""

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from pipeline.splitting.closed_forms import relu_minimiser
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
    violations,
)
from pipeline.splitting.memory import afford
from pipeline.training.losses import targets
from pipeline.training.session import Session

if TYPE_CHECKING:
    from pipeline.models.classifier import Classifier
    from pipeline.settings.splitting import Dladmm


@dataclass
class State:
    """Layers, inputs X N×d_0, labels N, z N×d_l of all L layers, a N×d_l of the hidden ones, u N×C.

    `products` a_{l−1} W_lᵀ are kept up to date through an iteration. `penalty` holds in double precision what the rule
    for ρ goes by: ρ, θ₀, the cost before, and how often in a row it has risen.
    """

    layers: list[nn.Linear]
    inputs: Tensor
    labels: Tensor
    z: list[Tensor]
    a: list[Tensor]
    u: Tensor
    products: list[Tensor]
    penalty: Tensor

    @property
    def rho(self) -> float:
        return self.penalty[0].item()

    @property
    def theta(self) -> float:
        return self.penalty[1].item()

    def below(self, layer: int) -> Tensor:
        """a_{l−1} of the 0-based `layer` l."""
        return self.a[layer - 1] if layer else self.inputs

    def gap(self, layer: int) -> Tensor:
        """z_l − a_{l−1} W_lᵀ − b_l, of the last layer plus u/ρ."""
        gap = self.z[layer] - self.products[layer] - self.layers[layer].bias
        return gap.add_(self.u, alpha=1 / self.rho) if layer == len(self.a) else gap


def columns(network: "Classifier", example: Tensor, settings: "Dladmm", name: str) -> dict[str, int]:
    """Numbers kept of each image: z of all layers, a of the hidden ones, and the dual of the last."""
    return columns_of(network, name, z=EVERY, a=HIDDEN, u=LAST)


@torch.no_grad()
def fit(session: Session, settings: "Dladmm") -> dict[str, Tensor]:
    """Train `session.network`; leaves nothing besides its weights."""
    afford(session, "float32", columns(session.network, session.images.floats(slice(1)), settings, session.name))
    state = start(session, settings)
    track(session, z=state.z, a=state.a)
    session.track(u=state.u, penalty=state.penalty)
    for _ in session.epochs(settings):
        # Anew in each iteration, so that the rounding of their changes does not add up.
        state.products = [state.below(at) @ layer.weight.T for at, layer in enumerate(state.layers)]
        iterate_(state, settings)
        logits = straight_through(state.layers, state.products[0])
        cost = cross_entropy(logits.double(), state.labels).item()
        reached = [product + layer.bias for product, layer in zip(state.products, state.layers, strict=True)]
        gaps = violations(state.z, state.a, reached)
        session.record(
            loss=cost,
            accuracy=accuracy(logits, state.labels),
            objective=objective(state, gaps),
            **residuals(gaps),
            **{f"dual_{len(state.layers)}": state.u.abs().mean().item(), "rho": state.rho},
        )
        raise_penalty_(state.penalty, cost, settings.rho_limit)
    return {}


def start(session: Session, settings: "Dladmm") -> State:
    """W and b from N(0, init_scale²), z and a by a forward pass but z_L = 1 at the label and −1 elsewhere, u = 0."""
    layers, inputs = linear_layers(session.network, session.name), inputs_of(session)
    # One draw for all, since torch's shorter draws are not the beginning of its longer ones.
    numbers = normal(session, "all", [max(layer.weight.numel() for layer in layers)], settings.init_scale)
    z, a = [], []
    for at, layer in enumerate(layers, 1):
        for name, parameter in layer.named_parameters():
            if settings.same_draws:
                parameter.copy_(numbers[: parameter.numel()].view_as(parameter))
            else:
                parameter.copy_(normal(session, f"{name}{at}", parameter.shape, settings.init_scale))
        z.append(layer(a[-1] if a else inputs))
        a.append(z[-1].relu())
    z[-1].copy_(2 * targets(z[-1], session.images.labels) - 1)
    penalty = torch.tensor([settings.rho, settings.theta, torch.inf, 0], dtype=torch.float64)
    return State(layers, inputs, session.images.labels, z, a[:-1], torch.zeros_like(z[-1]), [], penalty)


def iterate_(state: State, settings: "Dladmm") -> None:
    """One iteration in place: z, b, W, a from the last layer to the first, W, b, z, a from the first to the last, u."""
    last = len(state.a)
    for layer in reversed(range(last + 1)):
        update_z_(state, layer, settings)
        update_bias_(state, layer)
        update_weight_(state, layer)
        if layer:
            update_activation_(state, layer - 1)
    for layer in range(last + 1):
        update_weight_(state, layer)
        update_bias_(state, layer)
        update_z_(state, layer, settings)
        if layer < last:
            update_activation_(state, layer)
    # The gap of the last layer has u/ρ in it.
    state.u.copy_(state.rho * state.gap(last))


def update_z_(state: State, layer: int, settings: "Dladmm") -> None:
    """z of the 0-based `layer` by the rule of two branches, that of the last layer by FISTA."""
    near = state.products[layer] + state.layers[layer].bias
    z = state.z[layer]
    if layer < len(state.a):
        z.copy_(relu_minimiser(near, state.a[layer], 1, 1))
    else:
        near.sub_(state.u, alpha=1 / state.rho)
        z.copy_(fista(near, state.labels, z, state.rho, settings.output_steps, settings.output_tolerance))


def update_bias_(state: State, layer: int) -> None:
    """b_l plus the mean gap over images, the exact minimiser."""
    state.layers[layer].bias += state.gap(layer).mean(0, dtype=torch.float64)


def update_weight_(state: State, layer: int) -> None:
    """W_l − ∇/θ, for the gradient ∇ = −ρ gᵀ a of φ = ρ/2 |g|² with respect to W_l and the gap g."""
    slope = -state.rho * state.gap(layer).T @ state.below(layer)
    change = state.below(layer) @ slope.T
    theta = majorising(state.theta, state.rho * squares(change).item(), squares(slope).item())
    state.layers[layer].weight.sub_(slope, alpha=1 / theta)
    state.products[layer].sub_(change, alpha=1 / theta)


def update_activation_(state: State, layer: int) -> None:
    """a_l − ∇/τ, for the gradient ∇ of ρ/2 |g|² + ρ/2 |a − relu(z_l)|² with the gap g of layer l + 1; τ found as θ."""
    above, rho, a = state.layers[layer + 1], state.rho, state.a[layer]
    slope = rho * (a - state.z[layer].relu() - state.gap(layer + 1) @ above.weight)
    change = slope @ above.weight.T
    length = squares(slope).item()
    tau = majorising(state.theta, rho * (squares(change).item() + length), length)
    a.sub_(slope, alpha=1 / tau)
    state.products[layer + 1].sub_(change, alpha=1 / tau)


def majorising(first: float, curvature: float, length: float) -> float:
    """First θ of `first`, twice that, … with θ |∇|² ≥ <∇, H ∇>, for `length` |∇|² and `curvature` <∇, H ∇>."""
    while first * length < curvature:
        first *= 2
    return first


def fista(near: Tensor, labels: Tensor, start: Tensor, rho: float, steps: int, tolerance: float) -> Tensor:
    """argmin_z Σ CE(z) + ρ/2 |z − m|², N×C, for m = `near`, from `start`, by accelerated proximal gradient steps.

    Steps have the length η = 4. They end after `steps` or once the objective moves by less than `tolerance`, a sum over
    all images that needs double precision. Inside, classes come first, since softmax over rows of ten is slow.
    """
    eta = 4.0
    near, point = (tensor.double().T.contiguous() for tensor in (near, start))
    wanted = one_hot(labels, len(near)).double().T.contiguous()
    constant = rho * near + wanted
    old, momentum, before = point, 1.0, torch.inf
    for _ in range(steps):
        # (ρ m + point/η − (softmax(point) − y)) / (ρ + 1/η)
        z = point.softmax(0).neg_().add_(constant).add_(point, alpha=1 / eta).div_(rho + 1 / eta)
        losses = z.logsumexp(0).sum() - torch.vdot(z.flatten(), wanted.flatten())
        value = (losses + rho / 2 * torch.dist(z, near).square()).item()
        if abs(value - before) < tolerance:
            break
        faster = (1 + sqrt(1 + 4 * momentum**2)) / 2
        # z + (momentum − 1) / faster · (z − old)
        point = torch.lerp(old, z, 1 + (momentum - 1) / faster)
        old, momentum, before = z, faster, value
    return z.T


def objective(state: State, gaps: list[list[tuple[Tensor, Tensor]]]) -> float:
    """Augmented Lagrangian per image as the iteration leaves it, with the new dual."""
    last = gaps[-1][0][0]
    total = cross_entropy(state.z[-1], state.labels, reduction="none").sum(dtype=torch.float64)
    total += (state.u * last).sum(dtype=torch.float64)
    total += state.rho / 2 * sum(squares(gap) for pairs in gaps for gap, _ in pairs)
    return total.item() / len(state.labels)


def raise_penalty_(penalty: Tensor, cost: float, limit: float) -> None:
    """ρ = min(10 ρ, limit) and θ₀ times 10 once the training `cost` has risen three iterations in a row; in place."""
    rho, theta, before, risen = penalty.tolist()
    risen = risen + 1 if cost > before else 0
    if risen >= 3:
        rho, theta = min(10 * rho, limit), 10 * theta
    penalty.copy_(penalty.new_tensor([rho, theta, cost, risen]))
