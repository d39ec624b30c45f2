"""Seconds of training to 90, 95 and 97 % test accuracy on all of MNIST, for Block-ADMM and what it is compared to.

    OMP_NUM_THREADS=1 python benchmarks/seconds_to_accuracy.py --raw-dir raw \
        --output benchmarks/recorded/seconds_to_accuracy.json

Every method of scales/admm.yaml with its settings there, one after another in one process, on one thread and with
seed 0; a method ends at 97 % or after its epochs. The clock runs around the updates alone: accuracy is measured outside
it. A level that is never reached is null.
"""

import argparse
import contextlib
import json
from pathlib import Path

import numpy as np
import torch

from pipeline import registry, settings
from pipeline.datasets import mnist
from pipeline.machine import machine, versions
from pipeline.settings.training import Method
from pipeline.training.compute import choose
from pipeline.training.data import Images
from pipeline.training.session import Session
from pipeline.training.streams import seeded

LEVELS = (0.90, 0.95, 0.97)


class Reached(Exception):
    """The last level is reached."""


class Timed(Session):
    """A training that ends at the last level, with the seconds at which each was reached first."""

    def __init__(self, *given, **named) -> None:
        super().__init__(*given, **named)
        self.reached: dict[float, tuple[int, float]] = {}

    def record(self, **values: float) -> None:
        super().record(**values)
        row = {metric: value for epoch, metric, value in self._history if epoch == self._epoch}
        for level in LEVELS:
            if row["test_accuracy"] >= level:
                self.reached.setdefault(level, (self._epoch + 1, row["seconds"]))
        if LEVELS[-1] in self.reached:
            raise Reached


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw-dir", type=Path, default=Path("raw"), help="where mnist/ lies or is downloaded to")
    parser.add_argument("--output", type=Path, help="where to record the numbers as JSON")
    args = parser.parse_args()
    read = mnist.read(args.raw_dir)
    train, test = (images_of(*read[split]) for split in ("train", "test"))
    chosen = settings.load("params.yaml", Path("scales/admm.yaml"))
    numbers = [timed(name, chosen.methods[name], train, test) for name in chosen.studies["admm"].methods]
    record = {"machine": machine(), "versions": versions(), "threads": 1, "seed": 0, "numbers": numbers}
    if args.output:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text(json.dumps(record, indent=1) + "\n")


def images_of(pixels: np.ndarray, labels: np.ndarray) -> Images:
    """Images of a split, N×28×28 bytes with N labels."""
    names = [str(number) for number in range(len(labels))]
    notes = {"class_names": list("0123456789"), "augment": {}}
    return Images(torch.tensor(pixels)[:, None], torch.tensor(labels).long(), names, notes)


def timed(name: str, block: Method, train: Images, test: Images) -> dict:
    """Epochs and seconds of one method to each level, and what it had in the end."""
    with seeded(0, "init"):
        build = registry.load("network", block.network.kind)
        network = build(block.network, channels=1, size=(28, 28), classes=10, mean=[0.0], std=[1.0])
    session = Timed(network, train, choose("cpu", "fp32", 1), seed=0, name=name, watched=test)
    with contextlib.suppress(Reached):
        registry.load("method", block.kind)(session, block)
    history = session.history().to_pandas().pivot(index="epoch", columns="metric", values="value")
    found = {"method": name, "epochs": len(history), "seconds": round(history["seconds"].iloc[-1], 1)}
    found["test_accuracy"] = history["test_accuracy"].iloc[-1]
    for level in LEVELS:
        epochs, seconds = session.reached.get(level, (None, None))
        found[f"{level:.0%}"] = seconds and {"epochs": epochs, "seconds": round(seconds, 1)}
    levels = "  ".join(f"{level:.0%} {session.reached[level][1]:6.1f} s" for level in session.reached) or "none reached"
    print(f"{name:26} {levels}", flush=True)
    return found


if __name__ == "__main__":
    main()
