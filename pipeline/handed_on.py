"""The plan of a driver, handed on to its jobs.

On a cluster each job is a Snakemake of its own, which reads the Snakefile again, perhaps hours after it was submitted.
By then somebody may have edited settings or code, and a job that planned anew would follow the edit and be taken for
what was planned. So the driver leaves its settings and the fingerprints of what its jobs run in .snakemake/plans, under
a name that the jobs find in their environment. They take the settings from there, and refuse other code than planned.
"""

import hashlib
import json
import os
from pathlib import Path

from pipeline.errors import UserError
from pipeline.files import replacing
from pipeline.provenance import SNAKEMAKE

VARIABLE = "CLEARBOX_PLAN"


def hand_on(plan: dict) -> None:
    """Leave `plan`, plain values, for all jobs that this process starts, wherever they run."""
    text = json.dumps(plan)
    path = SNAKEMAKE / "plans" / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
    with replacing(path) as part:
        part.write_text(text)
    os.environ[VARIABLE] = str(path.resolve())


def handed_on() -> dict | None:
    """The plan of the driver that started this job, None if it handed none on; raises `UserError` if it is gone."""
    if VARIABLE not in os.environ:
        return None
    try:
        return json.loads(Path(os.environ[VARIABLE]).read_text())
    except (OSError, ValueError):
        raise UserError(f"{os.environ[VARIABLE]}: the plan of this job cannot be read; run snakemake again") from None
