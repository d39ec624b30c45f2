"""The downloader against a real server on this machine: whole, broken off, gone on, wrong, and packed."""

import hashlib
import io
import multiprocessing
import re
import socket
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.datasets.raw import download
from pipeline.datasets.raw.download import obtain
from pipeline.datasets.raw.sources import Source
from pipeline.errors import UserError

CONTENT = bytes(range(256)) * 40


class Server(ThreadingHTTPServer):
    """Serves `files`. The first `breaks` answers end half-way; without `ranges` every answer is the whole file."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {"/labels": CONTENT}
        self.breaks, self.ranges, self.error = 0, True, 0
        self.asked: list[tuple[str, str | None]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers["Range"]))
        content = self.server.files.get(self.path)
        if content is None or self.server.error:
            return self.send_error(self.server.error or 404)
        start = 0
        if self.headers["Range"] and self.server.ranges:
            start = int(re.fullmatch(r"bytes=(\d+)-", self.headers["Range"])[1])
            if start >= len(content):
                return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        rest = content[start:]
        if self.server.breaks:
            self.server.breaks -= 1
            rest = rest[: len(rest) // 2]
        self.wfile.write(rest)

    def log_message(self, *arguments) -> None:
        pass


@pytest.fixture
def server(monkeypatch) -> Server:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(download, "WAITS", (0, 0, 0))
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def raw(tmp_path) -> Path:
    return tmp_path / "raw"


def source(*urls: str, content: bytes = CONTENT, **changes) -> Source:
    given = {
        "folder": "some", "file": "labels", "urls": urls, "licence": "MIT", "page": "https://example.org",
        "size": len(content), "checksum": f"md5:{hashlib.md5(content).hexdigest()}",
    }  # fmt: skip
    return Source(**given | changes)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if not path.is_dir()]


def test_good_file_takes_its_place(server, raw, capsys):
    wanted = source(f"{server.address}/labels", accept="by downloading you agree to cite the authors")
    assert obtain(wanted, raw) == raw / "some" / "labels"
    assert files(raw) == [raw / "some" / "labels"]
    assert (raw / "some" / "labels").read_bytes() == CONTENT
    assert capsys.readouterr().err.splitlines() == [
        "labels: by downloading you agree to cite the authors",
        f"downloading {server.address}/labels, 0.0 MiB",
    ]
    obtain(wanted, raw)
    assert len(server.asked) == 1


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256"])
def test_every_algorithm_of_checksums_is_checked(server, raw, algorithm):
    good = f"{algorithm}:{hashlib.new(algorithm, CONTENT).hexdigest()}"
    with pytest.raises(UserError, match=rf"its checksum is {good}, the official one {algorithm}:0"):
        obtain(source(f"{server.address}/labels", checksum=f"{algorithm}:0"), raw)
    assert files(raw) == []
    obtain(source(f"{server.address}/labels", checksum=good), raw)


def test_broken_download_goes_on_where_it_ended(server, raw):
    server.breaks = 2
    obtain(source(f"{server.address}/labels"), raw)
    assert (raw / "some" / "labels").read_bytes() == CONTENT
    half = len(CONTENT) // 2
    assert [asked for _, asked in server.asked] == [None, f"bytes={half}-", f"bytes={half + half // 2}-"]


def test_next_run_goes_on_where_the_last_one_gave_up(server, raw):
    server.breaks = 3
    with pytest.raises(UserError, match=r"it ended after 5120 of 10240 bytes"):
        obtain(source(f"{server.address}/labels"), raw)
    (part,) = files(raw)
    assert part.name == "labels.part"
    kept = part.stat().st_size
    server.asked.clear()
    obtain(source(f"{server.address}/labels"), raw)
    assert server.asked == [("/labels", f"bytes={kept}-")]
    assert files(raw) == [raw / "some" / "labels"]


@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_server_without_ranges_begins_again(server, raw, size):
    server.breaks, server.ranges = 1, False
    obtain(source(f"{server.address}/labels", size=size), raw)
    assert (raw / "some" / "labels").read_bytes() == CONTENT


def test_part_that_is_too_long_is_thrown_away(server, raw):
    (raw / "some").mkdir(parents=True)
    (raw / "some" / "labels.part").write_bytes(CONTENT + b"more")
    obtain(source(f"{server.address}/labels", size=None), raw)
    assert (raw / "some" / "labels").read_bytes() == CONTENT


def test_mirror_is_asked_when_the_address_fails(server, raw):
    server.files["/mirror"] = CONTENT
    obtain(source(f"{server.address}/gone", f"{server.address}/mirror"), raw)
    assert [path for path, _ in server.asked] == ["/gone", "/mirror"]


def test_server_error_is_asked_again_and_a_missing_file_is_not(server, raw):
    with pytest.raises(UserError, match="HTTP Error 404"):
        obtain(source(f"{server.address}/absent"), raw)
    assert len(server.asked) == 1
    server.error = 503
    with pytest.raises(UserError, match="HTTP Error 503"):
        obtain(source(f"{server.address}/labels"), raw)
    assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"checksum": "md5:0"}, "its checksum is md5:.{32}, the official one md5:0"),
        ({"size": len(CONTENT) - 1}, "it is longer than the 10239 bytes of the official file"),
    ],
)
def test_wrong_file_leaves_nothing_behind(server, raw, changes, reason):
    wanted = source(f"{server.address}/labels", **changes)
    expected = rf"{wanted.path(raw)}: is missing, and {wanted.urls[0]} could not be downloaded \({reason}\); put"
    with pytest.raises(UserError, match=expected) as caught:
        obtain(wanted, raw)
    assert str(caught.value).endswith(f"put the official labels into {raw}/some/")
    assert files(raw) == []


def test_refused_connection_is_explained(raw, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(download, "WAITS", (0,))
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/labels"
    with pytest.raises(UserError, match="Connection refused"):
        obtain(source(address), raw)
    assert files(raw) == []


def test_unknown_server_is_not_asked_again(raw, monkeypatch):
    waited = []
    monkeypatch.setattr(download.time, "sleep", waited.append)
    with pytest.raises(UserError, match=r"no-such-server\.invalid/labels could not be downloaded \(urlopen error"):
        obtain(source("http://no-such-server.invalid/labels"), raw)
    assert waited == [0]


def test_file_without_an_address_says_where_it_is_to_be_had(raw):
    with pytest.raises(
        UserError, match=rf"{raw}/some/labels: is missing and cannot be downloaded; get labels from https://example.org"
    ):
        obtain(source(), raw)


def test_unusable_raw_dir_is_explained(server, raw):
    raw.write_text("a file where the folder should be")
    with pytest.raises(UserError, match="could not be downloaded"):
        obtain(source(f"{server.address}/labels"), raw)


def packed(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(f"set/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def test_archive_is_unpacked_once(server, raw):
    server.files["/set.tgz"] = archive = packed(one=b"1", two=b"2")
    wanted = source(f"{server.address}/set.tgz", content=archive, file="set.tgz", folder=".", provides="set")
    assert obtain(wanted, raw) == raw / "set"
    assert {path.name: path.read_bytes() for path in (raw / "set").iterdir()} == {"one": b"1", "two": b"2"}
    (raw / "set.tgz").unlink()
    obtain(wanted, raw)
    assert len(server.asked) == 1


def test_archive_put_there_by_hand_is_verified_and_kept(raw):
    raw.mkdir()
    archive = packed(one=b"1")
    wanted = source("http://127.0.0.1:1/set.tgz", content=archive, file="set.tgz", folder=".", provides="set")
    (raw / "set.tgz").write_bytes(archive[:-1] + b"?")
    with pytest.raises(UserError, match=rf"{raw}/set\.tgz: its checksum is md5:.*; delete {raw}/set\.tgz to have"):
        obtain(wanted, raw)
    (raw / "set.tgz").write_bytes(archive + b"?")
    with pytest.raises(UserError, match=rf"{raw}/set\.tgz: has {len(archive) + 1} bytes, the official one"):
        obtain(wanted, raw)
    assert files(raw) == [raw / "set.tgz"]
    (raw / "set.tgz").write_bytes(archive)
    obtain(wanted, raw)
    assert (raw / "set" / "one").read_bytes() == b"1"


def test_archive_without_what_it_should_provide_is_named(raw):
    raw.mkdir()
    archive = packed(one=b"1")
    (raw / "set.tgz").write_bytes(archive)
    wanted = source(content=archive, file="set.tgz", folder=".", provides="other/place")
    with pytest.raises(UserError, match=rf"{raw}/set\.tgz: has no other/place in it; replace .*set\.tgz by the"):
        obtain(wanted, raw)


def test_two_jobs_that_want_one_file_download_it_once(server, raw):
    wanted = source(f"{server.address}/labels")
    jobs = [multiprocessing.get_context("spawn").Process(target=obtain, args=(wanted, raw)) for _ in range(3)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert [job.exitcode for job in jobs] == [0] * 3
    assert len(server.asked) == 1
