"""Whether maps, and single filters, find the object (csg.md E9, reff.md "Metrics, exactly").

Three things stand side by side, told apart by `explainer`: the maps of each explainer; "ActivMap", all filters of the
last stage, aggregated over the class that each focuses on (appendix H.1); and "GradMap", the gradient maps of each
class's most active filters, averaged for each image first (csg.md 8.17). With `gradient_drawn` a fourth, "GradMap H.1",
aggregates the gradient maps of some filters as those of ActivMap. With `filters: false` the maps of explainers stand
alone. Images without a mask are left out.
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
from pipeline.training.streams import stream

if TYPE_CHECKING:
    from pipeline.settings.evaluations import Localisation

#: n of the curve of APn, in percent (csg.md 8.19).
CURVE = range(5, 65, 5)

#: What gradient maps, divided by their root mean square over the image, must exceed to be inside (csg.md E9).
GRADIENT_THRESHOLD = 1.0

#: Names of what is measured besides maps; those of explainers have no capitals.
FILTERS, GRADIENTS, DRAWN = "ActivMap", "GradMap", "GradMap H.1"


def evaluate(subject: Subject, settings: "Localisation") -> list[Row]:
    """For each explainer `iou` and `ap`, APn: over all, "class=c", and `ap` at each n of `CURVE`, subset "n=30".

    Maps have besides `iou_half_maximum`, `pointing_game`, `energy_inside`, `centre_distance`, and the shares
    `flat_maps` of constant maps and `empty_maps` of maps without a positive value. All filters have "filter=k";
    `focus_filters`, |F_c|, subset "class=c"; and the share `covering_filters` of those whose threshold, then mostly 0,
    all their activations reach: they cover every image, and with an APn of 0 go to the lowest class. `n` counts the
    images with a value, for means over filters the filters. `mask_area` is what `energy_inside` would be for a map that
    knows nothing. Raises `UserError` if there are no masks.
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
    if not settings.filters:
        return rows
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
            metrics.half_maximum_overlaps(large, mask),
            metrics.pointing_game(large, mask),
            metrics.energy_inside(large, mask),
            metrics.centre_distance(large),
        ])  # fmt: skip
    overlaps, halves, hits, energy, distances = (torch.cat(parts).cpu() for parts in zip(*found, strict=True))
    empty = (maps.values <= 0).flatten(1).all(1)
    return [
        *_of_images(explainer, overlaps, images.labels[:count].cpu(), settings.overlap),
        Row.mean("iou_half_maximum", halves, explainer=explainer),
        Row.mean("pointing_game", hits, explainer=explainer),
        Row.mean("energy_inside", energy, explainer=explainer),
        Row.mean("centre_distance", distances, explainer=explainer),
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
    covering = activations.amin((0, 2, 3)) >= thresholds.cpu()
    filters = list(range(activations.shape[1]))
    return [
        Row.mean("covering_filters", covering, explainer=FILTERS),
        *_by_focus(FILTERS, overlaps, filters, labels.cpu(), classes, settings.overlap),
    ]


def _by_focus(
    explainer: str, overlaps: Tensor, filters: list[int], labels: Tensor, classes: int, percent: int
) -> list[Row]:
    """Rows of one IoU an image and filter, `overlaps` N×F of the filters numbered `filters` (appendix H.1)."""
    images = labels.bincount(minlength=classes)
    rates = {n: metrics.class_means(metrics.reaches(overlaps, n), labels, classes) for n in {*CURVE, percent}}
    focused = metrics.focus(rates[percent])
    values = {"iou": metrics.class_means(overlaps, labels, classes), "ap": rates[percent]}
    present = labels.unique().tolist()
    rows = []
    for metric, of_classes in values.items():
        own, scores, members = metrics.by_focus(of_classes, focused)
        rows.append(Row.mean(metric, own, explainer=explainer))
        rows += [Row(metric, scores[c].item(), int(members[c]), f"class={c}", explainer) for c in present]
        rows += [
            Row(metric, value, int(images[c]) if c >= 0 else 0, f"filter={k}", explainer)
            for k, value, c in zip(filters, own.tolist(), focused.tolist(), strict=True)
        ]
    focusing = int((focused >= 0).sum())
    rows += [Row("focus_filters", float((focused == c).sum()), focusing, f"class={c}", explainer) for c in present]
    for n in CURVE:
        # Each APn has its own focus: the class where it is largest.
        own, _, _ = metrics.by_focus(rates[n], metrics.focus(rates[n]))
        rows.append(Row.mean("ap", own, f"n={n}", explainer))
    return rows


def _of_gradients(
    subject: Subject, activations: Tensor, kept: Tensor, masks: Tensor, settings: "Localisation"
) -> list[Row]:
    images = subject.splits["test"]
    labels = images.labels[kept].cpu()
    activity = metrics.class_means(activations.mean((2, 3)), labels, images.classes)
    busiest = activity.argsort(dim=1, descending=True, stable=True)[:, : settings.gradient_filters]
    # Drawn, because test images may be sorted by class, or classes take turns; the same for all networks.
    count = min(settings.gradient_samples, len(kept))
    positions = torch.randperm(len(kept), generator=stream(0, "evaluate", "localisation", "images"))[:count]
    chosen, labels = kept[positions.to(kept.device)], labels[positions]
    overlaps = _gradient_overlaps(subject, chosen, masks, busiest[labels], settings).nanmean(1)
    rows = _of_images(GRADIENTS, overlaps, labels, settings.gradient_overlap)
    if settings.gradient_drawn:
        generator = stream(subject.seed, "evaluate", "localisation", "filters")
        order = torch.randperm(activations.shape[1], generator=generator)
        drawn = order[: settings.gradient_drawn].sort().values
        overlaps = _gradient_overlaps(subject, chosen, masks, drawn.expand(count, -1), settings)
        rows += _by_focus(DRAWN, overlaps, drawn.tolist(), labels, images.classes, settings.gradient_overlap)
    return rows


def _gradient_overlaps(
    subject: Subject, chosen: Tensor, masks: Tensor, filters: Tensor, settings: "Localisation"
) -> Tensor:
    """IoU N×F, on the CPU, of the gradient maps of `filters` N×F on the images with the numbers `chosen` N."""
    blur = {"blur": settings.gradient_blur, "truncate": settings.gradient_truncate}
    overlaps = []
    for rows in batches(len(chosen)):
        pixels = subject.splits["test"].floats(chosen[rows])
        maps = filter_gradient(subject.network, pixels, filters[rows].to(masks.device), **blur)
        found = metrics.intersection_over_union(maps > GRADIENT_THRESHOLD, masks[chosen[rows], None])
        overlaps.append(found.where(maps.isfinite().all((2, 3)), torch.nan).cpu())
    return torch.cat(overlaps)
