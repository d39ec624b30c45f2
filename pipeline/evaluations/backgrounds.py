"""Whether the network knows objects before other backgrounds than their own (reff.md section 2.4, b: ours, no paper's).

With x a test image and m its mask, the network sees

    m ∘ x + (1 − m) ∘ 1/2        grey all around the object
    m ∘ x + (1 − m) ∘ f(x')      the background of x', another test image, of a class of its own

where f fills the object of x' and a rim around it from what lies outside (Telea 2004, by OpenCV), so that no object but
that of x is to be seen. Which x' stands for which x is drawn once, alike for all networks and seeds. The edge of a mask
shows in both: read the numbers beside those of another network, not beside the plain accuracy alone.
"""

from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.evaluations.subject import Row, Subject
from pipeline.metrics.removal import removed
from pipeline.models.trained import batches
from pipeline.training.streams import stream

if TYPE_CHECKING:
    from pipeline.settings.evaluations import Backgrounds

#: Neighbourhood in pixels from which a pixel is filled.
RADIUS = 3

GREY = 0.5


@torch.no_grad()
def evaluate(subject: Subject, settings: "Backgrounds") -> list[Row]:
    """Metrics `accuracy_grey_background` and `accuracy_other_background` in 0..1, over the images that have a mask.

    Raises `UserError` if there are no masks, or no background of another class.
    """
    images = subject.splits["test"]
    masks = images.masks()
    kept = masks.flatten(1).any(1).nonzero()[:, 0]
    rims = widened(masks, settings.margin).flatten(1)
    lending = kept[~rims[kept].all(1)]
    labels = images.labels
    if not len(kept) or any((labels[lending] != label).sum() == 0 for label in labels[kept].unique()):
        raise UserError(
            f"{images.path}: some class has no image of another one whose mask leaves a background; list datasets with "
            f"such masks under `datasets` of the evaluation, or lower its `margin`"
        )
    behind = donors(labels, kept, lending)
    grey = torch.full((images.pixels.shape[1],), GREY)
    hits: dict[str, list[Tensor]] = {"accuracy_grey_background": [], "accuracy_other_background": []}
    for rows in batches(len(kept)):
        chosen, mask = kept[rows], masks[kept[rows]]
        own = images.floats(chosen)
        around = without_objects(images.pixels[behind[rows]], masks[behind[rows]], settings.margin)
        seen = (removed(own, ~mask, grey), torch.where(mask[:, None], own, around.to(own.device)))
        for found, pixels in zip(hits.values(), seen, strict=True):
            found.append(subject.network(pixels).argmax(1) == labels[chosen])
    return [Row.mean(metric, torch.cat(found)) for metric, found in hits.items()]


def donors(labels: Tensor, kept: Tensor, lending: Tensor) -> Tensor:
    """For each of the images numbered `kept` one of those numbered `lending`, of another class, all alike probable."""
    generator = stream(0, "evaluate", "backgrounds")
    shares = torch.rand(len(kept), generator=generator, dtype=torch.float64)
    found = []
    for image, share in zip(kept.tolist(), shares.tolist(), strict=True):
        others = lending[labels[lending] != labels[image]]
        found.append(others[int(share * len(others))])
    return torch.stack(found)


def widened(masks: Tensor, margin: float) -> Tensor:
    """Masks N×H×W bool with a rim of `margin` times the shorter side, in whole pixels, along both axes."""
    pixels = round(margin * min(masks.shape[1:]))
    grown = torch.nn.functional.max_pool2d(masks[:, None].float(), 2 * pixels + 1, stride=1, padding=pixels)
    return grown[:, 0] > 0


def without_objects(pixels: Tensor, masks: Tensor, margin: float) -> Tensor:
    """Images N×C×H×W uint8 whose objects, with the rim of `widened`, are filled from outside, as N×C×H×W in 0..1."""
    holes = widened(masks, margin).cpu().numpy().astype(np.uint8)
    filled = [
        cv2.inpaint(np.ascontiguousarray(image), hole, RADIUS, cv2.INPAINT_TELEA).reshape(image.shape)
        for image, hole in zip(pixels.permute(0, 2, 3, 1).cpu().numpy(), holes, strict=True)
    ]
    return torch.from_numpy(np.stack(filled)).permute(0, 3, 1, 2).float() / 255
