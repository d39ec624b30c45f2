"""What Snakemake's driver is helped with here: locks that a killed one left, and a scheduler that keeps a core busy.

Snakemake notes the files of a running driver in .snakemake/locks and asks the user to remove what a killed one left.
The operating system knows better: every driver holds a shared lock on one file for as long as it lives, however it
ends. Who can take that lock alone is the only one, and what lies in .snakemake/locks is stale.

While jobs wait for a core, the scheduler (of Snakemake 9.27) comes back a second after each of its rounds, since it may
start no more than 100 jobs a second, and one more round of that kind begins with every job that ends: after some
hundred jobs there are as many rounds a second. A driver that may start jobs as it likes has a round when a job ends.
"""

import fcntl
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from snakemake.scheduling.job_scheduler import JobScheduler

FOLDER = Path(".snakemake")

#: Starts of jobs, and seconds, of Snakemake's --max-jobs-per-timespan where the user gives none.
DEFAULT_LIMIT = (100, 1)


def attend() -> IO:
    """Join the living drivers; removes stale locks if there are no others. Keep what is returned open."""
    FOLDER.mkdir(exist_ok=True)
    file = (FOLDER / "drivers").open("w")
    # An error means that others hold the lock, or that this file system has none: then nothing is known to be stale.
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for lock in FOLDER.glob("locks/*.lock"):
            lock.unlink()
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_SH)
    return file


def rest(scheduler: "JobScheduler") -> None:
    """Have rounds of the scheduler only when jobs end, unless the user limits how many start in a time."""
    limiter = scheduler.job_rate_limiter
    if limiter and (limiter.max_jobs, limiter.timespan) == DEFAULT_LIMIT:
        scheduler.job_rate_limiter = None
