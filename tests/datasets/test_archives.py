"""Archives: what is unpacked, what is refused, and that a refusal leaves nothing."""

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from pipeline.datasets.raw.archives import unpack
from pipeline.errors import UserError


def tar(file: Path, members: dict[str, bytes | tarfile.TarInfo], mode: str = "w") -> Path:
    with tarfile.open(file, mode) as archive:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
                continue
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def zipped(file: Path, members: dict[str, bytes], mode: int = 0) -> Path:
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, content)
    return file


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


FILES = {"set/a.txt": b"a", "set/deep/b.bin": bytes(3_000_000), "top": b""}


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_tar_is_unpacked_beside_what_is_there(tmp_path, mode):
    folder = tmp_path / "raw"
    (folder / "set" / "deep").mkdir(parents=True)
    (folder / "set" / "deep" / "old").write_bytes(b"old")
    unpack(tar(tmp_path / "a", FILES, mode), folder)
    assert tree(folder) == FILES | {"set/deep/old": b"old"}


def test_zip_is_unpacked(tmp_path):
    unpack(zipped(tmp_path / "a.zip", FILES, stat.S_IFREG | 0o644), tmp_path / "raw")
    assert tree(tmp_path / "raw") == FILES


@pytest.mark.parametrize("name", ["../evil", "set/../../evil", "/evil", "set\\..\\evil"])
@pytest.mark.parametrize("pack", [tar, zipped])
def test_member_that_would_land_outside_is_refused(tmp_path, pack, name):
    archive = pack(tmp_path / "bad", {"set/good": b"1", name: b"2"})
    with pytest.raises(UserError, match=rf"^{archive}: holds '.*evil', which would land outside the folder; do not"):
        unpack(archive, tmp_path / "in" / "raw")
    assert tree(tmp_path) == {"bad": archive.read_bytes()}


@pytest.mark.parametrize(
    "member",
    [
        special("set/link", tarfile.SYMTYPE, "/etc/passwd"),
        special("set/link", tarfile.SYMTYPE, "good"),
        special("set/link", tarfile.LNKTYPE, "set/good"),
        special("set/link", tarfile.FIFOTYPE),
        special("set/link", tarfile.CHRTYPE),
    ],
)
def test_link_or_device_in_a_tar_is_refused(tmp_path, member):
    archive = tar(tmp_path / "bad.tar", {"set/good": b"1", "link": member})
    with pytest.raises(UserError, match=r"bad\.tar: holds 'set/link', which is a link or a device"):
        unpack(archive, tmp_path / "raw")
    assert tree(tmp_path / "raw") == {}


def test_link_in_a_zip_is_refused(tmp_path):
    archive = zipped(tmp_path / "bad.zip", {"set/link": b"/etc/passwd"}, stat.S_IFLNK | 0o777)
    with pytest.raises(UserError, match=r"bad\.zip: holds 'set/link', which is a link or a device"):
        unpack(archive, tmp_path / "raw")


@pytest.mark.parametrize(("mode", "keep"), [("w:gz", 0.5), ("w", 0.5), ("w:gz", 0)])
def test_truncated_tar_is_named_and_leaves_nothing(tmp_path, mode, keep):
    archive = tar(tmp_path / "cut.tar", {"a": bytes(range(256)) * 4000, "b": b"2"}, mode)
    content = archive.read_bytes()
    archive.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(UserError, match=r"cut\.tar: cannot be unpacked to its end"):
        unpack(archive, tmp_path / "raw")
    assert tree(tmp_path / "raw") == {} and not list((tmp_path / "raw").iterdir())


def test_damaged_zip_is_named_and_leaves_nothing(tmp_path):
    archive = zipped(tmp_path / "bad.zip", {"a": bytes(range(256)) * 40})
    content = bytearray(archive.read_bytes())
    content[500] ^= 0xFF
    archive.write_bytes(content)
    with pytest.raises(UserError, match=r"bad\.zip: cannot be unpacked to its end .*CRC"):
        unpack(archive, tmp_path / "raw")
    assert not list((tmp_path / "raw").iterdir())
