"""LFWA in miniature: drawn faces, whose attributes are in files like those of MATLAB 7.3 (lfwa.py).

A class of toyworld is a person, so that people are in training and test images alike, unlike in LFWA.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np
from PIL import Image

from pipeline.datasets.toyworld.draw import SUBJECTS, pictures

if TYPE_CHECKING:
    from pipeline.settings.datasets import Lfwa


def write(folder: Path, settings: "Lfwa") -> None:
    """Attributes, split and faces in the official layout."""
    subject, wanted = SUBJECTS["faces"], settings.miniature
    (folder / "lfwa").mkdir(parents=True)
    names: list[str] = []
    attributes: list[np.ndarray] = []
    drawn: Counter[str] = Counter()
    for split, images in {"train": wanted.train, "test": wanted.test}.items():
        for picture in pictures("faces", split, images, size=wanted.size, seed=wanted.seed, spurious=wanted.spurious):
            person = subject.class_names[picture.label].replace(" ", "_")
            drawn[person] += 1
            face = f"{person}_{drawn[person]:04d}.jpg"
            (folder / "lfw" / person).mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture.image).save(folder / "lfw" / person / face, quality=95)
            names.append(f"{person}\\{face}")
            attributes.append(picture.attributes)
    rows = np.arange(1, len(names) + 1)
    write_attributes(folder / "lfwa/lfw_att_40.mat", names, np.stack(attributes), subject.attribute_names)
    write_split(folder / "lfwa/indices_train_test.mat", rows[: wanted.train], rows[wanted.train :])


def write_attributes(file: Path, names: Iterable[str], labels: np.ndarray, attribute_names: Iterable[str]) -> None:
    """`names` of N faces, `labels` N×A and the A `attribute_names`, as MATLAB stores them: transposed doubles, and a
    cell array of texts as references to arrays of UTF-16 numbers."""
    with h5py.File(file, "w") as content:
        content["label"] = np.asarray(labels, dtype=np.float64).T
        for field, texts in {"name": names, "AttrName": attribute_names}.items():
            cells = [
                content.create_dataset(
                    f"#refs#/{field}{number}", data=np.frombuffer(text.encode("utf-16-le"), "<u2")[:, None]
                ).ref
                for number, text in enumerate(texts)
            ]
            content.create_dataset(field, (1, len(cells)), h5py.ref_dtype)[0] = cells


def write_split(file: Path, train: np.ndarray, test: np.ndarray) -> None:
    """Numbers, from 1, of the training and of the test faces."""
    with h5py.File(file, "w") as content:
        for split, rows in {"train": train, "test": test}.items():
            content[f"indices_img_{split}"] = np.asarray(rows, dtype=np.float64)[None]
