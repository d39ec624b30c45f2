"""Kuzushiji-MNIST (Clanuwat et al. 2018): 60,000 + 10,000 cursive Japanese characters, 28×28 grey, in idx files."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.datasets.coarse import coarse
from pipeline.datasets.formats.idx import read_splits, sources
from pipeline.datasets.samples import Prepared, of_arrays

if TYPE_CHECKING:
    from pipeline.settings.datasets import Kmnist

SOURCES = sources(
    "kmnist",
    ["http://codh.rois.ac.jp/kmnist/dataset/kmnist"],
    page="http://codh.rois.ac.jp/kmnist",
    licence="CC BY-SA 4.0",
    packed=(
        "bdb82020997e1d708af4cf47b453dcf7",
        "e144d726b3acfaa3e44228e80efcd344",
        "5c965bf0a639b31b8f53240b1b52f4d7",
        "7320c461ea6c1c855c0b718fb2a4b134",
    ),
)
COLUMNS = ()
OFFICIAL = {"train": 60_000, "test": 10_000}
CLASSES = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")


def prepare(raw_dir: Path, settings: "Kmnist") -> Prepared:
    """The official splits; raises `UserError` for files that are missing, damaged or altered."""
    return coarse(of_arrays(read(raw_dir), CLASSES), settings.group_classes)


def read(raw_dir: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Images N×28×28 uint8 and labels N uint8 of "train" and "test"; raises as `prepare`."""
    return read_splits(raw_dir, SOURCES, side=28)
