"""idx files of bytes, as MNIST and its successors are published, packed with gzip or plain.

Layout: two zero bytes, 0x08 for unsigned bytes, the number of dimensions; each dimension as a big-endian 32-bit number;
then the values, row-major (http://yann.lecun.com/exdb/mnist, "File formats").
"""

import gzip
import math
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.datasets.raw.download import obtain
from pipeline.datasets.raw.sources import Part, Source
from pipeline.errors import UserError

#: Training images, training labels, test images, test labels, as every successor of MNIST calls them.
FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
ROWS = (60_000, 60_000, 10_000, 10_000)


def sources(
    folder: str,
    bases: Sequence[str],
    *,
    page: str,
    licence: str,
    packed: Sequence[str],
    plain: Sequence[str] = ("",) * 4,
    sizes: Sequence[int | None] = (None,) * 4,
) -> tuple[Source, ...]:
    """The four downloads of a dataset like MNIST from `bases`, its address and mirrors.

    `packed` and `plain` are the MD5s of the four files, with and without gzip, and `sizes` the bytes with it.
    """
    return tuple(
        Source(
            folder=folder, file=f"{name}.gz", urls=tuple(f"{base}/{name}.gz" for base in bases), page=page,
            licence=licence, size=size, checksum=f"md5:{md5}", parts=(Part(name, inside, rows),),
        )
        for name, rows, md5, inside, size in zip(FILES, ROWS, packed, plain, sizes, strict=True)
    )  # fmt: skip


def read_splits(raw_dir: Path, sources: Sequence[Source], side: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Images N×side×side uint8 and labels N uint8 of "train" and "test".

    `sources` are training images, training labels, test images, test labels. Missing files are downloaded. Raises
    `UserError` as `read` does, and if two counts differ.
    """
    train_images, train_labels, test_images, test_labels = sources
    return {
        "train": _read_pair(raw_dir, train_images, train_labels, side),
        "test": _read_pair(raw_dir, test_images, test_labels, side),
    }


def _read_pair(raw_dir: Path, images: Source, labels: Source, side: int) -> tuple[np.ndarray, np.ndarray]:
    pixels = read(raw_dir, images, row=(side, side))
    classes = read(raw_dir, labels, row=())
    if len(pixels) != len(classes):
        place = images.path(raw_dir).parent
        raise UserError(
            f"{place}: {images.file} holds {len(pixels)} images, {labels.file} {len(classes)} labels; "
            "put two files there that belong together"
        )
    return pixels, classes


def read(raw_dir: Path, source: Source, *, row: tuple[int, ...]) -> np.ndarray:
    """Array N×row uint8 of `source` under `raw_dir`; it may hold fewer rows than the official file.

    Takes the packed file, else the plain one beside it, else downloads. Raises `UserError` naming the file and the
    remedy if it is damaged, truncated, no idx file of such rows, or altered.
    """
    packed = source.path(raw_dir)
    (part,) = source.parts
    plain = packed.with_name(part.name)
    file = next((path for path in (packed, plain) if path.is_file()), None) or obtain(source, raw_dir)
    remedy = source.remedy(file)
    try:
        content = gzip.decompress(file.read_bytes()) if file == packed else file.read_bytes()
        values = parse(content, row)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise UserError(f"{file}: not a whole idx file ({error}); {remedy}") from None
    part.check(file, content, len(values), remedy)
    return values


def parse(content: bytes, row: tuple[int, ...]) -> np.ndarray:
    """N×row uint8 view of an idx file's bytes; raises `ValueError` saying what is wrong with them."""
    header = struct.Struct(f">4s{1 + len(row)}I")
    if len(content) < header.size:
        raise ValueError(f"{len(content)} bytes are less than its header")
    magic, rows, *found = header.unpack_from(content)
    expected = bytes((0, 0, 8, 1 + len(row)))
    if magic != expected:
        raise ValueError(f"begins with {magic.hex()}, expected {expected.hex()}")
    if tuple(found) != row:
        raise ValueError(f"rows are {'×'.join(map(str, found))}, expected {'×'.join(map(str, row))}")
    size = header.size + rows * math.prod(row)
    if len(content) != size:
        raise ValueError(f"{len(content)} bytes, expected {size} for {rows} rows")
    return np.frombuffer(content, np.uint8, offset=header.size).reshape(rows, *row)
