"""What a plan costs as it grows: time and memory of the driver for 10 to 10,000 jobs, and what each job costs to start.

    OMP_NUM_THREADS=1 python benchmarks/growth.py --output benchmarks/recorded/growth.json

The driver is measured by dry runs of the study csg at smoke scale, with so many seeds that there are about so many
jobs. A job's start is what `python -m pipeline train` takes besides training: the time with EPOCHS epochs, twice, less
the time with twice as many. On a cluster the start of a Snakemake comes on top, which is the dry run of a single job.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pipeline.machine import PACKAGES, machine, versions

SIZES = (10, 100, 1_000, 10_000)
ROUNDS = 3
EPOCHS = 20

SMOKE = ("--configfile", "scales/smoke.yaml")
IMPORTS = ("pipeline.workflow", "torch", "pipeline.training.job", "pipeline.report.page", "snakemake.cli")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="JOBS", help="sizes of plans")
    parser.add_argument("--output", type=Path, help="where to record the numbers as JSON")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        record = {
            "machine": machine(),
            "versions": versions((*PACKAGES, "snakemake")),
            "rounds": ROUNDS,
            "plans": [plan(size, folder) for size in (1, *args.sizes)],
            "starts": starts(Path(folder)),
        }
    print(json.dumps(record, indent=1))
    if args.output:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text(json.dumps(record, indent=1) + "\n")


def timed(*words: str) -> tuple[float, float, str]:
    """Wall seconds, peak memory in MiB and output of `python -m …`; raises `CalledProcessError` if it fails."""
    start = time.perf_counter()
    command = [sys.executable, *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, output)
    return seconds, usage.ru_maxrss / 2**10, output


def plan(size: int, folder: str) -> dict:
    """Dry runs of a plan of about `size` jobs, which are then counted; of size 1 that of one dataset."""
    target = "csg" if size > 1 else f"{folder}/smoke/datasets/digits/train.parquet"
    # A seed of csg is two networks, their maps and seven tables of numbers; that and a report is more than ten jobs.
    study = f"studies={{csg: {{seeds: {max(1, round(size / 11))}}}}}"
    if size <= 10:
        study = "studies={csg: {seeds: 1, evaluations: [accuracy], figures: [metrics]}}"
    words = ("-m", "snakemake", "-n", "--quiet", "rules", "--cores", "1", target, *SMOKE)
    rounds = [timed(*words, "--config", study, f"run={{artifacts_dir: {folder}}}") for _ in range(ROUNDS)]
    jobs = int(re.search(r"^total +(\d+)$", rounds[0][2], re.MULTILINE).group(1))
    return {
        "jobs": jobs,
        "seconds": round(statistics.median(seconds for seconds, _, _ in rounds), 2),
        "peak_mib": round(max(memory for _, memory, _ in rounds)),
    }


def starts(folder: Path) -> dict[str, float]:
    """Median seconds: of imports in a fresh interpreter, its own start included, and of a training besides training."""
    found = {f"import {name}": median("-c", f"import {name}") for name in IMPORTS}
    tables = [str(folder / f"{split}.parquet") for split in ("train", "test")]
    timed("-m", "pipeline", "prepare", "digits", *SMOKE, "--output", *tables)
    outputs = ("--model", str(folder / "0.safetensors"), "--history", str(folder / "0.parquet"))
    words = ("-m", "pipeline", "train", "digits", "std", "0", "--data", tables[0], "--state", str(folder / "state"))
    short, long = (median(*words, *outputs, *SMOKE, overlay(folder, epochs)) for epochs in (EPOCHS, 2 * EPOCHS))
    return found | {f"train, {EPOCHS} epochs": short, "train without training": round(2 * short - long, 2)}


def overlay(folder: Path, epochs: int) -> str:
    path = folder / f"{epochs}.yaml"
    path.write_text(f"training: {{epochs: {epochs}}}")
    return str(path)


def median(*words: str) -> float:
    return round(statistics.median(timed(*words)[0] for _ in range(ROUNDS)), 2)


if __name__ == "__main__":
    main()
