"""How fast STD and CSG train ResNet-20 on CIFAR-10, beside a plain trainer, on the CPU with one thread and with two.

    OMP_NUM_THREADS=1 python benchmarks/training.py --data raw/cifar-10-batches-py \
        --output benchmarks/recorded/training.json

The peer is written as most public repositories for this network are: PIL images through torchvision's transforms, a
DataLoader, single precision. It has the same network, batches and optimiser, so that only the trainer differs. It is
measured with each of WORKERS loading for it, and the faster counts; workers come on top of its threads. STD and CSG are
measured in the precision that `run.precision: auto` takes here, STD in single precision too: what then is left of the
gain is not precision. CSG has its share of CSG epochs, and is measured in these alone. Without --data the images are
random.

All contestants take turns, there and back in ROUNDS rounds, STEPS steps each, of which the first does not count: in it
memory is taken, kernels are made and workers start. The record holds the median of the rounds beside the slowest and
the fastest, and ratios within a round, which a machine that slows down from one to the next does not shift.
"""

import argparse
import contextlib
import io
import json
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from math import inf
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from pipeline.datasets import cifar10
from pipeline.errors import UserError
from pipeline.machine import PACKAGES, machine, versions
from pipeline.methods import csg, std
from pipeline.models.resnet_cifar import build
from pipeline.settings.methods import Csg, Std
from pipeline.settings.networks import ResnetCifar
from pipeline.training.compute import choose
from pipeline.training.data import Images
from pipeline.training.session import Session

ROUNDS = 5
BATCH = 128
EPOCHS = 3  # of the session, the last of them a CSG epoch
STEPS = 4 * EPOCHS
THREADS = (1, 2)
WORKERS = (0, 2)
PEERS = tuple(f"peer, {workers} workers" for workers in WORKERS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of the CIFAR-10 python batches (default: random images)")
    parser.add_argument("--output", type=Path, help="where to record the numbers as JSON")
    args = parser.parse_args()
    photos, labels = read(args.data) if args.data else drawn(6_000)
    measured = in_turns({threads: contestants(photos, labels, threads) for threads in THREADS})
    record = {
        "machine": machine(),
        "versions": versions((*PACKAGES, "pillow")),
        "data": f"{len(photos)} {'images of CIFAR-10' if args.data else 'random images'}",
        "network": "ResNet-20",
        "batch": BATCH,
        "steps": STEPS,
        "rounds": ROUNDS,
        "numbers": [speed(name, threads, times) for threads in THREADS for name, times in measured[threads].items()],
        "ratios": [found for threads in THREADS for found in ratios(threads, measured[threads])],
    }
    if args.output:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text(json.dumps(record, indent=1) + "\n")


def read(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Training images N×32×32×3 uint8 and labels N; raises `UserError` where there are no batches."""
    remedy = "give --data the unpacked folder cifar-10-batches-py"
    files = sorted(folder.glob("data_batch_*"))
    if not files:
        raise UserError(f"{folder}: there is no data_batch_1; {remedy}")
    batches = [cifar10.read_batch(file, file.read_bytes(), remedy) for file in files]
    images, labels = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
    return images, labels


def drawn(count: int) -> tuple[np.ndarray, np.ndarray]:
    """The same shapes, at random."""
    generator = np.random.default_rng(0)
    return generator.integers(256, size=(count, 32, 32, 3), dtype=np.uint8), generator.integers(10, size=count)


def contestants(photos: np.ndarray, labels: np.ndarray, threads: int) -> dict[str, Callable[[], float]]:
    """By name what trains for STEPS steps and returns the seconds of one."""
    run = dict(epochs=EPOCHS, batch_size=BATCH)
    standard, alternating = Std(kind="std", **run), Csg(kind="csg", **run)
    gated = Csg(kind="csg", **run, period=1, csg_min=0)
    count = STEPS // EPOCHS * BATCH
    images = Images(
        torch.from_numpy(photos[:count]).permute(0, 3, 1, 2).contiguous(),
        torch.from_numpy(labels[:count]),
        ids=[str(number) for number in range(count)],
        notes={"class_names": list(cifar10.CLASSES), "augment": {"crop_padding": 4, "flip": True}},
    )
    return {
        **{name: partial(peer, photos, labels, workers, threads) for name, workers in zip(PEERS, WORKERS, strict=True)},
        "STD, fp32": partial(ours, std.fit, standard, images, "fp32", threads),
        "STD": partial(ours, std.fit, standard, images, "auto", threads),
        "CSG": partial(ours, csg.fit, alternating, images, "auto", threads),
        "CSG epochs alone": partial(ours, csg.fit, gated, images, "auto", threads),
    }


class TimedSession(Session):
    """Notes when each step is done."""

    def __init__(self, *arguments, **named) -> None:
        super().__init__(*arguments, **named)
        self.ends: list[float] = []

    def step(self, *arguments, **named) -> None:
        super().step(*arguments, **named)
        self.ends.append(time.perf_counter())


def ours(fit: Callable, settings: Std | Csg, images: Images, precision: str, threads: int) -> float:
    """Seconds of a step of a session such as `python -m pipeline train` runs."""
    compute = choose("cpu", precision, threads)
    mean, std = list(cifar10.MEAN), list(cifar10.STD)
    network = build(settings.network, channels=3, size=(32, 32), classes=10, mean=mean, std=std)
    session = TimedSession(network, images, compute, seed=0)
    with contextlib.redirect_stderr(io.StringIO()):
        fit(session, settings)
    return seconds_of_a_step(session.ends)


def seconds_of_a_step(ends: list[float]) -> float:
    """Mean seconds from the end of the first of STEPS steps to the end of the last."""
    assert len(ends) == STEPS, f"{len(ends)} steps in place of {STEPS}"
    return (ends[-1] - ends[0]) / (STEPS - 1)


class Cifar(Dataset):
    """As torchvision's `CIFAR10`: each image is made a PIL image and transformed when its turn comes."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, transform: Callable[[Image.Image], Tensor]) -> None:
        self.images, self.labels, self.transform = images, labels.tolist(), transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), self.labels[index]


def peer(images: np.ndarray, labels: np.ndarray, workers: int, threads: int) -> float:
    """Seconds of a step of a plain trainer, within its first epoch."""
    torch.set_num_threads(threads)
    transform = transforms.Compose(
        [
            transforms.RandomCrop(32, padding=4),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(cifar10.MEAN, cifar10.STD),
        ]
    )
    loader = DataLoader(Cifar(images, labels, transform), batch_size=BATCH, shuffle=True, num_workers=workers)
    # The transform has normalised the images already.
    network = build(ResnetCifar(), channels=3, size=(32, 32), classes=10, mean=[0.0] * 3, std=[1.0] * 3)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)

    network.train()
    train_loss, correct, total = 0.0, 0, 0
    ends: list[float] = []
    for inputs, targets in loader:
        optimizer.zero_grad()
        outputs = network(inputs)
        loss = criterion(outputs, targets)
        loss.backward()
        optimizer.step()
        train_loss += loss.item()
        _, predicted = outputs.max(1)
        total += targets.size(0)
        correct += predicted.eq(targets).sum().item()
        ends.append(time.perf_counter())
        if len(ends) == STEPS:
            break
    return seconds_of_a_step(ends)


