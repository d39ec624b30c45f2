"""Results that belong to a commit: DVC keeps the bytes, provenance.json what Snakemake knows about them."""

import json
import subprocess
import sys
from pathlib import Path

from pipeline import provenance
from pipeline.errors import UserError
from pipeline.files import replacing
from pipeline.why import planned

FILE = Path("provenance.json")


def commit(root: str) -> None:
    """Record the finished artifacts below `root`; raises `UserError` while there is something to run."""
    waiting = planned(None, [])
    if waiting:
        raise UserError(f"{root}: {len(waiting)} jobs would still run; run snakemake first (python -m pipeline why)")
    packed = provenance.pack(root)
    with replacing(FILE) as part:
        part.write_text(json.dumps(packed, indent=0, sort_keys=True))
    done = subprocess.run([sys.executable, "-m", "dvc", "commit", "--force"], capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"dvc commit failed: {' '.join((done.stderr or done.stdout).split())}")
    print(f"{len(packed['outputs'])} files recorded; now: git add dvc.lock {FILE} && git commit, then dvc push")


def restore() -> None:
    """Give Snakemake back its notes on the artifacts that `dvc pull` brought."""
    if not FILE.is_file():
        raise UserError(f"{FILE}: no such file; this commit records no results (python -m pipeline commit makes it)")
    packed = json.loads(FILE.read_text())
    provenance.unpack(packed)
    print(f"{len(packed['outputs'])} files are what the commit records; `snakemake -n` knows how they were made")
