"""Which Snakemake drivers are at work here, so that one that was killed leaves no wall behind.

Snakemake notes the files of a running driver in .snakemake/locks and asks the user to remove what a killed one left.
The operating system knows better: every driver holds a shared lock on one file for as long as it lives, however it
ends. Who can take that lock alone is the only one, and what lies in .snakemake/locks is stale.
"""

import fcntl
from contextlib import suppress
from pathlib import Path
from typing import IO

FOLDER = Path(".snakemake")


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