def in_turns(field: dict[int, dict[str, Callable[[], float]]]) -> dict[int, dict[str, list[float]]]:
    """Seconds of a step of every contestant in each round, by number of threads and name."""
    entries = [(threads, name) for threads, contestants in field.items() for name in contestants]
    measured: dict[int, dict[str, list[float]]] = {threads: {name: [] for name in field[threads]} for threads in field}
    for number in range(ROUNDS):
        for threads, name in reversed(entries) if number % 2 else entries:
            measured[threads][name].append(field[threads][name]())
    return measured


def speed(name: str, threads: int, seconds: list[float]) -> dict:
    precision = "fp32" if name in (*PEERS, "STD, fp32") else choose("cpu", "auto", threads).precision
    slowest, median, fastest = (
        round(BATCH / value, 1) for value in (max(seconds), statistics.median(seconds), min(seconds))
    )
    print(
        f"{threads} threads  {name:22} {precision}  {median:8,.1f} images/s  ({slowest:,.1f} to {fastest:,.1f})",
        flush=True,
    )
    return {
        "what": name,
        "threads": threads,
        "precision": precision,
        "images_per_second": median,
        "slowest": slowest,
        "fastest": fastest,
    }


def ratios(threads: int, seconds: dict[str, list[float]]) -> Iterator[dict]:
    """Speed beside the faster peer, what of the gain is precision, and what the gates cost."""
    best = min(PEERS, key=lambda name: statistics.median(seconds[name]))
    yield ratio(threads, f"speed of STD over {best}", seconds[best], seconds["STD"], least=2)
    yield ratio(threads, f"speed of CSG over {best}", seconds[best], seconds["CSG"], least=2)
    yield ratio(threads, f"speed of STD, fp32 over {best}", seconds[best], seconds["STD, fp32"])
    yield ratio(threads, "speed of STD over STD, fp32", seconds["STD, fp32"], seconds["STD"])
    yield ratio(threads, "time of a CSG step over an STD step", seconds["CSG epochs alone"], seconds["STD"], most=1.1)


def ratio(threads: int, what: str, above: list[float], below: list[float], least: float = 0, most: float = inf) -> dict:
    """`above` over `below`, round by round, and whether the median reaches `least` or stays within `most`."""
    shares = [one / other for one, other in zip(above, below, strict=True)]
    found = {
        "what": what,
        "threads": threads,
        "ratio": round(statistics.median(shares), 3),
        "lowest": round(min(shares), 3),
        "highest": round(max(shares), 3),
    }
    goal = f"at least {least}" if least else f"at most {most}" if most < inf else None
    if goal:
        found |= {"goal": goal, "verdict": "pass" if least <= found["ratio"] <= most else "fail"}
    print(
        f"{threads} threads  {what:40} {found['ratio']:6.3f}  ({found['lowest']} to {found['highest']})"
        + (f"  {goal}: {found['verdict']}" if goal else ""),
        flush=True,
    )
    return found


if __name__ == "__main__":
    main()
