"""Localisation by single filters: streamed, beside the literal way that holds all upsampled maps.

    OMP_NUM_THREADS=1 python benchmarks/localisation.py --output benchmarks/recorded/localisation.json

Every measurement is a process of its own, so that its peak memory is its own. The two ways take turns and must give the
same overlaps, but for single pixels so near to a threshold that rounding decides. The record holds processor seconds of
one thread, the median of REPEATS, and one run of the large case, which only the streamed way can hold.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from pipeline.machine import machine, versions
from pipeline.metrics.localisation import filter_overlaps, filter_thresholds

REPEATS = 3
SHARE = 0.3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="where to record the numbers as JSON")
    parser.add_argument("--one", nargs=2, metavar=("WAY", "PATH"), help=argparse.SUPPRESS)
    parser.add_argument("--sizes", type=int, nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        return measure(args.one[0], args.one[1], *args.sizes)
    large = (2000, 2048, 4, 128)
    numbers = [*in_turns(250, 256, 7, 64), row("streamed", large, [child("streamed", *large)])]
    record = {"machine": machine(), "versions": versions(), "repeats": REPEATS, "numbers": numbers}
    if args.output:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text(json.dumps(record, indent=1) + "\n")


def in_turns(*sizes: int) -> list[dict]:
    """Both ways, REPEATS times each; stops if they disagree."""
    runs: dict[str, list[dict]] = {"literal": [], "streamed": []}
    for _ in range(REPEATS):
        for way, of_way in runs.items():
            of_way.append(child(way, *sizes))
    literal, streamed = (of_way[0]["overlaps"] for of_way in runs.values())
    differences = (literal - streamed).abs()
    assert differences.max() < 1e-2 and differences.mean() < 1e-5, f"overlaps differ by up to {differences.max()}"
    return [row(way, sizes, of_way) for way, of_way in runs.items()]


def child(way: str, *sizes: int) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/result.pt"
        command = [sys.executable, __file__, "--one", way, path, "--sizes", *map(str, sizes)]
        subprocess.run(command, check=True)
        return torch.load(path, weights_only=True)


def measure(way: str, path: str, images: int, filters: int, small: int, large: int) -> None:
    """Processor seconds, overlaps and memory in MiB of one way: `before`, with its inputs alone, and at its `peak`."""
    torch.set_num_threads(1)
    maps, masks = drawn(images, filters, small, large)
    before = peak()
    start = time.process_time()
    overlaps = {"literal": literal, "streamed": streamed}[way](maps, masks)
    seconds = time.process_time() - start
    torch.save({"seconds": seconds, "before": before, "peak": peak(), "overlaps": overlaps}, path)


def drawn(images: int, filters: int, small: int, large: int) -> tuple[Tensor, Tensor]:
    """Activations of which half are 0, and discs at random places as masks."""
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(images, filters, small, small, generator=generator).relu_()
    centres = torch.rand(images, 2, 1, 1, generator=generator)
    axis = (torch.arange(large) + 0.5) / large
    return maps, (axis[:, None] - centres[:, 0]) ** 2 + (axis - centres[:, 1]) ** 2 < 0.06


def literal(maps: Tensor, masks: Tensor) -> Tensor:
    values = maps.transpose(0, 1).flatten(1).sort(dim=1, descending=True).values
    thresholds = values[:, int(SHARE * values.shape[1]) - 1]
    predicted = interpolate(maps, size=masks.shape[1:], mode="bilinear", align_corners=False)
    predicted = predicted >= thresholds[:, None, None]
    both, either = predicted & masks[:, None], predicted | masks[:, None]
    return both.sum((2, 3)).double() / either.sum((2, 3))


def streamed(maps: Tensor, masks: Tensor) -> Tensor:
    return filter_overlaps(maps, masks, filter_thresholds(maps, SHARE))


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def row(way: str, sizes: tuple[int, ...], runs: list[dict]) -> dict:
    images, filters, small, large = sizes
    seconds = statistics.median(run["seconds"] for run in runs)
    extra = statistics.median(run["peak"] - run["before"] for run in runs)
    found = {
        "way": way,
        "images": images,
        "filters": filters,
        "from": small,
        "to": large,
        "seconds": round(seconds, 2),
        "million_maps_per_hour": round(images * filters / seconds * 3600 / 1e6, 1),
        "inputs_mib": round(runs[0]["before"]),
        "extra_mib": round(extra),
    }
    what = f"{way:9} {images} images × {filters} filters, {small}×{small} to {large}×{large}"
    print(f"{what:56} {seconds:8.2f} s  {extra:8,.0f} MiB besides the inputs", flush=True)
    return found


if __name__ == "__main__":
    main()
