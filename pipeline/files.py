"""Atomic writes, and digests of files.

Everything lands beside its place first and is then renamed, so that a file that exists is whole.
"""

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: What a file system answers when it does not take a file: no right to write, read-only, full, over the user's share.
REFUSED = (errno.EACCES, errno.EROFS, errno.ENOSPC, errno.EDQUOT)


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A path beside `path` to write to; takes its place when the block ends well and is removed when it does not.

    Raises what the block raises; where the file system refused and the error names no file, it gets the name of `path`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        os.replace(part, path)
    except OSError as error:
        if error.errno in REFUSED:
            error.filename = error.filename or str(path)
        raise
    finally:
        part.unlink(missing_ok=True)


def file_digest(path: str | Path, algorithm: str = "sha256") -> str:
    """Digest of a file's content in hexadecimal digits, by an algorithm that hashlib knows."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
