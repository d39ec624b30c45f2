"""Attack on an explanation: a small change that takes mass from the top of a map and keeps the prediction.

Paper: the L2 variant of Ghorbani et al. 2019, Interpretation of neural networks is fragile, in Levine et al. 2019
(normat.md section 8.3). With a(x) = |attributions of x| and M the ⌊share · #{a_i(x₀) > 0}⌋ largest entries of a(x₀):
D(x) = Σ_{i∈M} a_i(x) / Σ_i a_i(x), x ← x − η·sgn ∇D, projected onto ‖x − x₀‖₂ ≤ r. Of all points on the way, x₀ among
them, the one with the lowest D whose predicted class is that of x₀ is kept.

D's gradient is a second derivative of the network. That of a ReLU network is zero almost everywhere, so its gradient
attributions cannot be attacked as they stand; with `softplus` the steps, and only they, are taken on the same network
with ReLU replaced (as Ghorbani et al. do). Images that no gradient moves are told apart: they are `stuck`, not robust.
Cost of a step: one forward and three backward passes for its direction, two forward and one backward to judge it.
"""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from pipeline.ranking import counted, largest

RELU = frozenset({functional.relu, torch.relu, Tensor.relu})


class Attacked(NamedTuple):
    """`images` B×C×H×W; `before` and `after` B, D at x₀ and at the image kept; `found` and `stuck` B bool.

    `found`: some step lowered D and kept the class; where none did, the image is x₀. `stuck`: D had no gradient at x₀,
    or none that is a number, so that the attack tells nothing; `found` is then False.
    """

    images: Tensor
    before: Tensor
    after: Tensor
    found: Tensor
    stuck: Tensor


def top_k(
    network: nn.Module,
    attribution: Callable[[Tensor], Tensor],
    images: Tensor,
    *,
    radius: float,
    steps: int,
    step: float,
    share: float,
    softplus: float | None = None,
    clip: bool = False,
) -> Attacked:
    """Change `images` B×C×H×W by at most `radius` in the Euclidean norm so that their top entries lose mass.

    `attribution` takes images to attributions of their shape, each image by itself, and differentiably if the images
    require gradients. `step` is η in pixel units, `share` that of the non-zero entries that are the top, `softplus` the
    β of the softplus that replaces ReLU for the direction of steps (None: nothing is replaced). Values may leave 0..1,
    as in the paper, unless `clip`. A map of zeros has no D: `before` is NaN and the image stuck.
    """
    images = images.detach()
    original = _magnitudes(attribution(images))
    top = largest(original, counted(share, original.count_nonzero(1)))
    classes = _predicted(network, images)
    before = _share_of(original, top)
    moved, best, after = images, images, before
    stuck = torch.zeros_like(classes, dtype=torch.bool)
    for taken in range(steps):
        slope = _slope(attribution, moved, top, softplus)
        if taken == 0:
            stuck = ~(slope.flatten(1).abs().amax(1) > 0)
        ahead = moved - step * slope.sign()
        moved = images + (ahead - images).renorm(2, 0, radius)
        if clip:
            moved = moved.clamp(0, 1)
        mass = _share_of(_magnitudes(attribution(moved)), top)
        better = ~stuck & (mass < after) & (_predicted(network, moved) == classes)
        best = torch.where(better[:, None, None, None], moved, best)
        after = torch.where(better, mass, after)
    return Attacked(best, before, after, after < before, stuck)


class Softened(TorchFunctionMode):
    """Within the block ReLU is softplus(x) = log(1 + exp(βx)) / β, smooth where ReLU has its kink.

    It takes the place of `nn.ReLU`, of `relu` in `torch.nn.functional` under whatever name it was imported, of
    `torch.relu` and of the method; not of `relu_`, which is used for what it does to its argument.
    """

    def __init__(self, beta: float) -> None:
        super().__init__()
        self.beta = beta

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in RELU:
            return functional.softplus(args[0] if args else kwargs["input"], self.beta)
        return func(*args, **(kwargs or {}))


def _slope(attribution: Callable[[Tensor], Tensor], images: Tensor, top: Tensor, softplus: float | None) -> Tensor:
    """∇D at `images`; zeros where D does not depend on them."""
    images = images.detach().requires_grad_()
    with nullcontext() if softplus is None else Softened(softplus):
        shares = _share_of(attribution(images).abs().flatten(1), top)
    if not shares.requires_grad:
        return torch.zeros_like(images)
    return torch.autograd.grad(shares.sum(), images, materialize_grads=True)[0]


def _share_of(magnitudes: Tensor, top: Tensor) -> Tensor:
    """D: the share of the entries `top` in each row of `magnitudes`, both B×n; NaN for a row of zeros."""
    magnitudes = magnitudes.double()
    return (magnitudes * top).sum(1) / magnitudes.sum(1)


def _magnitudes(attributions: Tensor) -> Tensor:
    return attributions.detach().abs().flatten(1)


@torch.no_grad()
def _predicted(network: nn.Module, images: Tensor) -> Tensor:
    return network(images).argmax(1)
