"""A GPU of its own for every job, however many run on one machine.

Snakemake's resource `gpu` only counts: it does not say which device a job gets. So a job takes a lock on a file named
after its GPU before it touches it. The operating system lets go of the lock when the job ends, however it ends. Locks
keep apart the jobs of one user who share a folder for temporary files; GPUs of different users or machines are the
business of a scheduler, which sets CUDA_VISIBLE_DEVICES: no others are taken.
"""

import fcntl
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import torch

from pipeline.errors import UserError
from pipeline.training.group import ALONE, Group

#: Seconds between two looks for a GPU that has become free.
PAUSE = 1.0

#: Locks of this process, held until it ends.
_held: list[IO] = []


def own_gpu(device: str, group: Group = ALONE) -> None:
    """Make a GPU that no other job has torch's current one, if `device` (auto, cpu or cuda) takes one; may wait.

    Processes of one training get theirs from the first on their machine, which takes all at once: two trainings that
    each had half of what they need would wait for each other for ever. A process that has its GPU keeps it.
    """
    if device == "cpu" or _held:
        return
    if not torch.cuda.is_available():
        if device == "auto" and group.leads:
            print("no GPU here: computing on the processor", flush=True)
        return
    places = torch.zeros(group.size, dtype=torch.int64)
    if group.local_rank == 0:
        names = [str(torch.cuda.get_device_properties(place).uuid) for place in range(torch.cuda.device_count())]
        taken, locks = take(names, group.local_size, Path(tempfile.gettempdir()) / f"clearbox-gpus-{os.getuid()}")
        _held.extend(locks)
        places[group.rank : group.rank + group.local_size] = torch.tensor(taken)
    torch.cuda.set_device(group.sum(places)[group.rank].item())


def take(devices: Sequence[str], count: int, folder: Path) -> tuple[list[int], list[IO]]:
    """Places in `devices` of `count` that nobody has, and their locks, which last as long as these files are open.

    `devices` have names that are their own on this machine. Waits for them, all together, and says so once. Raises
    `UserError` where there are not so many, and for a `folder` of locks that cannot be written.
    """
    if count > len(devices):
        raise UserError(
            f"run.processes: {count} on this machine are more than its {len(devices)} visible GPUs; lower it, make "
            f"more visible by CUDA_VISIBLE_DEVICES, or set run.device: cpu"
        )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = _free(devices, count, folder)
        if not found:
            print(f"waiting for GPUs: {count} wanted, too many of {len(devices)} taken (locks in {folder})", flush=True)
        while not found:
            time.sleep(PAUSE)
            found = _free(devices, count, folder)
    except OSError as error:
        raise UserError(f"{folder}: {error.strerror}; set TMPDIR to a folder that can keep locks on GPUs") from None
    return list(found), list(found.values())


def _free(devices: Sequence[str], count: int, folder: Path) -> dict[int, IO]:
    """The first `count` devices that could be locked, with their locks; none where there are fewer."""
    with ExitStack() as stack:
        # One looks at a time, else two who want several could for ever find a part each and give it back.
        fcntl.flock(stack.enter_context((folder / "queue").open("a")), fcntl.LOCK_EX)
        found: dict[int, IO] = {}
        for place, device in enumerate(devices):
            lock = (folder / device).open("a")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                continue
            found[place] = lock
            if len(found) == count:
                return found
        for lock in found.values():
            lock.close()
    return {}
