"""Official downloads: where each file comes from, what it must be, and under which terms it may be used.

A download has the checksum that its publisher gives. The files inside have checksums of their own, since the same
content is often wrapped anew (another gzip, an unpacked folder) and stays official all the same.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UserError


@dataclass(frozen=True)
class Part:
    """A file of rows inside a download, checked when it is read."""

    name: str
    md5: str
    rows: int

    def notices(self, file: Path, content: bytes, rows: int, remedy: str) -> list[str]:
        """What to tell about `file`, whose `content` parsed to `rows` rows.

        Nothing if it is the official one, a notice if it holds fewer rows and so passes as a subset. Anything else is
        damaged or altered: `UserError` with the `remedy`.
        """
        if hashlib.md5(content, usedforsecurity=False).hexdigest() == self.md5:
            return []
        if 0 < rows < self.rows:
            return [f"{file.name} is not the official file: {rows} of {self.rows} rows; results are on a subset"]
        raise UserError(f"{file}: damaged or altered, {rows} rows that are not the official {self.rows}; {remedy}")


@dataclass(frozen=True)
class Source:
    """One official download: `size` in bytes and `md5` are those of the file as published at `base`/`file`."""

    folder: str
    file: str
    base: str
    licence: str
    size: int
    md5: str
    parts: tuple[Part, ...]

    @property
    def url(self) -> str:
        return f"{self.base}/{self.file}"

    def path(self, raw_dir: Path) -> Path:
        """Where the download lies under run.raw_dir."""
        return raw_dir / self.folder / self.file

    def remedy(self, damaged: Path) -> str:
        return f"delete {damaged} to have the official {self.file} downloaded from {self.base}"


_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist"
_MNIST_LICENCE = "CC BY-SA 3.0"
_FASHION = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
_FASHION_LICENCE = "MIT"

#: Downloads by dataset. MNIST and Fashion-MNIST: training images, training labels, test images, test labels.
SOURCES: dict[str, tuple[Source, ...]] = {
    "mnist": (
        Source(
            folder="mnist", file="train-images-idx3-ubyte.gz", base=_MNIST, licence=_MNIST_LICENCE,
            size=9_912_422, md5="f68b3c2dcbeaaa9fbdd348bbdeb94873",
            parts=(Part("train-images-idx3-ubyte", "6bbc9ace898e44ae57da46a324031adb", 60_000),),
        ),
        Source(
            folder="mnist", file="train-labels-idx1-ubyte.gz", base=_MNIST, licence=_MNIST_LICENCE,
            size=28_881, md5="d53e105ee54ea40749a09fcbcd1e9432",
            parts=(Part("train-labels-idx1-ubyte", "a25bea736e30d166cdddb491f175f624", 60_000),),
        ),
        Source(
            folder="mnist", file="t10k-images-idx3-ubyte.gz", base=_MNIST, licence=_MNIST_LICENCE,
            size=1_648_877, md5="9fb629c4189551a2d022fa330f9573f3",
            parts=(Part("t10k-images-idx3-ubyte", "2646ac647ad5339dbf082846283269ea", 10_000),),
        ),
        Source(
            folder="mnist", file="t10k-labels-idx1-ubyte.gz", base=_MNIST, licence=_MNIST_LICENCE,
            size=4_542, md5="ec29112dd5afa0611ce80d1b7f02629c",
            parts=(Part("t10k-labels-idx1-ubyte", "27ae3e4e09519cfbb04c329615203637", 10_000),),
        ),
    ),
    "fashion_mnist": (
        Source(
            folder="fashion-mnist", file="train-images-idx3-ubyte.gz", base=_FASHION, licence=_FASHION_LICENCE,
            size=26_421_880, md5="8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            parts=(Part("train-images-idx3-ubyte", "f4a8712d7a061bf5bd6d2ca38dc4d50a", 60_000),),
        ),
        Source(
            folder="fashion-mnist", file="train-labels-idx1-ubyte.gz", base=_FASHION, licence=_FASHION_LICENCE,
            size=29_515, md5="25c81989df183df01b3e8a0aad5dffbe",
            parts=(Part("train-labels-idx1-ubyte", "9018921c3c673c538a1fc5bad174d6f9", 60_000),),
        ),
        Source(
            folder="fashion-mnist", file="t10k-images-idx3-ubyte.gz", base=_FASHION, licence=_FASHION_LICENCE,
            size=4_422_102, md5="bef4ecab320f06d8554ea6380940ec79",
            parts=(Part("t10k-images-idx3-ubyte", "8181f5470baa50b63fa0f6fddb340f0a", 10_000),),
        ),
        Source(
            folder="fashion-mnist", file="t10k-labels-idx1-ubyte.gz", base=_FASHION, licence=_FASHION_LICENCE,
            size=5_148, md5="bb300cfdad3c16e7a12a480ee83cd310",
            parts=(Part("t10k-labels-idx1-ubyte", "15d484375f8d13e6eb1aabb0c3f46965", 10_000),),
        ),
    ),
    "cifar10": (
        Source(
            folder=".", file="cifar-10-python.tar.gz", base="https://www.cs.toronto.edu/~kriz",
            licence="none stated; cite Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
            size=170_498_071, md5="c58f30108f718f92721af3b95e74349a",
            parts=(
                Part("data_batch_1", "c99cafc152244af753f735de768cd75f", 10_000),
                Part("data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec", 10_000),
                Part("data_batch_3", "54ebc095f3ab1f0389bbae665268c751", 10_000),
                Part("data_batch_4", "634d18415352ddfa80567beed471001a", 10_000),
                Part("data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb", 10_000),
                Part("test_batch", "40351d587109b95175f43aff81a1287e", 10_000),
            ),
        ),
    ),
}
