"""Mutual information of filters and classes: this library's matrix beside scikit-learn's `mutual_info_classif`.

    OMP_NUM_THREADS=1 python benchmarks/mutual_information.py --output benchmarks/recorded/mutual_information.json

Features are like those behind a ReLU, with two in five exactly zero. On the size that both do in reasonable time the
results must be equal up to rounding. The full size, as many images as CIFAR-10 has for testing and as many filters as a
ResNet-152, is measured for this library alone. Seconds are of one call.
"""

import argparse
import json
import resource
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.feature_selection import mutual_info_classif

from pipeline.machine import machine, versions
from pipeline.metrics.mutual_information import mutual_information_matrix

CLASSES = 10
SMALL, FULL = (2_000, 64), (10_000, 2_048)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="where to record the numbers as JSON")
    args = parser.parse_args()
    features, labels = drawn(*SMALL)
    ours, seconds = timed(lambda: mutual_information_matrix(features, labels, CLASSES))
    theirs, reference = timed(lambda: np.stack([one_class(features, labels == c) for c in range(CLASSES)], axis=1))
    largest = float(np.abs(ours - theirs).max())
    assert largest < 1e-12, f"results differ by {largest}"
    numbers = [row("scikit-learn", SMALL, 1, reference), row("ours", SMALL, 1, seconds, reference)]
    features, labels = drawn(*FULL)
    for threads in (1, 2):
        _, seconds = timed(partial(mutual_information_matrix, features, labels, CLASSES, threads=threads))
        numbers.append(row("ours", FULL, threads, seconds))
    # ru_maxrss counts KiB on Linux; the features themselves, in single precision, are part of it.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"largest difference {largest:.1e} nats, peak memory {peak:.2f} GiB", flush=True)
    record = {
        "machine": machine(),
        "versions": versions(),
        "largest_difference": largest,
        "peak_gib": round(peak, 2),
        "numbers": numbers,
    }
    if args.output:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text(json.dumps(record, indent=1) + "\n")


def drawn(images: int, filters: int) -> tuple[np.ndarray, np.ndarray]:
    """Features N×K, each telling a little about one class, and labels N."""
    generator = np.random.default_rng(0)
    labels = generator.integers(CLASSES, size=images)
    values = generator.standard_normal((images, filters), dtype=np.float32) + 0.2
    values += labels[:, None] == np.arange(filters) % CLASSES
    return np.maximum(values, 0), labels


def one_class(features: np.ndarray, member: np.ndarray) -> np.ndarray:
    return mutual_info_classif(features, member, n_neighbors=3, random_state=0)


def timed(function: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    start = time.perf_counter()
    return function(), time.perf_counter() - start


def row(what: str, size: tuple[int, int], threads: int, seconds: float, reference: float | None = None) -> dict:
    found = {
        "what": what,
        "images": size[0],
        "filters": size[1],
        "classes": CLASSES,
        "threads": threads,
        "seconds": round(seconds, 3),
        "speed_ratio": round(reference / seconds, 1) if reference else None,
    }
    ratio = f"  ×{found['speed_ratio']}" if reference else ""
    print(f"{what:14} {size[0]} × {size[1]} × {CLASSES}, {threads} threads {seconds:9.3f} s{ratio}", flush=True)
    return found


if __name__ == "__main__":
    main()
