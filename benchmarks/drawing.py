"""How fast datasets are drawn, in one thread, without encoding.

    OMP_NUM_THREADS=1 python benchmarks/drawing.py --output benchmarks/recorded/drawing.json

Cells are rendered in batches and one at a time, in turns; toyworld draws its subjects at 64 and 128 pixels. The record
holds the median of REPEATS.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from pipeline.datasets import cells
from pipeline.datasets.toyworld.draw import SUBJECTS, pictures
from pipeline.machine import machine, versions

REPEATS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="where to record the numbers as JSON")
    args = parser.parse_args()
    numbers = [*drawn_cells(64, 640), *drawn_cells(512, 32), *drawn_subjects(64, 120), *drawn_subjects(128, 60)]
    record = {"machine": machine(), "versions": versions(), "repeats": REPEATS, "numbers": numbers}
    if args.output:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text(json.dumps(record, indent=1) + "\n")


def drawn_cells(size: int, count: int) -> Iterator[dict]:
    """Cells one at a time and in batches, `count` of `size` × `size` pixels."""

    def one_at_a_time() -> None:
        for row in range(count):
            cells.render([np.random.default_rng([0, 0, row])], size)

    def in_batches() -> None:
        for _ in cells.samples("train", range(count), size, seed=0):
            pass

    slow, fast = in_turns(one_at_a_time, in_batches)
    yield row(f"cells, {size} pixels, one at a time", count, slow, slow)
    yield row(f"cells, {size} pixels, in batches", count, fast, slow)


def drawn_subjects(size: int, count: int) -> Iterator[dict]:
    """Each of toyworld's subjects, `count` pictures of `size` × `size` pixels."""
    for subject in SUBJECTS:
        (seconds,) = in_turns(lambda subject=subject: list(pictures(subject, "train", count, size=size, seed=0)))
        yield row(f"{subject}, {size} pixels", count, seconds, seconds)


def in_turns(*functions: Callable[[], object]) -> list[float]:
    """Median seconds of each function, called in turns; a first call of each does not count."""
    for function in functions:
        function()
    measured: list[list[float]] = [[] for _ in functions]
    for _ in range(REPEATS):
        for function, seconds in zip(functions, measured, strict=True):
            start = time.perf_counter()
            function()
            seconds.append(time.perf_counter() - start)
    return [statistics.median(seconds) for seconds in measured]


def row(what: str, count: int, seconds: float, reference: float) -> dict:
    found = {
        "what": what,
        "images": count,
        "seconds": round(seconds, 3),
        "images_per_second": round(count / seconds, 1),
        "speed_ratio": round(reference / seconds, 2),
    }
    print(f"{what:40} {found['images_per_second']:10,.1f} images/s  ×{found['speed_ratio']}", flush=True)
    return found


if __name__ == "__main__":
    main()
