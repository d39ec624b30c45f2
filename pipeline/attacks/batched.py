"""An attack on some images of a split, a batch at a time."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pipeline import registry
from pipeline.attacks.outcome import fooled
from pipeline.models.trained import batches
from pipeline.training.data import Images

if TYPE_CHECKING:
    from pipeline.settings.attacks import AnyAttack


def attacked(
    network: nn.Module,
    images: Images,
    chosen: Tensor,
    targets: Tensor | None,
    settings: "AnyAttack",
    generator: torch.Generator,
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """For each batch of the images with the numbers `chosen` N: B×C×H×W before and after, and B bool, fooled or not.

    `targets` N are classes to become, None means any other than the label; results are on the images' device.
    """
    attack = registry.load("attack", settings.kind)
    for rows in batches(len(chosen)):
        numbers = chosen[rows].to(images.pixels.device)
        pixels, labels = images.floats(numbers), images.labels[numbers]
        goals = None if targets is None else targets[rows].to(pixels.device)
        changed = attack(network, pixels, labels, goals, settings, generator)
        with torch.no_grad():
            yield pixels, changed, fooled(network(changed), labels, goals)
