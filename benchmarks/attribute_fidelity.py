"""Feature fidelity at the size of CUB-200-2011's test split, and beside the loop over scikit-learn's `f1_score`.

    python benchmarks/attribute_fidelity.py --output benchmarks/recorded/attribute_fidelity.json

Codes and attributes are random. The loop calls `f1_score` for every binary feature and attribute, which only a small
size allows; there F1 must be equal up to rounding. The full size runs in a process of its own for each number of
threads, whose peak memory is recorded beside that of a process that only drew the data.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import torch
from sklearn.metrics import f1_score
from torch import Tensor

from pipeline.machine import machine, versions
from pipeline.metrics.attribute_fidelity import best_features

LEVELS = 16
SMALL, FULL = (200, 16, 4), (5_794, 1_024, 312)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="where to record the numbers as JSON")
    parser.add_argument("--threads", type=int, help="measure the full size with so many threads; 0 only draws")
    args = parser.parse_args()
    if args.threads is not None:
        print(json.dumps(measured(args.threads)))
        return
    numbers = [*beside_the_loop(), *map(in_a_process, (0, 1, 2))]
    for found in numbers:
        size = " × ".join(map(str, found["size"]))
        memory = f"  {found['peak_gib']} GiB" if "peak_gib" in found else ""
        ratio = f"  ×{found['speed_ratio']}" if "speed_ratio" in found else ""
        print(f"{found['what']:20} {size:20} {found['threads']} threads {found['seconds']:9.4f} s{memory}{ratio}")
    record = {"machine": machine(), "versions": versions(), "levels": LEVELS, "numbers": numbers}
    if args.output:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text(json.dumps(record, indent=1) + "\n")


def drawn(images: int, features: int, attributes: int) -> tuple[Tensor, Tensor]:
    """Codes N×n, the smaller the more frequent as behind a ReLU, and attributes N×d of which one in ten is 1."""
    generator = torch.Generator().manual_seed(0)
    codes = (torch.rand(images, features, generator=generator) ** 2 * LEVELS).to(torch.uint8)
    return codes, (torch.rand(images, attributes, generator=generator) < 0.1).to(torch.uint8)


def beside_the_loop() -> list[dict]:
    codes, attributes = drawn(*SMALL)
    torch.set_num_threads(1)
    start = time.perf_counter()
    best, _ = best_features(codes, attributes, LEVELS)
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    literal = [
        max(
            f1_score(attributes[:, i].numpy(), ((codes[:, j] == code) ^ complement).numpy(), zero_division=0)
            for code in range(LEVELS)
            for complement in (False, True)
            for j in range(codes.shape[1])
        )
        for i in range(attributes.shape[1])
    ]
    reference = time.perf_counter() - start
    difference = (best.f1 - torch.tensor(literal, dtype=torch.float64)).abs().max().item()
    assert difference < 1e-12, f"results differ by {difference}"
    return [
        {"what": "loop over f1_score", "size": SMALL, "threads": 1, "seconds": round(reference, 3)},
        {"what": "matrices", "size": SMALL, "threads": 1, "seconds": round(seconds, 4)}
        | {"speed_ratio": round(reference / seconds), "largest_difference": difference},
    ]


def in_a_process(threads: int) -> dict:
    command = [sys.executable, __file__, "--threads", str(threads)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measured(threads: int) -> dict:
    """Seconds and peak memory of this process at the full size."""
    codes, attributes = drawn(*FULL)
    start = time.perf_counter()
    if threads:
        torch.set_num_threads(threads)
        best_features(codes, attributes, LEVELS)
    return {
        "what": "matrices" if threads else "only drawing",
        "size": FULL,
        "threads": threads,
        "seconds": round(time.perf_counter() - start, 2),
        # ru_maxrss counts KiB on Linux.
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }


if __name__ == "__main__":
    main()
