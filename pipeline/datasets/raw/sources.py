"""What an official download is: where it comes from, what it must be, and under which terms it may be used.

Each dataset module lists its own in `SOURCES`; `python -m pipeline data list` and docs/datasets.md show them all.
A download has the checksum that its publisher gives. The files inside may have checksums of their own, since the same
content is often wrapped anew (another gzip, an unpacked folder) and stays official all the same.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UserError


@dataclass(frozen=True)
class Part:
    """A file of rows inside a download, checked when it is read; without `md5` only its layout is."""

    name: str
    md5: str
    rows: int

    def check(self, file: Path, content: bytes, rows: int, remedy: str) -> None:
        """Raises `UserError` with the `remedy` unless `content`, parsed to `rows` rows, is official or a subset."""
        if 0 < rows < self.rows or not self.md5 or hashlib.md5(content, usedforsecurity=False).hexdigest() == self.md5:
            return
        raise UserError(f"{file}: damaged or altered, {rows} rows that are not the official {self.rows}; {remedy}")


@dataclass(frozen=True, kw_only=True)
class Source:
    """One official download."""

    file: str
    """Its name as published."""
    folder: str = "."
    """Folder under run.raw_dir in which it lies."""
    urls: tuple[str, ...] = ()
    """The official address, then mirrors; none if it can only be had by hand."""
    page: str = ""
    """Where a person finds it, its terms and its description."""
    licence: str
    """Terms of use in a few words."""
    accept: str = ""
    """What a user agrees to by downloading it, where the publisher asks for agreement; it is said before the start."""
    size: int | None = None
    """Bytes of the download, where the publisher or a server says."""
    rough_size: int | None = None
    """About how many bytes, where the exact number is not published."""
    checksum: str = ""
    """Checksum that its publisher gives, as "md5:…", "sha1:…" or "sha256:…"; empty where there is none."""
    provides: str = ""
    """For an archive: a path under run.raw_dir that exists once it is unpacked. Empty: it is read as it is."""
    instead: tuple[str, ...] = ()
    """Paths under run.raw_dir that its reader takes in its place, such as other copies of the same content."""
    unpack_to: str = "."
    """Folder under run.raw_dir into which an archive is unpacked."""
    parts: tuple[Part, ...] = ()
    """Files inside that have checksums of their own."""
    only_with: str = ""
    """The setting that it is needed for, where the dataset's defaults do without it."""

    def path(self, raw_dir: Path) -> Path:
        """Where the download lies under run.raw_dir."""
        return raw_dir / self.folder / self.file

    def place(self, raw_dir: Path) -> Path:
        """What readers look for under run.raw_dir: the unpacked content, or the file itself."""
        return raw_dir / self.provides if self.provides else self.path(raw_dir)

    @property
    def origin(self) -> str:
        """Where it comes from, in words for a message."""
        return self.urls[0] if self.urls else f"{self.page} (by hand)"

    def remedy(self, damaged: Path) -> str:
        """What to do about a `damaged` file."""
        if not self.urls:
            return f"replace {damaged} by the official {self.file} from {self.page}"
        return f"delete {damaged} to have the official {self.file} downloaded from {self.urls[0]}"
