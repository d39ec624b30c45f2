"""MNIST (LeCun, Cortes, Burges 1998): 60,000 + 10,000 handwritten digits, 28×28 grey, in the official idx files."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.datasets.coarse import coarse
from pipeline.datasets.formats.idx import read_splits, sources
from pipeline.datasets.samples import Prepared, of_arrays

if TYPE_CHECKING:
    from pipeline.settings.datasets import Mnist

SOURCES = sources(
    "mnist",
    ["https://ossci-datasets.s3.amazonaws.com/mnist", "https://storage.googleapis.com/cvdf-datasets/mnist"],
    page="http://yann.lecun.com/exdb/mnist",
    licence="CC BY-SA 3.0",
    packed=(
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "d53e105ee54ea40749a09fcbcd1e9432",
        "9fb629c4189551a2d022fa330f9573f3",
        "ec29112dd5afa0611ce80d1b7f02629c",
    ),
    plain=(
        "6bbc9ace898e44ae57da46a324031adb",
        "a25bea736e30d166cdddb491f175f624",
        "2646ac647ad5339dbf082846283269ea",
        "27ae3e4e09519cfbb04c329615203637",
    ),
    sizes=(9_912_422, 28_881, 1_648_877, 4_542),
)
COLUMNS = ()
OFFICIAL = {"train": 60_000, "test": 10_000}


def prepare(raw_dir: Path, settings: "Mnist") -> Prepared:
    """The official splits; raises `UserError` for files that are missing, damaged or altered."""
    return coarse(of_arrays(read(raw_dir), tuple("0123456789"), mean=(0.1307,), std=(0.3081,)), settings.group_classes)


def read(raw_dir: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Images N×28×28 uint8 and labels N uint8 of "train" and "test"; raises as `prepare`."""
    return read_splits(raw_dir, SOURCES, side=28)
