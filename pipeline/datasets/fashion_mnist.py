"""Fashion-MNIST (Xiao, Rasul, Vollgraf 2017): 60,000 + 10,000 articles of clothing, 28×28 grey, in idx files."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.datasets.coarse import coarse
from pipeline.datasets.formats.idx import read_splits, sources
from pipeline.datasets.samples import Prepared, of_arrays

if TYPE_CHECKING:
    from pipeline.settings.datasets import FashionMnist

SOURCES = sources(
    "fashion-mnist",
    ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"],
    page="https://github.com/zalandoresearch/fashion-mnist",
    licence="MIT",
    packed=(
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "25c81989df183df01b3e8a0aad5dffbe",
        "bef4ecab320f06d8554ea6380940ec79",
        "bb300cfdad3c16e7a12a480ee83cd310",
    ),
    plain=(
        "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "9018921c3c673c538a1fc5bad174d6f9",
        "8181f5470baa50b63fa0f6fddb340f0a",
        "15d484375f8d13e6eb1aabb0c3f46965",
    ),
    sizes=(26_421_880, 29_515, 4_422_102, 5_148),
)
COLUMNS = ()
OFFICIAL = {"train": 60_000, "test": 10_000}
CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)


def prepare(raw_dir: Path, settings: "FashionMnist") -> Prepared:
    """The official splits; raises `UserError` for files that are missing, damaged or altered."""
    return coarse(of_arrays(read(raw_dir), CLASSES, mean=(0.286,), std=(0.353,)), settings.group_classes)


def read(raw_dir: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Images N×28×28 uint8 and labels N uint8 of "train" and "test"; raises as `prepare`."""
    return read_splits(raw_dir, SOURCES, side=28)
