"""Learning rates, optimisers and trained stages from settings."""

from collections.abc import Iterable
from math import cos, pi
from typing import TYPE_CHECKING

import torch
from torch import nn

from pipeline.errors import UserError

if TYPE_CHECKING:
    from pipeline.models.classifier import Classifier
    from pipeline.settings.training import AnyOptimiser, AnySchedule, OneCycle, Path


def learning_rate(
    schedule: "AnySchedule", rate: float, epoch: int, epochs: int, step: int = 0, steps: int = 1
) -> float:
    """Rate of 0-based `step` of the `steps` in 0-based `epoch` of `epochs`, for an optimiser's `rate`.

    Of "steps" it is the rate × factor for each milestone that lies behind, the same throughout an epoch.
    """
    if schedule.kind == "one_cycle":
        return one_cycle(schedule, rate, epoch * steps + step, epochs * steps)
    # Rounded, since 0.55 · 200 is a little more than 110 in floating point.
    passed = sum(epoch >= round(milestone * epochs, 6) for milestone in schedule.milestones)
    return rate * schedule.factor**passed


def one_cycle(schedule: "OneCycle", highest: float, step: int, steps: int) -> float:
    """Rate of 0-based `step` of `steps`: half a cosine up to `highest`, half a one down, as torch's OneCycleLR.

    The optimiser's momentum stays as it is.
    """
    first = highest / schedule.start_divisor
    last = first / schedule.end_divisor
    top = schedule.rise * steps - 1
    below, behind, length = (first, step, top) if step <= top else (last, steps - 1 - step, steps - 1 - top)
    return below + (highest - below) * (1 - cos(pi * behind / length)) / 2 if length > 0 else highest


def optimiser_of(groups: Iterable[dict], settings: "AnyOptimiser") -> torch.optim.Optimizer:
    """Optimiser over parameter groups; a group may override weight_decay."""
    groups = [dict(group) for group in groups]  # the optimiser writes its own options into them
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.kind == "adam":
        return torch.optim.Adam(groups, lr=rate, betas=settings.betas, weight_decay=decay)
    if settings.kind == "adamw":
        return torch.optim.AdamW(groups, lr=rate, weight_decay=decay)
    momentum, nesterov = settings.momentum, settings.nesterov
    return torch.optim.SGD(groups, lr=rate, momentum=momentum, weight_decay=decay, nesterov=nesterov)


def train_only(network: "Classifier", path: "Path", name: str) -> None:
    """Put `network` into training mode and let gradients reach the stages `path.trainable` alone.

    Batch norm of other stages goes on counting, as in the code of the CSG authors, unless `path.freeze_batch_norm`.
    Raises `UserError`, naming the method instance `name`, for a stage that the network does not have.
    """
    network.train()
    stages = network.stages()
    chosen = stages if path.trainable is None else path.trainable
    for stage in chosen:
        if stage not in stages:
            raise UserError(f"methods.{name}.trainable: no stage '{stage}' in the network; it has {', '.join(stages)}")
    for stage, module in stages.items():
        module.requires_grad_(stage in chosen)
        if stage not in chosen and path.freeze_batch_norm:
            for layer in module.modules():
                if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                    layer.eval()
