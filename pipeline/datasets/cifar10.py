"""CIFAR-10 (Krizhevsky 2009), python version: 32×32 RGB photographs of ten classes, 50,000 + 10,000.

Read from the unpacked folder if there is one, else straight from the official archive, which is downloaded if it is
missing. A batch is a pickle, hence a program: it is read by an unpickler that knows arrays and byte
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

from pipeline.datasets.raw.download import obtain
from pipeline.datasets.raw.sources import Part, Source
from pipeline.datasets.samples import Prepared, of_arrays
from pipeline.errors import UserError

if TYPE_CHECKING:
    from pipeline.settings.datasets import Cifar10

FOLDER = "cifar-10-batches-py"
SOURCES = (
    Source(
        file="cifar-10-python.tar.gz", urls=("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",),
        page="https://www.cs.toronto.edu/~kriz/cifar.html",
        licence="none stated; cite Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
        size=170_498_071, checksum="md5:c58f30108f718f92721af3b95e74349a", instead=(FOLDER,),
        parts=(
            Part("data_batch_1", "c99cafc152244af753f735de768cd75f", 10_000),
            Part("data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec", 10_000),
            Part("data_batch_3", "54ebc095f3ab1f0389bbae665268c751", 10_000),
            Part("data_batch_4", "634d18415352ddfa80567beed471001a", 10_000),
            Part("data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb", 10_000),
            Part("test_batch", "40351d587109b95175f43aff81a1287e", 10_000),
        ),
    ),
)  # fmt: skip
COLUMNS = ()
OFFICIAL = {"train": 50_000, "test": 10_000}

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.2023, 0.1994, 0.2010)


def prepare(raw_dir: Path, settings: "Cifar10") -> Prepared:
    """Training images of the five batches in order, and test images.

    Raises `UserError` for a file that is missing, damaged, altered, or asks for anything but arrays and byte strings.
    """
    (source,) = SOURCES
    place = raw_dir / FOLDER
    if not place.exists():
        place = obtain(source, raw_dir)
    remedy = source.remedy(place)
    contents = _contents(place, remedy)
    batches = []
    for part in source.parts:
        file = place / part.name
        if part.name not in contents:
            raise UserError(f"{file}: is missing; put it there, or {remedy}")
        images, labels = read_batch(file, contents[part.name], remedy)
        part.check(file, contents[part.name], len(labels), remedy)
        batches.append((images, labels))
    *train, test = batches
    images, labels = (np.concatenate(arrays) for arrays in zip(*train, strict=True))
    return of_arrays({"train": (images, labels), "test": test}, CLASSES, mean=MEAN, std=STD)


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
