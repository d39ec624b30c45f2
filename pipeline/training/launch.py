"""How a training becomes several processes: torchrun, torch's own launcher, starts the same command in each.

Several machines: torchrun itself, by hand on each of them (docs/several_gpus.md). Imports nothing heavy.
"""

import os
import sys
from typing import TYPE_CHECKING

from pipeline.errors import UserError

if TYPE_CHECKING:
    from pipeline.settings.training import Method


def spread(settings: "Method", method: str, processes: int, threads: int) -> None:
    """Replace this process by torchrun with so many `processes`, which divide the `threads`; returns where there is
    one alone, and in a process that torchrun started.

    Raises `UserError` for a `method` instance that cannot be trained so, and for a batch that cannot be divided.
    """
    started = "TORCHELASTIC_RUN_ID" in os.environ
    if started:
        processes = int(os.environ["WORLD_SIZE"])
    if processes == 1:
        return
    if not settings.shares_batches:
        raise UserError(
            f"run.processes: {processes} cannot train methods.{method}: from {settings.kind} does not step along a "
            f"mean over the batch, or keeps variables of each image; set run.processes: 1"
        )
    if settings.batch_size % processes:
        raise UserError(
            f"methods.{method}.batch_size: {settings.batch_size} images cannot be divided evenly among "
            f"{processes} processes; change it or run.processes"
        )
    if not started:
        torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
        command = [sys.executable, *torchrun, "-m", "pipeline", *sys.argv[1:]]
        sys.stdout.flush()
        os.execv(sys.executable, [*command, "--threads", str(max(1, threads // processes))])
