"""MNIST (LeCun, Cortes, Burges) and Fashion-MNIST (Xiao, Rasul, Vollgraf 2017): 28×28 grey, 60,000 + 10,000.

Both are read from their official idx files, which are downloaded if they are missing (`sources.py`).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from pipeline.datasets.idx import read_pair
from pipeline.datasets.sources import SOURCES
from pipeline.images import image_table

if TYPE_CHECKING:
    from pipeline.settings.datasets import Dataset

DIGITS = tuple("0123456789")
ARTICLES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)


def prepare(raw_dir: Path, settings: "Dataset") -> dict[str, pa.Table]:
    """Tables "train" and "test" of MNIST; raises `UserError` for files that are missing, damaged or altered."""
    return _tables(raw_dir, "mnist", DIGITS, mean=0.1307, std=0.3081)


def prepare_fashion(raw_dir: Path, settings: "Dataset") -> dict[str, pa.Table]:
    """Tables "train" and "test" of Fashion-MNIST; raises `UserError` as `prepare` does."""
    return _tables(raw_dir, "fashion_mnist", ARTICLES, mean=0.286, std=0.353)


def _tables(raw_dir: Path, name: str, class_names: Sequence[str], *, mean: float, std: float) -> dict[str, pa.Table]:
    train_images, train_labels, test_images, test_labels = SOURCES[name]
    train = read_pair(raw_dir, train_images, train_labels, side=28)
    test = read_pair(raw_dir, test_images, test_labels, side=28)
    return {
        split: image_table(
            [f"{split}-{row:05d}" for row in range(len(labels))],
            images[..., None],
            labels,
            class_names=class_names,
            mean=[mean],
            std=[std],
            notices=notices,
        )
        for split, (images, labels, notices) in {"train": train, "test": test}.items()
    }
