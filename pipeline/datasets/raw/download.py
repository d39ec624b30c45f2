"""Gets an official file that is missing: downloaded, verified, unpacked. What has its place under run.raw_dir is whole.

A download goes to `<file>.part` first. If the connection breaks, the part stays and the next attempt goes on from its
end; if the result is not the official file, it is removed.
"""

import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from socket import gaierror
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tqdm import tqdm

from pipeline.datasets.raw.archives import unpack
from pipeline.datasets.raw.sources import Source
from pipeline.errors import UserError
from pipeline.files import file_digest

#: Seconds without an answer after which an attempt counts as failed.
TIMEOUT = 20

#: Attempts at one address, and seconds to wait before each of them.
WAITS = (0, 1, 4)

CHUNK = 2**18


def obtain(source: Source, raw_dir: Path) -> Path:
    """Place of `source` under `raw_dir`: the file itself, or the unpacked content of an archive; fetched if missing.

    Raises `UserError` naming the file, the address, why it failed and where to put the file by hand; a damaged archive
    and one that would write outside its folder is an error too.
    """
    place, file = source.place(raw_dir), source.path(raw_dir)
    if place.exists():
        return place
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with _alone(file.parent):
            if place.exists():
                return place
            if not file.is_file():
                _download(source, file)
            elif source.provides:
                _check_whole(source, file)
            if source.provides:
                unpack(file, raw_dir / source.unpack_to)
    except (OSError, HTTPException) as error:
        reason = str(error).strip("<>")
        if not source.urls:
            raise UserError(
                f"{place}: is missing and cannot be downloaded; get {source.file} from {source.page} "
                f"({source.licence}) and put it into {file.parent}/"
            ) from None
        raise UserError(
            f"{place}: is missing, and {source.urls[0]} could not be downloaded ({reason}); "
            f"put the official {source.file} into {file.parent}/"
        ) from None
    if not place.exists():
        raise UserError(f"{file}: has no {source.provides} in it; {source.remedy(file)}")
    return place


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Holds back other processes that want a file of the same folder; the lock goes with the process."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _download(source: Source, file: Path) -> None:
    if not source.urls:
        raise OSError("no address")
    if source.accept:
        print(f"{source.file}: {source.accept}", file=sys.stderr)
    part = file.with_name(f"{file.name}.part")
    failure: Exception | None = None
    for url in source.urls:
        for wait in WAITS:
            time.sleep(wait)
            try:
                _fetch(url, part, source.size)
                _verify(source, part)
            except HTTPError as error:
                failure = failure or error
                if error.code == 416:  # the part is longer than the file: begin again
                    part.unlink()
                elif error.code < 500:  # asking again changes nothing
                    break
            except (OSError, HTTPException) as error:
                failure = failure or error
                if isinstance(getattr(error, "reason", None), gaierror):  # no network, or no such server
                    break
            else:
                os.replace(part, file)
                return
    if part.exists() and not part.stat().st_size:
        part.unlink()
    raise failure


def _fetch(url: str, part: Path, size: int | None) -> None:
    """Append what is still missing of `part`; an address that cannot give a range gives the whole again."""
    have = part.stat().st_size if part.exists() else 0
    if size is not None and have >= size:
        return
    headers = {"User-Agent": "clearbox", **({"Range": f"bytes={have}-"} if have else {})}
    with urlopen(Request(url, headers=headers), timeout=TIMEOUT) as response:
        resumed = response.status == 206
        left = response.headers.get("Content-Length")
        total = size or (int(left) + resumed * have if left else None)
        said = f"downloading {url}" + (f", {total / 2**20:.1f} MiB" if total else "") + (" (going on)" * resumed)
        print(said, file=sys.stderr, flush=True)
        with (
            part.open("ab" if resumed else "wb") as file,
            tqdm(total=total, initial=resumed * have, unit="B", unit_scale=True, disable=None) as bar,
        ):
            while chunk := response.read(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
                if size is not None and file.tell() > size:
                    break
            received = file.tell()
    if total is not None and received < total:
        raise OSError(f"it ended after {received} of {total} bytes")


def _verify(source: Source, part: Path) -> None:
    """Removes a part that is not the official file, and says in what it differs."""
    received = part.stat().st_size
    reason = ""
    if source.size is not None and received != source.size:
        reason = f"it is longer than the {source.size} bytes of the official file"
    elif (found := _digest(source, part)) != source.checksum:
        reason = f"its checksum is {found}, the official one {source.checksum}"
    if reason:
        part.unlink()
        raise OSError(reason)


def _check_whole(source: Source, file: Path) -> None:
    """An archive that was put there by hand is verified like a download, but never deleted."""
    size = file.stat().st_size
    if source.size is not None and size != source.size:
        raise UserError(f"{file}: has {size} bytes, the official one {source.size}; {source.remedy(file)}")
    if (found := _digest(source, file)) != source.checksum:
        raise UserError(f"{file}: its checksum is {found}, the official one {source.checksum}; {source.remedy(file)}")


def _digest(source: Source, file: Path) -> str:
    """Checksum of `file` by the publisher's algorithm; empty where the publisher gives none."""
    algorithm = source.checksum.partition(":")[0]
    return f"{algorithm}:{file_digest(file, algorithm)}" if algorithm else ""
