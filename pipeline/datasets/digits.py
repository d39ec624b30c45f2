"""Noisy digits: scikit-learn's 1797 scans of handwritten digits, enlarged and covered with fixed noise (csg.md 10.2).

Values v are 0..1 before the noise and leave that range with it, while images are stored as bytes. So they are stored by
the affine map s = (v + 4σ) / (1 + 8σ), which takes -4σ..1+4σ to 0..1, and clipped beyond, which meets fewer than one
value in ten thousand. Networks subtract the table's mean, 4σ / (1 + 8σ), and divide by its std, 1 / (1 + 8σ), which is
the inverse map: they see v again, up to a rounding of (1 + 8σ) / 510.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from sklearn.datasets import load_digits
from torch.nn.functional import interpolate

from pipeline.datasets.coarse import coarse
from pipeline.datasets.samples import Prepared, of_arrays
from pipeline.errors import UserError

if TYPE_CHECKING:
    from pipeline.settings.datasets import Digits

SOURCES = ()
COLUMNS = ()
OFFICIAL: dict[str, int] = {}
NOISE_SEED = 1
SPLIT_SEED = 0


def prepare(raw_dir: Path, settings: "Digits") -> Prepared:
    """A random split of the scans; `raw_dir` is not used, they come with scikit-learn.

    Raises `UserError` if settings.train leaves no test image.
    """
    values, labels = noisy_digits(settings.size, settings.noise)
    if settings.train >= len(labels):
        raise UserError(
            f"params.yaml: datasets (from: digits): train: {settings.train} leaves no test image; "
            f"there are {len(labels)} images, so give at most {len(labels) - 1}"
        )
    shift, scale = 4 * settings.noise, 1 + 8 * settings.noise
    stored = ((values + shift) / scale * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(SPLIT_SEED)).numpy()
    splits = {"train": order[: settings.train], "test": order[settings.train :]}
    prepared = of_arrays(
        {split: (stored[rows], labels.numpy()[rows]) for split, rows in splits.items()},
        tuple("0123456789"),
        mean=[shift / scale],
        std=[1 / scale],
    )
    return coarse(prepared, settings.group_classes)


def noisy_digits(size: int, noise: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Values 1797×1×size×size float32, on the scale 0..1 plus noise of that standard deviation, and labels 1797."""
    scans, labels = load_digits(return_X_y=True)
    scans = torch.tensor(scans / 16, dtype=torch.float32).reshape(-1, 1, 8, 8)
    values = interpolate(scans, size=(size, size), mode="bilinear", align_corners=False)
    generator = torch.Generator().manual_seed(NOISE_SEED)
    return values + noise * torch.randn(values.shape, generator=generator), torch.tensor(labels)
