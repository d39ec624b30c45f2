"""ISIC 2017 in miniature: drawn lesions with their masks and diagnoses (isic2017.py)."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pipeline.datasets.toyworld.draw import SUBJECTS, pictures

if TYPE_CHECKING:
    from pipeline.settings.datasets import Isic2017

#: Diagnoses with a column of their own in the lists.
COLUMNS = ("melanoma", "seborrheic keratosis")


def write(folder: Path, settings: "Isic2017") -> None:
    """Photographs, masks and lists of both splits in the official layout; validation images are left out."""
    wanted = settings.miniature
    names = SUBJECTS["lesions"].class_names
    number = 0
    for split, official, count in (("train", "Training", wanted.train), ("test", "Test_v2", wanted.test)):
        photos, masks = folder / f"ISIC-2017_{official}_Data", folder / f"ISIC-2017_{official}_Part1_GroundTruth"
        photos.mkdir(parents=True)
        masks.mkdir()
        lines = [",".join(("image_id", *COLUMNS)).replace(" ", "_")]
        for picture in pictures("lesions", split, count, size=wanted.size, seed=wanted.seed, spurious=wanted.spurious):
            image = f"ISIC_{number:07d}"
            number += 1
            Image.fromarray(picture.image).save(photos / f"{image}.jpg", quality=95)
            Image.fromarray(picture.mask.astype(np.uint8) * 255).save(masks / f"{image}_segmentation.png")
            marks = (f"{float(names[picture.label] == column):.1f}" for column in COLUMNS)
            lines.append(",".join((image, *marks)))
        (folder / f"ISIC-2017_{official}_Part3_GroundTruth.csv").write_text("".join(f"{line}\n" for line in lines))
