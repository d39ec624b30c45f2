"""The relevant region of each training image, for methods that train with masks."""

import numpy as np
import torch
from torch import Tensor

from pipeline.artifacts import DATASET, MASKS, read_table
from pipeline.errors import UserError
from pipeline.images import decode_mask
from pipeline.training.data import Images


def training_masks(images: Images, table: str | None, method: str) -> Tensor:
    """Masks N×1×H×W uint8 of `images`, on their device: 255 where a region is relevant, 0 where it is not.

    Masks of `table`, with the columns of `MASKS`, come before the dataset's own and may be soft; the dataset's are
    255 wherever they are not 0. Raises `UserError` naming the method instance for an image without a mask, and the
    table for one that has no mask of these images or some of another size.
    """
    own = read_table(images.path, DATASET, columns=["mask"])
    cells = own["mask"].slice(0, len(images)).to_pylist() if "mask" in own.schema.names else []
    given = _given(table, images) if table else {}
    masks = np.empty((len(images), 1, *images.pixels.shape[2:]), np.uint8)
    for number, name in enumerate(images.ids):
        if name in given:
            row, cell = given[name]
            masks[number] = _fitting(table, row, decode_mask(table, row, cell), masks)
        elif cells and cells[number] is not None:
            mask = decode_mask(images.path, number, cells[number])
            masks[number] = 255 * (_fitting(images.path, number, mask, masks) > 0)
        else:
            raise UserError(
                f"{images.path}: image '{name}' has no mask, which methods.{method} trains with; name datasets with "
                f"masks under methods.{method}.datasets, or give masks with --masks"
            )
    return torch.from_numpy(masks).to(images.pixels.device)


def _given(table: str, images: Images) -> dict[str, tuple[int, dict]]:
    """Row and cell of each mask in `table` by sample_id."""
    columns = read_table(table, MASKS, columns=MASKS.names).to_pydict()
    rows = zip(columns["sample_id"], columns["mask"], strict=True)
    given = {name: (row, cell) for row, (name, cell) in enumerate(rows) if cell is not None}
    if given.keys().isdisjoint(images.ids):
        raise UserError(f"{table}: has a mask of none of the images in {images.path}; give masks of this dataset")
    return given


def _fitting(path: str, row: int, mask: np.ndarray, masks: np.ndarray) -> np.ndarray:
    if mask.shape != masks.shape[2:]:
        sizes = ["×".join(map(str, shape)) for shape in (mask.shape, masks.shape[2:])]
        raise UserError(f"{path}: mask in row {row} is {sizes[0]}, the images are {sizes[1]}; make masks of their size")
    return mask
