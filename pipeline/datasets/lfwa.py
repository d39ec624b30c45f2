"""LFWA (Liu, Luo, Wang, Tang 2015): the 13,233 faces of Labeled Faces in the Wild with 40 attributes each.

    lfw/<Name>/<Name>_NNNN.jpg     the faces, 250×250
    lfwa/
        lfw_att_40.mat             name, label, AttrName
        indices_train_test.mat     indices_img_train, indices_img_test and the same of people

admm.md section 4.3. Files of MATLAB 7.3 are HDF5: arrays come out transposed, and texts are references to arrays of
UTF-16 numbers. The label is one of the attributes, or the person. The official halves, 6,263 + 6,970, have no person in
common; a person is a group. The paper has a face detector cut the faces out; here the images, which are centred on
them, are whole. Pixels are standardised as its face network wants them, (v - 127.5) / 128. Nothing is downloaded: the
faces' own site no longer serves them, and the attributes are handed out for research only.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from pipeline.datasets.formats.photos import Frame, read_photo
from pipeline.datasets.raw.download import obtain
from pipeline.datasets.raw.sources import Source
from pipeline.datasets.samples import Prepared, Read, Sample
from pipeline.errors import UserError, unknown

if TYPE_CHECKING:
    from pipeline.settings.datasets import Lfwa

MMLAB = "http://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
FACES = Source(
    file="lfw.tgz",
    page="http://vis-www.cs.umass.edu/lfw/",
    licence="for research",
    checksum="md5:a17d05bd522c52d84eca14327a23d494",
    provides="lfw",
)
ATTRIBUTES, SPLIT = (
    Source(file=file, folder="lfwa", page=MMLAB, licence="non-commercial research")
    for file in ("lfw_att_40.mat", "indices_train_test.mat")
)
SOURCES = (FACES, ATTRIBUTES, SPLIT)
COLUMNS = ("attributes", "group")
OFFICIAL = {"train": 6263, "test": 6970}
MEAN = (127.5 / 255,) * 3
STD = (128 / 255,) * 3


def prepare(raw_dir: Path, settings: "Lfwa") -> Prepared:
    """The official splits, labelled as `labelled` says; samples of one person are a group.

    Raises `UserError` for files that are missing or malformed, and for an attribute that there is not.
    """
    faces = obtain(FACES, raw_dir)
    table = obtain(ATTRIBUTES, raw_dir)
    names, attributes, attribute_names = read_attributes(table)
    train, test = read_split(obtain(SPLIT, raw_dir), len(names))
    people = [name.split("/")[0] for name in names]
    class_names, labels = labelled(settings.label, people, attributes, attribute_names, table)
    both = {people[row] for row in train} & {people[row] for row in test}

    def reads(rows: Sequence[int]) -> list[Read]:
        return [
            partial(_sample, raw_dir, faces / names[row], people[row], attributes[row], labels[row], settings)
            for row in rows
        ]

    return Prepared(
        class_names=class_names,
        mean=MEAN,
        std=STD,
        train=reads(train),
        test=reads(test),
        columns=COLUMNS,
        names={"attributes": attribute_names},
        notices=[f"{len(both)} people are in training and test images"] if both else [],
    )


def labelled(
    label: str, people: list[str], attributes: np.ndarray, attribute_names: list[str], table: Path
) -> tuple[list[str], list[int]]:
    """Class names, and the class of each of N faces: for the label "person" one of the `people`, in order of name, else
    0 or 1 by the column of `attributes` N×A that is called so.

    Raises `UserError`, naming the file `table`, for an attribute that there is not.
    """
    if label.casefold() == "person":
        names = sorted(set(people))
        numbers = {name: number for number, name in enumerate(names)}
        return names, [numbers[person] for person in people]
    known = {name.replace("_", " ").casefold(): column for column, name in enumerate(attribute_names)}
    column = known.get(label.replace("_", " ").casefold())
    if column is None:
        raise unknown(str(table), "attribute", label, ["person", *attribute_names])
    name = attribute_names[column]
    return [f"no {name}", name], attributes[:, column].tolist()


def read_attributes(file: Path) -> tuple[list[str], np.ndarray, list[str]]:
    """Paths "<Name>/<Name>_NNNN.jpg" of N faces, N×A uint8 of 0 or 1, and the names of the A attributes.

    Raises `UserError` naming the file if it is no HDF5 file with these fields.
    """
    with _opened(file, ATTRIBUTES) as content:
        names = [name.replace("\\", "/") for name in _texts(content, "name")]
        attribute_names = [name.strip() for name in _texts(content, "AttrName")]
        labels = content["label"][()].T
    if labels.shape != (len(names), len(attribute_names)) or not np.isin(labels, (0, 1)).all():
        shape = "×".join(map(str, labels.shape))
        expected = f"{len(names)}×{len(attribute_names)}, a row a face, all 0 or 1"
        raise UserError(f"{file}: label is {shape}, expected {expected}; {ATTRIBUTES.remedy(file)}")
    return names, labels.astype(np.uint8), attribute_names


def read_split(file: Path, count: int) -> tuple[list[int], list[int]]:
    """Rows, from 0, of the training and of the test faces among `count`; raises `UserError` as `read_attributes`."""
    with _opened(file, SPLIT) as content:
        train, test = (content[f"indices_img_{split}"][()].ravel() for split in ("train", "test"))
    rows = np.concatenate([train, test])
    if len(np.unique(rows)) < len(rows) or not np.isin(rows, np.arange(1, count + 1)).all():
        raise UserError(f"{file}: expected different whole numbers of 1..{count}; {SPLIT.remedy(file)}")
    return (train.astype(int) - 1).tolist(), (test.astype(int) - 1).tolist()


@contextmanager
def _opened(file: Path, source: Source) -> Iterator[h5py.File]:
    try:
        with h5py.File(file, "r") as content:
            yield content
    except (OSError, KeyError, ValueError, TypeError, AttributeError) as error:
        reason = str(error).strip("'\"")
        raise UserError(f"{file}: not a whole file of MATLAB 7.3 ({reason}); {source.remedy(file)}") from None


def _texts(content: h5py.File, field: str) -> list[str]:
    """A cell array of texts."""
    return [bytes(content[reference][()].astype("<u2")).decode("utf-16-le") for reference in content[field][()].ravel()]


def _sample(raw_dir: Path, file: Path, person: str, attributes: np.ndarray, label: int, settings: "Lfwa") -> Sample:
    photo = read_photo(file)
    return Sample(
        sample_id=file.stem,
        image=Frame.of(photo.shape, settings.fit, settings.size).image(photo),
        label=label,
        source=file.relative_to(raw_dir).as_posix(),
        group=person,
        attributes=attributes,
    )
