"""The downloader against a real server on this machine."""

import hashlib
import socket
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pipeline.datasets import idx
from pipeline.datasets.download import download
from pipeline.datasets.sources import SOURCES, Part, Source
from pipeline.errors import UserError

CONTENT = bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9])


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *arguments) -> None:
        pass


@pytest.fixture
def site(tmp_path, monkeypatch) -> str:
    """Address of a server that has the one file `labels`."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "labels").write_bytes(CONTENT)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=tmp_path / "site")) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def raw(tmp_path):
    return tmp_path / "raw"


def source(base: str, *, file: str = "labels", size: int = len(CONTENT), content: bytes = CONTENT) -> Source:
    digest = hashlib.md5(content).hexdigest()
    return Source("some", file, base, "MIT", size, digest, (Part("plain", digest, 3),))


def files(folder) -> list:
    return [path for path in folder.rglob("*") if not path.is_dir()]


def test_good_file_takes_its_place(site, raw, capsys):
    assert download(source(site), raw) == raw / "some" / "labels"
    assert files(raw) == [raw / "some" / "labels"]
    assert (raw / "some" / "labels").read_bytes() == CONTENT
    assert capsys.readouterr().err == f"downloading {site}/labels, 0.0 MiB: 100 %\n"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"content": b"other"}, "its MD5 is .{32}, the official one .{32}"),
        ({"size": 12}, "it ended after 11 of 12 bytes"),
        ({"size": 10}, "it is longer than the 10 bytes of the official file"),
        ({"file": "absent"}, "HTTP Error 404: File not found"),
    ],
)
def test_wrong_file_leaves_nothing_behind(site, raw, changes, reason):
    wanted = source(site, **changes)
    expected = rf"{wanted.path(raw)}: no such file, and {wanted.url} could not be downloaded \({reason}\); put"
    with pytest.raises(UserError, match=expected) as caught:
        download(wanted, raw)
    assert str(caught.value).endswith(f"put the official {wanted.file} into {raw}/some/")
    assert files(raw) == []


def test_refused_connection_is_explained(raw, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(UserError, match="Connection refused"):
        download(source(address), raw)
    assert files(raw) == []


def test_unusable_raw_dir_is_explained(site, raw):
    raw.write_text("a file where the folder should be")
    with pytest.raises(UserError, match="could not be downloaded"):
        download(source(site), raw)


def test_missing_idx_file_is_downloaded_and_the_next_time_found(site, raw, tmp_path):
    plain = source(site, file="plain")
    (tmp_path / "site" / "plain").write_bytes(CONTENT)
    download(plain, raw)
    (tmp_path / "site" / "plain").unlink()
    labels, notices = idx.read(raw, source(site, file="plain.gz"), row=())
    assert labels.tolist() == [7, 8, 9] and notices == []


def test_table_is_complete():
    every = [item for sources in SOURCES.values() for item in sources]
    digests = [item.md5 for item in every] + [part.md5 for item in every for part in item.parts]
    assert len(set(digests)) == len(digests)
    assert all(len(digest) == 32 and int(digest, 16) for digest in digests)
    assert all(item.licence and item.url.startswith("http") and item.size for item in every)
