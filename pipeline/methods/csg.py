"""CSG: class-specific filters through a learned gate matrix.

Paper: Liang et al., Training interpretable convolutional neural networks by differentiating class-specific filters,
ECCV 2020 (csg.md sections 1 and 2). A gate matrix G ∈ [0,1]^{C×K} says which of the K filters of the last stage may
serve which of the C classes. Whole epochs alternate between two paths:

    STD epoch:  L = CE(y, softmax(W a(x) + b)); updates θ, leaves G alone
    CSG epoch:  L = λ1 CE(y, softmax(W (a(x) ∘ G_y) + b)) + λ2 d(‖G‖₁ − g); updates θ and G, then projects G onto
                V_G = {G ∈ [0,1]^{C×K} : every column has maximum 1}

At test time the gates are absent. Published (Table J.1): 88.85 % on CIFAR-10 with ResNet-20, against 88.03 % for STD.

Fixed gates (appendix E, section 2.8) are made by hand and not learnt: m1 filters for each class alone, m2 for all. Then
only the cross-entropy is left of the CSG epoch's loss, and instead of alternating, a step may join both paths (section
8.29):

    L = w_STD CE(y, softmax(W a(x) + b)) + w_CSG CE(y, softmax(W (a(x) ∘ G_y) + b)), for instance 0.3 and 0.7

For fine-tuning on PASCAL VOC (section 5) each path has its own optimiser, stages and count of epochs.

Departures: gates multiply the pooled features, which for networks with global average pooling equals gating the maps;
gates get no weight decay; a column whose gates all vanish has its largest entry set to 1.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, smooth_l1_loss

from pipeline.errors import UserError
from pipeline.training.schedule import learning_rate, optimiser_of
from pipeline.training.session import Session

if TYPE_CHECKING:
    from pipeline.settings.methods import Csg, FixedGates


def fit(session: Session, settings: "Csg") -> dict[str, Tensor]:
    """Train `session.network` with gates; returns {"gates": C×K}."""
    network = session.network
    classes, filters = session.images.classes, network.last_convolution.out_channels
    learnt = settings.fixed_gates is None
    if learnt:
        check_interval(classes, filters, settings, session.name)
        warn_if_too_short(session, settings)
        start = torch.full((classes, filters), settings.gate_init)
    else:
        start = fixed_gates(classes, filters, exclusive_filters(classes, filters, settings.fixed_gates, session.name))
    bound = settings.density_bound * classes * filters
    # Without a gradient the optimiser passes fixed gates over: no step, no momentum.
    gates = nn.Parameter(start.to(session.compute.device), requires_grad=learnt)
    groups = [{"params": list(network.parameters())}, {"params": [gates], "weight_decay": 0.0}]
    paths = [settings, settings.csg_path] if settings.csg_path else [settings]
    optimisers = [optimiser_of(groups, path.optimiser) for path in paths]
    session.track(gates=gates)

    for epoch in session.epochs(settings, *optimisers):
        gated = is_csg_epoch(epoch, settings)
        if settings.csg_path:
            earlier = sum(is_csg_epoch(other, settings) == gated for other in range(epoch))
            session.follow(paths[gated], optimisers[gated], earlier)
        for images, labels in session.batches():
            with session.autocast():
                activations = network.activations(images)
            if gated:
                logits = network.readout(through(gates, labels, activations))
                loss = settings.lambda1 * cross_entropy(logits, labels)
                if learnt:
                    loss = loss + settings.lambda2 * penalty(gates, bound, settings.penalty)
            else:
                logits = network.readout(activations)
                loss = cross_entropy(logits, labels)
                if settings.joint_weights:
                    std_weight, csg_weight = settings.joint_weights
                    gated_logits = network.readout(through(gates, labels, activations))
                    loss = std_weight * loss + csg_weight * cross_entropy(gated_logits, labels)
            session.step(loss, logits, labels)
            if gated and learnt:
                project_(gates, settings.projection)
        session.record(csg_path=gated, density=l1_density(gates).item())
    return {"gates": gates}


def is_csg_epoch(epoch: int, settings: "Csg") -> bool:
    """Whether the 0-based epoch runs through the gates alone (section 2.2); none does where steps join both paths."""
    return settings.joint_weights is None and epoch >= settings.warmup and epoch % settings.period >= settings.csg_min


def through(gates: Tensor, labels: Tensor, activations: Tensor) -> Tensor:
    """A(x) ∘ G_y: `activations` B×K or B×K×h×w, filter by filter times the C×K `gates` of the true class."""
    rows = gates[labels]
    return activations * rows.view(*rows.shape, *[1] * (activations.ndim - 2))


def fixed_gates(classes: int, filters: int, exclusive: int) -> Tensor:
    """Gates C×K of 0 and 1 (section 2.8): `exclusive` m1 filters for each class in turn, the other m2 for all."""
    own = torch.eye(classes).repeat_interleave(exclusive, dim=1)
    return torch.cat([own, torch.ones(classes, filters - own.shape[1])], dim=1)


def penalty(gates: Tensor, bound: float, outer: str) -> Tensor:
    """d(‖G‖₁, g): zero up to the bound g; above it the excess, its square or its smooth L1 (section 2.1)."""
    excess = torch.relu(gates.abs().sum() - bound)
    match outer:
        case "identity":
            return excess
        case "square":
            return excess.square()
        case "smooth_l1":
            return smooth_l1_loss(excess, torch.zeros_like(excess))
    raise ValueError(f"unknown penalty '{outer}'")


@torch.no_grad()
def project_(gates: Tensor, projection: str) -> Tensor:
    """Bring C×K gates back to V_G in place (section 2.4): 0 ≤ G ≤ 1, every column has maximum 1.

    `normalise` divides each column by its maximum and clips; `euclid` takes the nearest point of V_G. Both are
    idempotent. A column without a positive gate is clipped and its largest entry set to 1.
    """
    largest, rows = gates.max(dim=0, keepdim=True)
    if projection == "normalise":
        gates.div_(torch.where(largest > 1e-8, largest, 1.0))
    gates.clamp_(0, 1)
    return gates.scatter_(0, rows, 1.0)


def l1_density(gates: Tensor) -> Tensor:
    """‖G‖₁ / (C·K), in [1/C, 1] once projected (appendix A)."""
    return gates.abs().mean()


def check_interval(classes: int, filters: int, settings: "Csg", name: str) -> None:
    """Refuse settings of the method instance `name` under which the gates cannot do what they are for."""
    if classes > filters and not settings.share_filters:
        raise UserError(
            f"methods.{name}.network: {classes} classes are more than the {filters} filters of the last stage, too few "
            f"for one each; take a wider network or set share_filters: true"
        )
    if settings.density_bound * classes < 1 - 1e-9:
        raise UserError(
            f"methods.{name}.density_bound: {settings.density_bound} is below 1/{classes}, the least density that "
            f"{classes} classes allow; raise it to {1 / classes:.4g} or more"
        )


def exclusive_filters(classes: int, filters: int, fixed: "FixedGates", name: str) -> int:
    """m1 of the method instance `name`; raises `UserError` where the network has too few filters."""
    exclusive = fixed.exclusive or filters // classes
    if not 0 < exclusive * classes <= filters:
        raise UserError(
            f"methods.{name}.fixed_gates.exclusive: {exclusive or 1} for each of {classes} classes are more than the "
            f"{filters} filters of the last stage; lower it or take a wider network"
        )
    return exclusive


def warn_if_too_short(session: Session, settings: "Csg") -> None:
    """Note a run in which an unused gate has no time to reach zero (section 2.5)."""
    path = settings.csg_path or settings
    start = path.optimiser.learning_rate
    epochs = [epoch for epoch in range(settings.epochs) if is_csg_epoch(epoch, settings)]
    counted = range(len(epochs)) if settings.csg_path else epochs
    full_rate = sum(learning_rate(path.schedule, start, epoch, settings.epochs) == start for epoch in counted)
    steps = full_rate * session.steps_per_epoch(settings.batch_size)
    if path.optimiser.kind in ("adam", "adamw"):
        # Adam's steps are about as long as its rate, however small the gradient.
        travel, how, remedy = start * steps, "learning rate", "the learning rate of the CSG path"
    else:
        travel = start / (1 - path.optimiser.momentum) * settings.lambda2 * steps
        how, remedy = "learning rate / (1 - momentum) · lambda2", "lambda2"
    if travel < 2:
        session.notices.append(
            f"gates have time to fall by {travel:.2g} only ({how} · {steps} CSG steps at full rate), short of the 2 "
            f"that sparsity needs; raise {remedy} or epochs"
        )
