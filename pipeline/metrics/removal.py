"""Images without their most, or least, relevant pixels, and what DiffROAR makes of them (normat.md section 8.2).

Paper: Shah et al. 2021, Do input gradients highlight discriminative features? A network is trained anew on images
without the top share of each map's pixels, another on images without the bottom share, and each is tested on images
treated alike. This module makes the images and reads the two accuracies; training is not a matter of metrics.

Bad input: a mask has no NaN, so a map with NaN or inf raises `ValueError`; pixels of equal value go by their index.
"""

import torch
from torch import Tensor

from pipeline.ranking import counted, largest


def top_pixels(maps: Tensor, share: float) -> Tensor:
    """Mask of the ⌊share · H·W⌋ largest pixels of each map N×H×W, exactly so many; of equals the first ones."""
    if maps.dim() != 3:
        raise ValueError(f"maps must be N×H×W, got the shape {tuple(maps.shape)}")
    flat = maps.flatten(1)
    broken = int((~flat.isfinite().all(1)).sum())
    if broken:
        raise ValueError(f"{broken} of {len(maps)} maps hold NaN or inf and rank no pixels")
    count = counted(share, torch.tensor(flat.shape[1], device=maps.device))
    return largest(flat, count.expand(len(flat))).reshape(maps.shape)


def bottom_pixels(maps: Tensor, share: float) -> Tensor:
    """Mask of the smallest pixels of each map N×H×W: all but the top 1 − `share`, whose complement it is."""
    return ~top_pixels(maps, 1 - share)


def removed(images: Tensor, masks: Tensor, value: Tensor) -> Tensor:
    """Images N×C×H×W, overwritten under masks N×H×W by `value`: C numbers, such as the mean of the training images."""
    if masks.shape != (len(images), *images.shape[2:]) or masks.dtype != torch.bool:
        raise ValueError(f"masks must be bool N×H×W for images {tuple(images.shape)}, got {tuple(masks.shape)}")
    if value.shape != images.shape[1:2]:
        raise ValueError(f"value must hold {images.shape[1]} numbers, one a channel, got {tuple(value.shape)}")
    return torch.where(masks[:, None], value.to(images)[None, :, None, None], images)


def diffroar(accuracy_bottom_removed: float, accuracy_top_removed: float) -> float:
    """Accuracy (0..1) without the bottom share minus accuracy without the top share, in percentage points, −100..100.

    Positive: the map ranks pixels high from which a network can learn. NaN if either accuracy is.
    """
    return 100 * (accuracy_bottom_removed - accuracy_top_removed)
