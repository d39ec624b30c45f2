"""Learning rates and optimisers from settings."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from pipeline.settings.methods import Sgd, Steps


def learning_rate(schedule: "Steps", start: float, epoch: int, epochs: int) -> float:
    """Rate during 0-based `epoch` of `epochs`: `start` × factor for each milestone that lies behind."""
    # Rounded, since 0.55 · 200 is a little more than 110 in floating point.
    passed = sum(epoch >= round(milestone * epochs, 6) for milestone in schedule.milestones)
    return start * schedule.factor**passed


def sgd(groups: Iterable[dict], settings: "Sgd") -> torch.optim.SGD:
    """Stochastic gradient descent over parameter groups; a group may override weight_decay."""
    return torch.optim.SGD(
        groups,
        lr=settings.learning_rate,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
        nesterov=settings.nesterov,
    )
