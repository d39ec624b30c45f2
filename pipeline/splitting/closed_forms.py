"""Exact minimisers that methods without backpropagation put together: entry by entry, image by image, by least squares.

They are of one kind: a variable is pulled towards several targets by quadratic penalties (admm.md sections 2 and 5).
Rows are images throughout. What small systems are made of is summed and solved in double precision: their entries may
be 1e-8 and their condition 1e12, where single precision loses all digits.
"""

from collections.abc import Callable
from math import sqrt

import torch
from torch import Tensor

from pipeline.errors import UserError

#: Images whose values are in double precision at a time.
ROWS = 4096


def relu_minimiser(near: Tensor, target: Tensor, near_weight: float, target_weight: float) -> Tensor:
    """argmin_z p/2 (z − m)² + q/2 (c − max(0, z))², entry by entry, for m = `near` and c = `target` of one shape.

    The cheaper of z⁺ = max(0, (p m + q c) / (p + q)) and z⁻ = min(0, m), the minima on either side of 0 (admm.md
    section 2). For m ≥ 0 that is z⁺. For m < 0 the costs of z⁺ > 0 and z⁻ are p q / (p + q) · (m − c)² / 2 and
    q c² / 2, so that z⁺ wins where c > 0 and m ≥ −c (√(1 + q/p) − 1): one threshold in place of two costs. A tie goes
    to z⁺.
    """
    reach = sqrt(1 + target_weight / near_weight) - 1
    share = near_weight / (near_weight + target_weight)
    positive = torch.lerp(target, near, share).clamp_min_(0)
    return torch.where(target.clamp_min(0).mul_(reach).add_(near) >= 0, positive, near)


def output_minimiser(loss: str, near: Tensor, targets: Tensor, weight: float) -> Tensor:
    """argmin_z loss(z, y) + β/2 |z − m|², entry by entry, for m = `near` N×C, one-hot y = `targets` and β = `weight`.

    "squared_error" is 1/2 (z − y)², "hinge" that of Taylor et al.: max(1 − z, 0) where y = 1, max(z, 0) where y = 0.
    """
    if loss == "squared_error":
        return (targets + weight * near) / (1 + weight)
    if loss == "hinge":
        raised = near.maximum((near + 1 / weight).clamp_max(1))
        lowered = near.minimum((near - 1 / weight).clamp_min(0))
        return torch.where(targets > 0, raised, lowered)
    raise ValueError(f"unknown loss '{loss}'")


def output_loss(loss: str, outputs: Tensor, targets: Tensor) -> Tensor:
    """The `loss` of `output_minimiser` summed over classes and images, in double precision."""
    if loss == "squared_error":
        return (outputs - targets).square().sum(dtype=torch.float64) / 2
    if loss == "hinge":
        return torch.where(targets > 0, 1 - outputs, outputs).clamp_min(0).sum(dtype=torch.float64)
    raise ValueError(f"unknown loss '{loss}'")


def cross_product(left: Tensor, right: Tensor) -> Tensor:
    """leftᵀ right, d×e float64, of `left` N×d and `right` N×e, multiplied and summed in double precision."""
    total = left.new_zeros(left.shape[1], right.shape[1], dtype=torch.float64)
    for some, others in zip(left.split(ROWS), right.split(ROWS), strict=True):
        total.addmm_(some.double().T, others.double())
    return total


def ridge_solver(inputs: Tensor, ridge: float, key: str) -> Callable[[Tensor], Tensor]:
    """Function from T N×e to argmin_W 1/2 |T − A Wᵀ|² + r/2 |W|², e×d, for A = `inputs` N×d and r = `ridge`.

    T may change from call to call. Raises `UserError` that blames the setting `key` if AᵀA + r I is singular.
    """
    system = cross_product(inputs, inputs)
    system.diagonal().add_(ridge)
    factor, failed = torch.linalg.cholesky_ex(system)
    pivots = factor.diagonal().square()
    if failed or pivots.min() <= len(system) * torch.finfo(torch.float64).eps * pivots.max():
        raise UserError(
            f"{key}: leaves the least-squares problem of a layer singular, since inputs of it are constant 0 or depend "
            f"on each other; raise it, for instance to 5e-5"
        )
    return lambda wanted: torch.cholesky_solve(cross_product(inputs, wanted), factor).T.to(wanted.dtype)


def pseudo_inverse_solver(inputs: Tensor) -> Callable[[Tensor], Tensor]:
    """Function from T N×e to Tᵀ pinv(A)ᵀ, e×d, for A = `inputs` N×d: the shortest W with the least |T − A Wᵀ|²."""
    inverse = torch.linalg.pinv(cross_product(inputs, inputs), hermitian=True)
    return lambda wanted: (inverse @ cross_product(inputs, wanted)).T.to(wanted.dtype)


def activation_minimiser(weight: Tensor, outputs: Tensor, beta: float, near: Tensor, gamma: float) -> Tensor:
    """argmin_a β/2 |z − W a|² + γ/2 |a − n|² an image, N×d, for W = `weight` e×d, z = `outputs` N×e, n = `near`."""
    double = weight.double()
    system = beta * double.T @ double
    system.diagonal().add_(gamma)
    factor = torch.linalg.cholesky(system).to(near.dtype)
    right = torch.addmm(near, outputs, weight, beta=gamma, alpha=beta)
    return torch.cholesky_solve(right.T, factor).T
