"""Speed and memory of dataset tables, beside Hugging Face datasets and torchvision on the same files, in one run.

    OMP_NUM_THREADS=1 python benchmarks/dataset_tables.py --raw-dir raw --output benchmarks/recorded/dataset_tables.json

Needs MNIST under --raw-dir; everything else is drawn. Every measurement runs in a process of its own, in turns with its
peers, REPEATS times; the record holds the median of the seconds, imports left out, and the peak of the memory, imports
included.

- prepare: photographs to a table, for a number of them and ten times as many. Memory must not grow along.
- digits: Textured MNIST at 224 pixels made and written, for a number of them and ten times as many.
- open: a table of 60,000 images of 28×28 as tensors; torchvision reads the official files instead, unpacked before, and
  Hugging Face datasets its own cache from the second time on.
- stream: once through a table of 224×224 images, decoded, never all in memory; torchvision reads the same photographs.
"""

import argparse
import json
import multiprocessing
import re
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pipeline.machine import machine, versions

REPEATS = 3
SIDE = 224


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw-dir", type=Path, default=Path("raw"))
    parser.add_argument("--output", type=Path, help="where to record the numbers as JSON")
    parser.add_argument("--photos", type=int, default=300, help="photographs of the smaller set (default: 300)")
    parser.add_argument("--stream", type=int, default=10_000, help="images of the table to stream (default: 10000)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        numbers = measure_all(Path(folder), args.raw_dir.absolute(), args.photos, args.stream)
    record = {"machine": machine(), "versions": versions(), "repeats": REPEATS, "numbers": numbers}
    if args.output:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text(json.dumps(record, indent=1) + "\n")


def measure_all(folder: Path, raw_dir: Path, photos: int, stream: int) -> list[dict]:
    """Every comparison as rows: what, who, images, seconds, images a second, peak memory, ratio to the first row."""
    few, many = draw_photos(folder / "few", photos), draw_photos(folder / "many", 10 * photos)
    prepare_mnist(raw_dir, folder)
    prepare_folder(many, folder)
    table = folder / "mnist-train.parquet"
    long = lengthen(folder / "image_folder-train.parquet", folder / "long.parquet", stream)
    cache = str(folder / "cache")
    return [
        *compare("prepare", {
            f"clearbox, {photos} photos": (prepare_folder, few, folder, photos),
            f"clearbox, {10 * photos} photos": (prepare_folder, many, folder, 10 * photos),
            f"torchvision ImageFolder, {10 * photos} photos, not written": (read_torchvision_folder, many, 10 * photos),
        }),
        *compare("digits", {
            f"clearbox, {photos} images": (prepare_digits, raw_dir, folder, photos, photos),
            f"clearbox, {10 * photos} images": (prepare_digits, raw_dir, folder, 10 * photos, 10 * photos),
        }),
        *compare("open", {
            "clearbox": (open_clearbox, table, 60_000),
            "datasets.load_dataset": (open_huggingface, table, cache, 60_000),
            "torchvision MNIST, idx files": (open_torchvision, raw_dir, folder, 60_000),
        }),
        *compare("stream", {
            "clearbox": (stream_clearbox, long, stream),
            "datasets.load_dataset, streaming": (stream_huggingface, long, stream),
            "torchvision ImageFolder, JPEG": (read_torchvision_folder, many, 10 * photos),
        }),
    ]  # fmt: skip


def compare(what: str, contestants: dict[str, tuple]) -> list[dict]:
    """Measure the contestants in turns; the last argument of each is its number of images."""
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
    for _ in range(REPEATS):
        for name, (function, *arguments, _count) in contestants.items():
            results[name].append(alone(function, *arguments))
    rows = []
    for name, measured in results.items():
        count = contestants[name][-1]
        seconds = statistics.median(seconds for seconds, _ in measured)
        row = {
            "what": what, "who": name, "images": count, "seconds": round(seconds, 3),
            "images_per_second": round(count / seconds), "peak_mib": round(max(peak for _, peak in measured)),
        }  # fmt: skip
        row["speed_ratio"] = round(rows[0]["seconds"] / rows[0]["images"] / (seconds / count), 2) if rows else 1.0
        rows.append(row)
        print(
            f"{what:8} {name:55} {row['seconds']:9.2f} s {row['images_per_second']:8,} images/s "
            f"{row['peak_mib']:6,} MiB  ×{row['speed_ratio']}",
            flush=True,
        )
    return rows


def alone(function: Callable, *arguments) -> tuple[float, float]:
    """Seconds and peak memory in MiB of a call in a new process; `function` gives its own seconds, imports left out."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(sender, function, arguments))
    process.start()
    sender.close()
    result = receiver.recv()
    process.join()
    return result


def _run(sender, function: Callable, arguments: tuple) -> None:
    seconds = function(*arguments)
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    sender.send((seconds, int(peak) / 1024))


def draw_photos(folder: Path, count: int) -> Path:
    """Folders of two classes with `count` JPEG photographs in all, of which a hundred are different."""
    from PIL import Image

    from pipeline.datasets.toyworld.draw import pictures

    drawn = [Image.fromarray(p.image) for p in pictures("creatures", "train", min(count, 100), size=320, seed=0)]
    for index in range(count):
        file = folder / f"class{index % 2}" / f"{index:06d}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        drawn[index % len(drawn)].save(file, quality=90)
    return folder


def prepare_folder(photos: Path, folder: Path) -> float:
    """Tables of the photographs in `folder`; gives the seconds, as do all below."""
    from pipeline.datasets import image_folder
    from pipeline.settings.datasets import ImageFolder

    settings = ImageFolder(kind="image_folder", path=str(photos), size=SIDE, test_share=0.01)
    return _prepare(image_folder, Path("."), settings, folder)


def prepare_digits(raw_dir: Path, folder: Path, count: int) -> float:
    """Table of so many Textured MNIST images."""
    from pipeline.datasets import textured_digits
    from pipeline.settings.datasets import TexturedDigits

    settings = TexturedDigits(
        kind="textured_digits", digits="mnist", size=SIDE, digit_size=SIDE, limit_train=count, limit_test=1
    )
    return _prepare(textured_digits, raw_dir, settings, folder)


def prepare_mnist(raw_dir: Path, folder: Path) -> float:
    """Table of the 60,000 training images of MNIST."""
    from pipeline.datasets import mnist
    from pipeline.settings.datasets import Mnist

    return _prepare(mnist, raw_dir, Mnist(kind="mnist"), folder)


def _prepare(dataset, raw_dir: Path, settings, folder: Path) -> float:
    from pipeline.datasets import job

    outputs = {split: str(folder / f"{settings.kind}-{split}.parquet") for split in ("train", "test")}
    start = time.perf_counter()
    job.run(dataset=dataset, draw=None, raw_dir=str(raw_dir), settings=settings, name="benchmark", outputs=outputs,
            threads=1, code="")  # fmt: skip
    return time.perf_counter() - start


def lengthen(table: Path, path: Path, rows: int) -> Path:
    """The rows of `table` again and again, `rows` in all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    once = pq.read_table(table)
    copies = pa.concat_tables([once] * -(-rows // once.num_rows)).slice(0, rows)
    pq.write_table(copies, path, row_group_size=512, compression="zstd")
    return path


def open_clearbox(table: Path) -> float:
    import torch

    from pipeline.training.data import Images

    start = time.perf_counter()
    images = Images.read(str(table), torch.device("cpu"))
    assert images.pixels.shape == (60_000, 1, 28, 28)
    return time.perf_counter() - start


def open_huggingface(table: Path, cache: str) -> float:
    import numpy as np
    import torch
    from datasets import load_dataset

    start = time.perf_counter()
    rows = load_dataset("parquet", data_files=str(table), split="train", cache_dir=cache)
    pixels = torch.from_numpy(np.stack([np.asarray(image) for image in rows["image"]]))
    assert pixels.shape == (60_000, 28, 28) and len(rows["label"]) == 60_000
    return time.perf_counter() - start


def open_torchvision(raw_dir: Path, folder: Path) -> float:
    import gzip

    from torchvision.datasets import MNIST

    place = folder / "MNIST" / "raw"
    place.mkdir(parents=True, exist_ok=True)
    for file in (raw_dir / "mnist").glob("*.gz"):
        (place / file.stem).write_bytes(gzip.decompress(file.read_bytes()))
    start = time.perf_counter()
    assert MNIST(folder, train=True).data.shape == (60_000, 28, 28)
    return time.perf_counter() - start


def stream_clearbox(table: Path) -> float:
    from pipeline.artifacts import DATASET, stream_table
    from pipeline.images import decode

    start = time.perf_counter()
    for piece, _ in stream_table(table, DATASET, columns=["image", "label"]):
        assert decode(str(table), piece["image"]).shape[1:] == (SIDE, SIDE, 3)
    return time.perf_counter() - start


def stream_huggingface(table: Path) -> float:
    import numpy as np
    from datasets import load_dataset

    start = time.perf_counter()
    for row in load_dataset("parquet", data_files=str(table), split="train", streaming=True):
        assert np.asarray(row["image"]).shape == (SIDE, SIDE, 3)
    return time.perf_counter() - start


def read_torchvision_folder(photos: Path) -> float:
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import v2

    transform = v2.Compose([v2.Resize(SIDE), v2.CenterCrop(SIDE), v2.PILToTensor()])
    start = time.perf_counter()
    for image, _ in ImageFolder(str(photos), transform):
        assert image.shape == (3, SIDE, SIDE)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
