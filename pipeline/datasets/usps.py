"""USPS (Hull 1994): 7,291 + 2,007 handwritten digits from envelopes, 16×16 grey, in LIBSVM's text files.

A line is a label 1..10, for the digits 0..9, and 256 values -1..1 as "index:value".
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sklearn.datasets import load_svmlight_file

from pipeline.datasets.coarse import coarse
from pipeline.datasets.raw.download import obtain
from pipeline.datasets.raw.sources import Source
from pipeline.datasets.samples import Prepared, of_arrays
from pipeline.errors import UserError

if TYPE_CHECKING:
    from pipeline.settings.datasets import Usps

SOURCES = tuple(
    Source(
        folder="usps", file=file, checksum=f"md5:{md5}",
        urls=(f"https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/{file}",),
        page="https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass.html#usps", licence="none stated",
    )
    for file, md5 in (
        ("usps.bz2", "ec16c51db3855ca6c91edd34d0e9b197"),
        ("usps.t.bz2", "8ea070ee2aca1ac39742fdd1ef5ed118"),
    )
)  # fmt: skip
COLUMNS = ()
OFFICIAL = {"train": 7_291, "test": 2_007}


def prepare(raw_dir: Path, settings: "Usps") -> Prepared:
    """The official splits; raises `UserError` for files that are missing or damaged."""
    return coarse(of_arrays(read(raw_dir), tuple("0123456789")), settings.group_classes)


def read(raw_dir: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Images N×16×16 uint8 and labels N int64 of "train" and "test"; raises as `prepare`."""
    train, test = SOURCES
    return {"train": _read(raw_dir, train), "test": _read(raw_dir, test)}


def _read(raw_dir: Path, source: Source) -> tuple[np.ndarray, np.ndarray]:
    file = obtain(source, raw_dir)
    try:
        values, labels = load_svmlight_file(str(file), n_features=256, zero_based=False)
    except (OSError, EOFError, ValueError) as error:
        raise UserError(f"{file}: not a whole file of USPS ({error}); {source.remedy(file)}") from None
    values = values.toarray()
    if not len(values) or np.abs(values).max() > 1 or not set(labels) <= set(range(1, 11)):
        raise UserError(f"{file}: has values beyond -1..1 or labels beyond 1..10; {source.remedy(file)}")
    return ((values + 1) / 2 * 255).round().astype(np.uint8).reshape(-1, 16, 16), labels.astype(np.int64) - 1
