"""Fetches an official file that is missing. It takes its place only when it is whole and has the published checksum."""

import hashlib
import sys
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO
from urllib.request import urlopen

from pipeline.datasets.sources import Source
from pipeline.errors import UserError
from pipeline.files import replacing

#: Seconds without an answer after which a download counts as failed.
TIMEOUT = 20

CHUNK = 2**18


def download(source: Source, raw_dir: Path) -> Path:
    """Path of `source` under `raw_dir` after fetching it, with a line of progress on standard error.

    Raises `UserError` naming the file, the address, why it failed and where to put the file by hand.
    """
    target = source.path(raw_dir)
    try:
        with replacing(target) as part, part.open("wb") as file:
            _fetch(source, file)
    except (OSError, HTTPException) as error:
        reason = str(error).strip("<>")
        raise UserError(
            f"{target}: no such file, and {source.url} could not be downloaded ({reason}); "
            f"put the official {source.file} into {target.parent}/"
        ) from None
    return target


def _fetch(source: Source, file: BinaryIO) -> None:
    digest = hashlib.md5(usedforsecurity=False)
    received = shown = 0
    print(f"downloading {source.url}, {source.size / 2**20:.1f} MiB:", end="", file=sys.stderr, flush=True)
    try:
        with urlopen(source.url, timeout=TIMEOUT) as response:
            while received <= source.size and (chunk := response.read(CHUNK)):
                file.write(chunk)
                digest.update(chunk)
                received += len(chunk)
                if (tenths := 10 * received // source.size) > shown:
                    shown = tenths
                    print(f" {shown}0 %", end="", file=sys.stderr, flush=True)
    finally:
        print(file=sys.stderr)
    if received > source.size:
        raise OSError(f"it is longer than the {source.size} bytes of the official file")
    if received < source.size:
        raise OSError(f"it ended after {received} of {source.size} bytes")
    if digest.hexdigest() != source.md5:
        raise OSError(f"its MD5 is {digest.hexdigest()}, the official one {source.md5}")
