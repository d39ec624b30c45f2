"""How fast the prediction falls as the most relevant regions go: AOPC, most relevant first (normat.md section 8.5).

What falls is the softmax probability of the class predicted on the whole image. Removal in random order, the same
whatever the explainer, stands beside it.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.evaluations.subject import Row, Subject
from pipeline.explainers.maps import Maps, resized
from pipeline.metrics.fidelity import aopc
from pipeline.models.trained import batches
from pipeline.training.streams import stream

if TYPE_CHECKING:
    from pipeline.settings.evaluations import Fidelity


def evaluate(subject: Subject, settings: "Fidelity") -> list[Row]:
    """Metrics `aopc` by explainer and `aopc_random`, mean over images of the mean over L; subset "steps=L" is one L.

    An image has fewer regions than some L: that L is NaN with n = 0 and is no part of the mean.
    """
    rows = []
    for explainer, maps in subject.maps.items():
        rows += _rows("aopc", _areas(subject, maps, settings), settings, explainer)
    longest = max(subject.maps.values(), key=lambda maps: len(maps.ids))
    # A map without differences removes in random order.
    control = Maps(longest.ids, longest.targets, torch.zeros_like(longest.values))
    return rows + _rows("aopc_random", _areas(subject, control, settings), settings, None)


def _areas(subject: Subject, maps: Maps, settings: "Fidelity") -> Tensor:
    """AOPC by L and image, len(steps)×N."""
    images = subject.splits["test"]
    places = {name: row for row, name in enumerate(images.ids)}
    if unknown := [name for name in maps.ids if name not in places]:
        raise UserError(f"{images.path}: has no image '{unknown[0]}', which the maps explain; delete the maps")
    explained = torch.tensor([places[name] for name in maps.ids])
    areas = []
    for rows in batches(len(explained)):
        pixels = images.floats(explained[rows])
        relevance = resized(maps.values[rows].to(pixels.device), pixels.shape[2:])
        areas.append(
            aopc(
                confidence(subject.network, pixels),
                pixels,
                relevance,
                patch=settings.patch,
                steps=settings.steps,
                draws=settings.draws,
                generator=stream(subject.seed, "evaluate", "fidelity"),
            ).cpu()
        )
    return torch.cat(areas, dim=1)


@torch.no_grad()
def confidence(network: nn.Module, images: Tensor) -> Callable[[Tensor], Tensor]:
    """From changed images to the softmax probability of the class that the network predicts on `images`."""
    predicted = network(images).argmax(1, keepdim=True)
    return lambda changed: network(changed).softmax(1).gather(1, predicted)[:, 0]


def _rows(metric: str, areas: Tensor, settings: "Fidelity", explainer: str | None) -> list[Row]:
    parts = [(None, areas.nanmean(0)), *((f"steps={L}", area) for L, area in zip(settings.steps, areas, strict=True))]
    return [Row.mean(metric, values, subset, explainer) for subset, values in parts]
