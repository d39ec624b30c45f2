"""Real processes for tests: how they begin, and those that work with pretended GPUs.

What they run stands here, since processes find functions by the name of their module.
"""

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier
from pathlib import Path

import torch

from pipeline.training import lease

#: Forks processes from a clean one that has imported what takes long.
CONTEXT = get_context("forkserver")
CONTEXT.set_forkserver_preload(["torch._dynamo", "pipeline.settings", "pipeline.registry", "pipeline.training.session"])
#: Seconds after which processes count as hanging.
TIMEOUT = 120


def started(function: Callable, *arguments: object) -> BaseProcess:
    process = CONTEXT.Process(target=function, args=arguments)
    process.start()
    return process


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def work_with(devices: list[str], count: int, folder: Path, diary: Path, together: Barrier) -> None:
    """Take so many of the `devices`, note when they came and went, and end."""
    lease.PAUSE = 0.01
    together.wait(TIMEOUT)
    places, locks = lease.take(devices, count, folder)
    with diary.open("a", buffering=1) as file:
        file.writelines(f"come {devices[place]}\n" for place in places)
        time.sleep(0.1)
        file.writelines(f"go {devices[place]}\n" for place in places)
    assert not any(lock.closed for lock in locks)


def compute_on_own_gpu(folder: Path, together: Barrier) -> None:
    """Leave a file named after this process's GPU with what it computed, and keep the GPU until all have theirs."""
    os.environ["TMPDIR"], tempfile.tempdir = str(folder), None
    lease.own_gpu("auto")
    total = torch.ones(3, device="cuda").sum()
    (folder / f"{torch.cuda.get_device_properties(total.device).uuid}.gpu").write_text(str(total.item()))
    together.wait(TIMEOUT)


def hold(devices: list[str], folder: Path, ready: Path) -> None:
    """Take one of the `devices` and keep it until killed."""
    kept = lease.take(devices, 1, folder)
    ready.touch()
    signal.pause()
    assert kept


@contextmanager
def holder(devices: list[str], folder: Path) -> Iterator[BaseProcess]:
    """A process that has one of the `devices`."""
    ready = folder / "ready"
    process = started(hold, devices, folder, ready)
    wait_for(ready.exists)
    yield process
    process.kill()
    process.join()
