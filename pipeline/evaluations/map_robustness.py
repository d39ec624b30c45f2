"""How much a map changes under a small change of the image that keeps the prediction (normat.md section 8.3).

The map is attacked by `attacks/top_k.py` at several radii. Its steps go down the gradient of the network with ReLU
replaced by softplus, which changes nothing in a network without ReLU; maps, masses and predictions are the network's
own. An image for which no step helps counts with its own map, as in the paper. One that even softplus does not move
tells nothing about robustness and is left out of the means; `attack_invalid` is the share of both.
"""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pipeline import registry
from pipeline.attacks.top_k import top_k
from pipeline.errors import UserError
from pipeline.evaluations.subject import Row, Subject
from pipeline.metrics.similarity import display_map, normalised_distance, ssim, top_k_intersection
from pipeline.models.trained import batches, explained_classes

if TYPE_CHECKING:
    from pipeline.settings.evaluations import MapRobustness
    from pipeline.settings.explainers import AnyExplainer


def evaluate(subject: Subject, settings: "MapRobustness") -> list[Row]:
    """Metrics of the maps of an image and of its attacked copy, subset "radius=r"; overall rows are means over radii.

    Where nothing changed, `topk_intersection` and `ssim` of display maps are 1 and `normalised_distance` of magnitudes
    is 0; `n` counts the images for which they are defined. `attack_invalid` in 0..1 is over all images.
    """
    parts = [_batch(subject, settings, rows) for rows in batches(min(settings.samples, len(subject.splits["test"])))]
    rows = []
    for metric in parts[0]:
        values = torch.cat([part[metric] for part in parts], dim=1)
        rows.append(Row.mean(metric, values.nanmean(0)))
        rows += [
            Row.mean(metric, of_radius, subset=f"radius={radius:g}")
            for radius, of_radius in zip(settings.radii, values, strict=True)
        ]
    return rows


def _batch(subject: Subject, settings: "MapRobustness", rows: slice) -> dict[str, Tensor]:
    """Each metric as radii × images, on the CPU; NaN where it is not defined."""
    images, network = subject.splits["test"], subject.network
    rows = slice(rows.start, min(rows.stop, settings.samples))
    pixels = images.floats(rows)
    targets = explained_classes(network, pixels, images.labels[rows], settings.explainer.target)
    attribution = _attribution(network, targets, settings.explainer)
    original = attribution(pixels)
    values: dict[str, list[Tensor]] = {}
    for radius in settings.radii:
        found = top_k(
            network, attribution, pixels, radius=radius, steps=settings.steps, step=settings.step * radius,
            share=settings.top, softplus=settings.softplus,
        )  # fmt: skip
        changed = attribution(found.images)
        measured = {
            "topk_intersection": top_k_intersection(original, changed, settings.top),
            "ssim": ssim(display_map(original), display_map(changed)),
            "normalised_distance": normalised_distance(original.abs(), changed.abs()),
        }
        for metric, value in measured.items():
            values.setdefault(metric, []).append(torch.where(found.stuck, torch.nan, value).cpu())
        values.setdefault("attack_invalid", []).append((~found.found).double().cpu())
    return {metric: torch.stack(by_radius) for metric, by_radius in values.items()}


def _attribution(network: nn.Module, targets: Tensor, explainer: "AnyExplainer") -> Callable[[Tensor], Tensor]:
    """Function from images to attributions B×C×H×W, with the same draws at each call."""
    attribute = getattr(import_module(registry.module("explainer", explainer.kind)), "attribute", None)
    if attribute is None:
        raise UserError(
            f"evaluations: explainer.from: '{explainer.kind}' has no gradient in the image to attack; take one of "
            "pixels, such as input_gradient"
        )
    return lambda images: attribute(network, images, targets, explainer, create_graph=images.requires_grad)
