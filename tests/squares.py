"""Dataset tables of bright squares on dark ground, their masks, and an annotator small enough to learn them at once."""

import json
from pathlib import Path

import numpy as np
from tables import write_images

from pipeline import layout
from pipeline.settings import parse_slice
from pipeline.settings.annotators import Pix2pix

SIDE = 16
BLOCK = {
    "from": "pix2pix", "share": 0.25, "size": SIDE, "levels": 2, "base_channels": 4, "discriminator_channels": [4, 4],
    "steps": 12, "check_every": 3, "batch_size": 4, "hold_out": 0, "jitter": 0, "mirror": False,
    "optimiser": {"from": "adam", "learning_rate": 2.0e-3, "betas": [0.5, 0.999]},
}  # fmt: skip


def options(**changes) -> Pix2pix:
    return parse_slice("annotator", json.dumps(BLOCK | changes))


def drawing(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images N×16×16×3 uint8 with a square of side 8 at a random place, and its masks."""
    random = np.random.default_rng(seed)
    masks = np.zeros((count, SIDE, SIDE), bool)
    for mask, (y, x) in zip(masks, random.integers(0, 9, (count, 2)), strict=True):
        mask[y : y + 8, x : x + 8] = True
    images = random.integers(0, 60, (count, SIDE, SIDE, 3)) + 180 * masks[..., None]
    return images.astype(np.uint8), masks


def write_squares(root: str | Path, train: int = 48, test: int = 8, masked: bool = True) -> dict[str, str]:
    """Write the dataset `squares` below `root`; returns its tables by split."""
    paths = {}
    for split, count in zip(layout.SPLITS, (train, test), strict=True):
        path = Path(layout.dataset(str(root), "squares", split))
        path.parent.mkdir(parents=True, exist_ok=True)
        images, masks = drawing(count, len(split))
        names = [f"{split}-{row}" for row in range(count)]
        write_images(
            path, names, images, np.arange(count) % 4, class_names=list("abcd"), mean=[0.5] * 3, std=[0.25] * 3,
            masks=masks if masked else None, augment={"flip": True}, notices=[],
        )  # fmt: skip
        paths[split] = str(path)
    return paths
