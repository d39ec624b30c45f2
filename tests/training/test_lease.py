"""Leases on pretended devices, by real processes and locks."""

import threading
import time

import pytest
import torch
from processes import CONTEXT, TIMEOUT, holder, started, work_with

from pipeline.errors import UserError
from pipeline.training import lease
from pipeline.training.lease import own_gpu, take


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(lease, "PAUSE", 0.01)


@pytest.mark.parametrize(("jobs", "count"), [(5, 1), (3, 2)])
def test_no_two_processes_have_one_device(tmp_path, jobs, count):
    """Also where each wants both: nobody waits for ever for the other's half."""
    diary, devices, together = tmp_path / "diary", ["first", "second"], CONTEXT.Barrier(jobs)
    workers = [started(work_with, devices, count, tmp_path / "locks", diary, together) for _ in range(jobs)]
    for worker in workers:
        worker.join(TIMEOUT)
    assert [worker.exitcode for worker in workers] == [0] * jobs
    taken, most = set(), 0
    for word, device in map(str.split, diary.read_text().splitlines()):
        assert (device in taken) == (word == "go")
        (taken.add if word == "come" else taken.remove)(device)
        most = max(most, len(taken))
    assert not taken and most == 2


def test_a_device_of_a_killed_process_is_free(tmp_path):
    with holder(["only"], tmp_path) as other:
        assert lease._free(["only"], 1, tmp_path) == {}
        other.kill()
        other.join()
        places, _ = take(["only"], 1, tmp_path)
    assert places == [0]


def test_who_comes_too_late_waits_and_says_so_once(tmp_path, capsys):
    with holder(["only"], tmp_path) as other:
        threading.Timer(0.3, other.kill).start()
        start = time.monotonic()
        places, _ = take(["only"], 1, tmp_path)
        assert places == [0] and time.monotonic() - start >= 0.25
    line = f"waiting for GPUs: 1 wanted, too many of 1 taken (locks in {tmp_path})\n"
    assert capsys.readouterr().out == line


def test_places_are_those_among_the_visible_devices(tmp_path):
    """A device has its lock by its name: who sees fewer or others counts otherwise."""
    with holder(["second"], tmp_path):
        one, locks = take(["first", "second", "third"], 1, tmp_path)
        other, more = take(["second", "first", "third"], 1, tmp_path)
    assert (one, other) == ([0], [2]) and len(locks + more) == 2


def test_a_part_that_is_not_enough_is_given_back(tmp_path):
    with holder(["second"], tmp_path):
        assert lease._free(["first", "second"], 2, tmp_path) == {}
        places, _ = take(["first", "second"], 1, tmp_path)
    assert places == [0]


def test_more_processes_than_devices_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"run\.processes: 3 on this machine are more than its 2 visible GPUs; lower"):
        take(["first", "second"], 3, tmp_path)


def test_a_folder_that_cannot_have_locks_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file/locks: Not a directory; set TMPDIR to a folder"):
        take(["only"], 1, tmp_path / "file" / "locks")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_is_said_where_it_was_not_asked_for(capsys):
    own_gpu("cpu")
    assert capsys.readouterr().out == ""
    own_gpu("auto")
    assert capsys.readouterr().out == "no GPU here: computing on the processor\n"
