"""Images in tables: arrays to encoded bytes and back, in the Hugging Face Parquet convention."""

from collections.abc import Iterator
from itertools import pairwise

import cv2
import numpy as np
import pyarrow as pa

from pipeline.artifacts import DATASET, PSEUDO_MASKS, read_annotation, read_table, stream_table
from pipeline.errors import UserError

cv2.setNumThreads(0)

#: Pixels up to which an image is not compressed itself: the table's compression makes many small ones smaller at once,
#: and they are read faster. Larger ones get the least effort of PNG; more costs time and gains little.
SMALL = 64 * 64


def encode(image: np.ndarray) -> bytes:
    """H×W×1 (grey) or H×W×3 (RGB) uint8 as PNG, without loss."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] not in (1, 3):
        raise ValueError(f"expected H×W×1 or H×W×3 uint8, got {image.shape} {image.dtype}")
    effort = 0 if image.shape[0] * image.shape[1] <= SMALL else 1
    image = image[..., ::-1] if image.shape[-1] == 3 else image
    return cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, effort])[1].tobytes()


def decode(path: str, column: pa.ChunkedArray) -> np.ndarray:
    """Image column of one size to N×H×W×C uint8, RGB or grey; raises `UserError` naming table and row."""
    images: np.ndarray | None = None
    for row, image in enumerate(_decoded(path, column)):
        if images is None:
            images = np.empty((len(column), *image.shape), np.uint8)
        images[row] = _fitting(path, row, image, images)
    return _some(path, images)


def read_images(path: str, limit: int | None = None, column: str = "image") -> np.ndarray:
    """The first `limit` images (None: all) of a dataset table as one array N×H×W×C uint8.

    The table is read in pieces, so that only the array itself is ever in memory as a whole. Raises `UserError` as
    `decode`.
    """
    images: np.ndarray | None = None
    row = 0
    for piece, total in stream_table(path, DATASET, columns=[column]):
        for image in _decoded(path, piece[column], row):
            if images is None:
                images = np.empty((min(total, limit or total), *image.shape), np.uint8)
            if row == len(images):
                return images
            images[row] = _fitting(path, row, image, images)
            row += 1
    return _some(path, images)


def read_masks(path: str, limit: int | None = None) -> np.ndarray:
    """Object masks of the first `limit` images (None: all) of a dataset table, N×H×W bool; empty where one is missing.

    Raises `UserError` naming the table when it has no masks, or one that is no image.
    """
    cells = read_annotation(path, "mask", limit)
    masks: np.ndarray | None = None
    for row, cell in enumerate(cells):
        if cell is None:
            continue
        mask = decode_mask(path, row, cell)
        if masks is None:
            masks = np.zeros((len(cells), *mask.shape), bool)
        masks[row] = _fitting(path, row, mask, masks) > 0
    return _some(path, masks)


def read_pseudo_masks(path: str) -> tuple[list[str], np.ndarray]:
    """The sample_id of all rows of a table of masks, and these, N×H×W uint8: hard ones are 0 or 255, soft ones between.

    Raises `UserError` as `decode`.
    """
    table = read_table(path, PSEUDO_MASKS, columns=["sample_id", "mask"])
    return table["sample_id"].to_pylist(), decode(path, table["mask"])[..., 0]


def decode_mask(path: str, row: int, cell: dict) -> np.ndarray:
    """The mask in that row of a table, H×W uint8; raises `UserError` naming both if it is no image."""
    mask = cv2.imdecode(np.frombuffer(cell["bytes"], np.uint8), cv2.IMREAD_GRAYSCALE)
    if mask is None:
        raise UserError(f"{path}: mask in row {row} is no image; delete the file and run snakemake again")
    return mask


def _decoded(path: str, column: pa.ChunkedArray, first: int = 0) -> Iterator[np.ndarray]:
    encoded = column.combine_chunks().field("bytes")
    # Slices of the buffers themselves: a Python object for each cell would cost as much as decoding a small image.
    _, offsets, values = encoded.buffers()
    ends = np.frombuffer(offsets, np.int32)[encoded.offset : encoded.offset + len(encoded) + 1].tolist()
    values = np.frombuffer(values or b"", np.uint8)
    for row, (start, end) in enumerate(pairwise(ends), start=first):
        image = end > start and cv2.imdecode(values[start:end], cv2.IMREAD_UNCHANGED)
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
            raise UserError(f"{path}: image in row {row} is no 8-bit image; delete the file and run snakemake again")
        yield image[..., None] if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _fitting(path: str, row: int, image: np.ndarray, images: np.ndarray) -> np.ndarray:
    if image.shape != images.shape[1:]:
        raise UserError(f"{path}: image in row {row} is {image.shape}, the ones before it {images.shape[1:]}")
    return image


def _some(path: str, images: np.ndarray | None) -> np.ndarray:
    if images is None:
        raise UserError(f"{path}: holds no images; check the dataset's limit_train and limit_test")
    return images
