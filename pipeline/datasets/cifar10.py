"""CIFAR-10 (Krizhevsky 2009), python version: 32×32 RGB photographs of ten classes, 50,000 + 10,000.

Read from the unpacked folder if there is one, else straight from the official archive, which is downloaded if it is
missing (`sources.py`). A batch is a pickle, hence a program: it is read by an unpickler that knows arrays and byte
strings and nothing else, so that no file can run code.
"""

import gzip
import io
import pickle
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from pipeline.datasets.download import download
from pipeline.datasets.sources import SOURCES
from pipeline.errors import UserError
from pipeline.images import image_table

if TYPE_CHECKING:
    from pipeline.settings.datasets import Dataset

FOLDER = "cifar-10-batches-py"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.2023, 0.1994, 0.2010)


def prepare(raw_dir: Path, settings: "Dataset") -> dict[str, pa.Table]:
    """Tables "train" (the five batches in order) and "test".

    Raises `UserError` for a file that is missing, damaged, altered, or asks for anything but arrays and byte strings.
    """
    (source,) = SOURCES["cifar10"]
    place = next((path for path in (raw_dir / FOLDER, source.path(raw_dir)) if path.exists()), None)
    place = place or download(source, raw_dir)
    remedy = source.remedy(place)
    contents = _contents(place, remedy)
    images, labels, notices = {}, {}, []
    for part in source.parts:
        file = place / part.name
        if part.name not in contents:
            raise UserError(f"{file}: is missing; put it there, or {remedy}")
        images[part.name], labels[part.name] = read_batch(file, contents[part.name], remedy)
        notices += part.notices(file, contents[part.name], len(labels[part.name]), remedy)
    *train, test = (part.name for part in source.parts)
    return {
        split: image_table(
            [f"{split}-{row:05d}" for row in range(sum(len(labels[name]) for name in names))],
            np.concatenate([images[name] for name in names]),
            np.concatenate([labels[name] for name in names]),
            class_names=CLASSES,
            mean=MEAN,
            std=STD,
            notices=notices,
        )
        for split, names in {"train": train, "test": [test]}.items()
    }


def read_batch(file: Path, content: bytes, remedy: str) -> tuple[np.ndarray, np.ndarray]:
    """Images N×32×32×3 uint8 and labels N int64 of one batch; raises `UserError` naming `file` with the `remedy`."""
    try:
        batch = _Unpickler(io.BytesIO(content), encoding="bytes").load()
        # Python 2 wrote the official batches, whose keys are byte strings; a batch saved anew may have text instead.
        data, labels = (batch[key.encode()] if key.encode() in batch else batch[key] for key in ("data", "labels"))
        labels = np.asarray(labels)
        if data.dtype != np.uint8 or data.shape[1:] != (3072,) or labels.dtype.kind not in "iu":
            raise ValueError(f"data {data.dtype} {data.shape}, labels {labels.dtype}")
        if labels.shape != data.shape[:1]:
            raise ValueError(f"{len(data)} images, {labels.size} labels")
    except Exception as error:  # a damaged pickle can end in nearly any of them
        raise UserError(f"{file}: not a batch of CIFAR-10 ({type(error).__name__}: {error}); {remedy}") from None
    return data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), labels.astype(np.int64)


def _contents(place: Path, remedy: str) -> dict[str, bytes]:
    """Files of the batches' folder by name; out of an archive they are read without unpacking anything to disk."""
    try:
        if place.is_dir():
            return {file.name: file.read_bytes() for file in place.iterdir() if file.is_file()}
        return dict(_members(place))
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise UserError(f"{place}: cannot be read to its end ({error}); {remedy}") from None


def _members(archive: Path) -> Iterator[tuple[str, bytes]]:
    with gzip.open(archive) as stream:
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for member in tar:
                name = PurePosixPath(member.name)
                if member.isfile() and name.parent == PurePosixPath(FOLDER):
                    yield name.name, tar.extractfile(member).read()
        # The archive's checksum stands at its very end, behind what tar reads; reaching it is what checks it.
        while stream.read(2**20):
            pass


def _latin1(text: str, encoding: str) -> bytes:
    """How Python 3 writes byte strings for Python 2, without leaving the choice of the codec to the file."""
    return text.encode("latin1")


#: What arrays and byte strings are made of. NumPy moved its modules under `numpy._core` in version 2; files of either
#: kind get the functions of the installed one.
ADMITTED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy._core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy.core.numeric", "_frombuffer"): np.empty(0).__reduce_ex__(5)[0],
    ("numpy._core.numeric", "_frombuffer"): np.empty(0).__reduce_ex__(5)[0],
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _latin1,
}


class _Unpickler(pickle.Unpickler):
    """Refuses everything that is not admitted before it is even looked up."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ADMITTED:
            raise pickle.UnpicklingError(f"asks for {module}.{name}, which no batch needs: do not trust it")
        return ADMITTED[module, name]
