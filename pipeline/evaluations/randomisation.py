"""How maps change as layers are re-initialised from the classifier to the stem (normat.md section 8.6).

The class that the untouched network explains, label or prediction, is explained throughout, with the same random draws.
Coarse maps are enlarged to the image before they are compared.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pipeline import registry
from pipeline.evaluations.subject import Row, Subject
from pipeline.explainers.maps import resized
from pipeline.metrics.randomisation import Likeness, cascade, likeness
from pipeline.models.trained import batches, explained_classes

if TYPE_CHECKING:
    from pipeline.settings.evaluations import Randomisation


def evaluate(subject: Subject, settings: "Randomisation") -> list[Row]:
    """Metrics `ssim` and `rank_correlation` with the original map, after the last stage; subset "stage=01 head" is one.

    Means over the images for which they are defined, which `n` counts; "stage=00 original" compares with itself.
    """
    original = _maps(subject, subject.network, settings)
    found = {"stage=00 original": likeness(original, original)}
    for stage, (name, network) in enumerate(cascade(subject.network, subject.seed), 1):
        found[f"stage={stage:02d} {name}"] = likeness(original, _maps(subject, network, settings))
    parts = [(None, list(found.values())[-1]), *found.items()]
    return [
        Row.mean(metric, getattr(result, metric), subset) for metric in Likeness._fields for subset, result in parts
    ]


def _maps(subject: Subject, network: nn.Module, settings: "Randomisation") -> Tensor:
    """Maps of the first images by `network`, N×H×W, on the CPU."""
    explain = registry.load("explainer", settings.explainer.kind)
    images = subject.splits["test"]
    first = torch.arange(len(images))[: settings.samples]
    maps = []
    for rows in batches(len(first)):
        pixels = images.floats(first[rows])
        targets = explained_classes(subject.network, pixels, images.labels[first[rows]], settings.explainer.target)
        maps.append(resized(explain(network, pixels, targets, settings.explainer).detach(), pixels.shape[2:]).cpu())
    return torch.cat(maps)
