"""Unpacks archives that came from outside: nothing lands outside the folder, nothing half-unpacked is left.

Every member is checked by name and kind: no absolute path, no `..`, no link, no device. They are unpacked beside their
place and moved there when all are.
"""

import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from pipeline.errors import UserError


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a .zip, .tar, .tar.gz or .tgz into `folder`, beside what is there already.

    Raises `UserError` naming the archive if it is damaged, or holds a member that has no business in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=folder) as place:
        try:
            for name, content in _zip(archive) if zipfile.is_zipfile(archive) else _tar(archive):
                target = Path(place, _safe(archive, name))
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as file:
                    shutil.copyfileobj(content, file, 2**20)
        except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise UserError(f"{archive}: cannot be unpacked to its end ({error}); replace it by a whole one") from None
        _move(Path(place), folder)


def _tar(archive: Path) -> Iterator[tuple[str, BinaryIO]]:
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isfile():
                yield member.name, tar.extractfile(member)
            elif not member.isdir():
                raise _refused(archive, member.name, "is a link or a device")


def _zip(archive: Path) -> Iterator[tuple[str, BinaryIO]]:
    with zipfile.ZipFile(archive) as zipped:
        for member in zipped.infolist():
            # The upper half holds the mode of files packed under Unix, zero elsewhere.
            if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _refused(archive, member.filename, "is a link or a device")
            if not member.is_dir():
                with zipped.open(member) as content:
                    yield member.filename, content


def _safe(archive: Path, name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or not path.parts:
        raise _refused(archive, name, "would land outside the folder")
    return path


def _refused(archive: Path, name: str, reason: str) -> UserError:
    return UserError(f"{archive}: holds '{name}', which {reason}; do not trust this archive, get the official one")


def _move(place: Path, folder: Path) -> None:
    """Move everything into `folder`; a sub-folder that is new to it arrives whole, in one step."""
    for item in sorted(place.iterdir()):
        target = folder / item.name
        if item.is_dir() and target.is_dir():
            _move(item, target)
        else:
            os.replace(item, target)
