"""Whether maps, and single filters, find the object (csg.md E9, reff.md "Metrics, exactly").

Three things stand side by side, told apart by `explainer`: the maps of each explainer; "ActivMap", all filters of the
last stage, aggregated over the class that each focuses on (appendix H.1); and "GradMap", the gradient maps of each
class's most active filters, averaged for each image first (csg.md 8.17). Images without a mask are left out.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.evaluations.subject import Row, Subject
from pipeline.explainers.filter_gradient import filter_gradient
from pipeline.explainers.maps import Maps, resized
from pipeline.metrics import localisation as metrics
from pipeline.models.trained import batches
from pipeline.training.data import Images

if TYPE_CHECKING:
    from pipeline.settings.evaluations import Localisation

#: n of the curve of APn, in percent (csg.md 8.19).
CURVE = range(5, 65, 5)

#: What gradient maps, divided by their root mean square over the image, must exceed to be inside (csg.md E9).
GRADIENT_THRESHOLD = 1.0

#: Names of what is measured besides maps; those of explainers have no capitals.
FILTERS, GRADIENTS = "ActivMap", "GradMap"


def evaluate(subject: Subject, settings: "Localisation") -> list[Row]:
    """For each explainer `iou` and `ap`, APn: over all, "class=c", and `ap` at each n of `CURVE`, subset "n=30".

    Maps have besides `pointing_game`, `energy_inside`, and the shares `flat_maps` of constant maps and `empty_maps` of
    maps without a positive value. All filters have "filter=k"; `focus_filters`, |F_c|, subset "class=c"; and the share
    `covering_filters` of those whose threshold, then mostly 0, all their activations reach: they cover every image, and
    with an APn of 0 go to the lowest class. `n` counts the images with a value, for means over filters the filters.
    `mask_area` is what `energy_inside` would be for a map that knows nothing. Raises `UserError` if there are no masks.
    """
    images = subject.splits["test"]
    masks = images.masks()
    areas = masks.flatten(1).double().mean(1)
    rows = [Row("mask_area", areas[areas > 0].mean().item(), int((areas > 0).sum()))]
    for explainer, maps in subject.maps.items():
        rows += _of_maps(explainer, maps, images, masks, settings)
    kept = areas[: settings.samples].nonzero()[:, 0]
    if not len(kept):
        raise UserError(f"{images.path}: none of the images measured has a mask; raise `samples` of the evaluation")
    activations = _activations(subject, images, kept)
    rows += _of_filters(activations, images.labels[kept], masks[kept], images.classes, settings)
    return rows + _of_gradients(subject, activations, kept, masks, settings)


def _of_maps(explainer: str, maps: Maps, images: Images, masks: Tensor, settings: "Localisation") -> list[Row]:
    _check_ids(explainer, maps, images)
    count = len(maps.ids)
    flat = maps.values.flatten(1).amax(1) == maps.values.flatten(1).amin(1)
    found = []
    for rows in batches(count):
        small, mask = maps.values[rows].to(masks.device), masks[:count][rows]
        # Rounding would make a constant map uneven.
        large = resized(small, mask.shape[1:]).where(~flat[rows, None, None].to(masks.device), small[:, :1, :1])
        found.append([
            metrics.map_overlaps(large, mask, settings.share),
            metrics.pointing_game(large, mask),
            metrics.energy_inside(large, mask),
        ])  # fmt: skip
    overlaps, hits, energy = (torch.cat(parts).cpu() for parts in zip(*found, strict=True))
    empty = (maps.values <= 0).flatten(1).all(1)
    return [
        *_of_images(explainer, overlaps, images.labels[:count].cpu(), settings.overlap),
        Row.mean("pointing_game", hits, explainer=explainer),
        Row.mean("energy_inside", energy, explainer=explainer),
        Row.mean("flat_maps", flat, explainer=explainer),
        Row.mean("empty_maps", empty, explainer=explainer),
    ]


def _check_ids(explainer: str, maps: Maps, images: Images) -> None:
    if maps.ids != images.ids[: len(maps.ids)]:
        raise UserError(
            f"{images.path}: its images are not those that '{explainer}' explained; delete the maps and run snakemake "
            f"again"
        )


def _of_images(explainer: str, overlaps: Tensor, labels: Tensor, percent: int) -> list[Row]:
    """Rows of one IoU an image."""
    values = {"iou": overlaps, "ap": metrics.reaches(overlaps, percent)}
    return [
        *(Row.mean(metric, of_images, explainer=explainer) for metric, of_images in values.items()),
        *(
            Row.mean(metric, of_images[labels == label], f"class={label}", explainer)
            for metric, of_images in values.items()
            for label in labels.unique().tolist()
        ),
        *(Row.mean("ap", metrics.reaches(overlaps, n), f"n={n}", explainer) for n in CURVE),
    ]


@torch.no_grad()
def _activations(subject: Subject, images: Images, kept: Tensor) -> Tensor:
    """Activation maps N×K×h×w of the images `kept`, on the CPU."""
    found = [subject.network.maps(images.floats(kept[rows])).float().cpu() for rows in batches(len(kept))]
    return torch.cat(found)


def _of_filters(
    activations: Tensor, labels: Tensor, masks: Tensor, classes: int, settings: "Localisation"
) -> list[Row]:
    """Rows of activation maps N×K×h×w, for images that all have a mask."""
    thresholds = metrics.filter_thresholds(activations, settings.share).to(masks.device)
    overlaps = torch.cat([
        metrics.filter_overlaps(activations[rows].to(masks.device), masks[rows], thresholds)
        for rows in batches(len(masks))
    ]).cpu()  # fmt: skip
    labels = labels.cpu()
    images = labels.bincount(minlength=classes)
    rates = {n: metrics.class_means(metrics.reaches(overlaps, n), labels, classes) for n in {*CURVE, settings.overlap}}
    focused = metrics.focus(rates[settings.overlap])
    values = {"iou": metrics.class_means(overlaps, labels, classes), "ap": rates[settings.overlap]}
    present = labels.unique().tolist()
    covering = activations.amin((0, 2, 3)) >= thresholds.cpu()
    rows = [Row.mean("covering_filters", covering, explainer=FILTERS)]
    for metric, of_classes in values.items():
        own, scores, members = metrics.by_focus(of_classes, focused)
        rows.append(Row.mean(metric, own, explainer=FILTERS))
        rows += [Row(metric, scores[c].item(), int(members[c]), f"class={c}", FILTERS) for c in present]
        rows += [
            Row(metric, value, int(images[c]) if c >= 0 else 0, f"filter={k}", FILTERS)
            for k, (value, c) in enumerate(zip(own.tolist(), focused.tolist(), strict=True))
        ]
    focusing = int((focused >= 0).sum())
    rows += [Row("focus_filters", float((focused == c).sum()), focusing, f"class={c}", FILTERS) for c in present]
    for n in CURVE:
        # Each APn has its own focus: the class where it is largest.
        own, _, _ = metrics.by_focus(rates[n], metrics.focus(rates[n]))
        rows.append(Row.mean("ap", own, f"n={n}", FILTERS))
    return rows


def _of_gradients(
    subject: Subject, activations: Tensor, kept: Tensor, masks: Tensor, settings: "Localisation"
) -> list[Row]:
    images = subject.splits["test"]
    labels = images.labels[kept].cpu()
    activity = metrics.class_means(activations.mean((2, 3)), labels, images.classes)
    busiest = activity.argsort(dim=1, descending=True, stable=True)[:, : settings.gradient_filters]
    # Evenly spread, because test images may be sorted by class.
    count = min(settings.gradient_samples, len(kept))
    positions = torch.arange(count) * len(kept) // count
    chosen, labels = kept[positions.to(kept.device)], labels[positions]
    overlaps = []
    for rows in batches(count):
        maps = filter_gradient(subject.network, images.floats(chosen[rows]), busiest[labels[rows]].to(masks.device))
        of_filters = metrics.intersection_over_union(maps > GRADIENT_THRESHOLD, masks[chosen[rows], None])
        overlaps.append(of_filters.where(maps.isfinite().all((2, 3)), torch.nan).nanmean(1).cpu())
    return _of_images(GRADIENTS, torch.cat(overlaps), labels, settings.gradient_overlap)
