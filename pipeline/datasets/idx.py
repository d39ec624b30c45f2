"""idx files of bytes, as MNIST and its successors are published, packed with gzip or plain.

Layout: two zero bytes, 0x08 for unsigned bytes, the number of dimensions; each dimension as a big-endian 32-bit number;
then the values, row-major (http://yann.lecun.com/exdb/mnist, "File formats").
"""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from pipeline.datasets.download import download
from pipeline.datasets.sources import Source
from pipeline.errors import UserError


def read_pair(
    raw_dir: Path, images: Source, labels: Source, *, side: int
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Images N×side×side uint8, labels N uint8, and notices about files that are a subset.

    Missing files are downloaded. Raises `UserError` as `read` does, and if the two counts differ.
    """
    pixels, image_notices = read(raw_dir, images, row=(side, side))
    classes, label_notices = read(raw_dir, labels, row=())
    if len(pixels) != len(classes):
        place = images.path(raw_dir).parent
        raise UserError(
            f"{place}: {images.file} holds {len(pixels)} images, {labels.file} {len(classes)} labels; "
            "put two files there that belong together"
        )
    return pixels, classes, image_notices + label_notices


def read(raw_dir: Path, source: Source, *, row: tuple[int, ...]) -> tuple[np.ndarray, list[str]]:
    """Array N×row uint8 of `source` under `raw_dir`, and notices if it holds fewer rows than the official file.

    Takes the packed file, else the plain one beside it, else downloads. Raises `UserError` naming the file and the
    remedy if it is damaged, truncated, no idx file of such rows, or altered.
    """
    packed = source.path(raw_dir)
    (part,) = source.parts
    plain = packed.with_name(part.name)
    file = next((path for path in (packed, plain) if path.is_file()), None) or download(source, raw_dir)
    remedy = source.remedy(file)
    try:
        content = gzip.decompress(file.read_bytes()) if file == packed else file.read_bytes()
        values = parse(content, row)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise UserError(f"{file}: not a whole idx file ({error}); {remedy}") from None
    return values, part.notices(file, content, len(values), remedy)


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
