"""What a step of ReFF costs beside a plain one, on one thread, in the network of reff.md's cheap setting.

    OMP_NUM_THREADS=1 python benchmarks/reff_step.py --output benchmarks/recorded/reff_step.json

All contestants are steps of a session on random images of 32×32 in batches of 64: a plain one, ReFF on all layers and
on the last one, and RRR, in single precision and, where the processor gains from it, in bf16, which trainings then take
by themselves. They take turns, there and back, in ROUNDS rounds; of STEPS steps the first does not count. Seconds are
the processor's. The record holds the median of the rounds and ratios within a round, which a machine that slows down
from one to the next does not shift.

Beside time stand operations in convolutions and linear layers, as PyTorch's own counter finds them: a forward pass and
twice as many backwards for a plain step; for ReFF, too, the gradient of the score down to the second block, and the way
back through it. Their ratio is the floor of a double backward pass whose other layers cost nothing.
"""

import argparse
import contextlib
import io
import json
import statistics
import time
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from pipeline import registry
from pipeline.machine import machine, versions
from pipeline.settings import parse_slice
from pipeline.training.compute import choose, gains_from_bf16
from pipeline.training.data import Images
from pipeline.training.session import Session
from pipeline.training.streams import seeded, stream

ROUNDS, STEPS, BATCH = 7, 12, 64
MOST = 2.5
CONTESTANTS = {
    "plain": {"from": "std"},
    "reff, all layers": {"from": "reff", "layers": "all"},
    "reff, last layer": {"from": "reff", "layers": "last"},
    "rrr": {"from": "rrr"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="where to record the numbers as JSON")
    args = parser.parse_args()
    operations = {name: operations_of_a_step(block) for name, block in CONTESTANTS.items()}
    numbers = []
    for precision in ("fp32", "bf16") if gains_from_bf16("cpu") else ("fp32",):
        seconds: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
        for number in range(ROUNDS):
            for name in reversed(CONTESTANTS) if number % 2 else CONTESTANTS:
                seconds[name].append(seconds_of_a_step(CONTESTANTS[name], precision))
        numbers += [found(name, precision, seconds, operations) for name in CONTESTANTS]
    record = {"machine": machine(), "versions": versions(), "threads": 1, "batch": BATCH, "numbers": numbers}
    if args.output:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text(json.dumps(record, indent=1) + "\n")


class TimedSession(Session):
    """Notes when each step is done, in seconds of the processor, which other jobs on the machine do not lengthen."""

    def __init__(self, *arguments, **named) -> None:
        super().__init__(*arguments, **named)
        self.ends: list[float] = []

    def step(self, *arguments, **named) -> None:
        super().step(*arguments, **named)
        self.ends.append(time.process_time())


def trained(block: dict, steps: int, precision: str) -> TimedSession:
    """A session after so many steps."""
    settings = parse_slice(
        "method", json.dumps(block | {"network": {"from": "convnet"}, "epochs": 1, "batch_size": BATCH})
    )
    draws = stream(0, "pixels")
    count = steps * BATCH
    pixels = torch.randint(256, (count, 3, 32, 32), dtype=torch.uint8, generator=draws)
    masks = 255 * (torch.rand(count, 1, 32, 32, generator=draws) > 0.8).to(torch.uint8)
    notes = {"class_names": list("0123456789"), "augment": {}}
    images = Images(pixels, torch.arange(count) % 10, [str(row) for row in range(count)], notes)
    with seeded(0, "init"):
        build = registry.load("network", "convnet")
        network = build(settings.network, channels=3, size=(32, 32), classes=10, mean=[0.5] * 3, std=[0.25] * 3)
    session = TimedSession(network, images, choose("cpu", precision, 1), seed=0, masks=masks)
    with contextlib.redirect_stderr(io.StringIO()):
        registry.load("method", settings.kind)(session, settings)
    return session


def seconds_of_a_step(block: dict, precision: str) -> float:
    """Mean from the end of the first of STEPS steps to the end of the last."""
    ends = trained(block, STEPS, precision).ends
    return (ends[-1] - ends[0]) / (STEPS - 1)


def operations_of_a_step(block: dict) -> int:
    """Additions and multiplications in convolutions and linear layers of one step, forwards and backwards."""
    with FlopCounterMode(display=False) as counter:
        trained(block, 1, "fp32")
    return counter.get_total_flops()


def found(name: str, precision: str, seconds: dict[str, list[float]], operations: dict[str, int]) -> dict:
    """Milliseconds of a step, and its time and operations over those of a plain one."""
    ratios = [one / plain for one, plain in zip(seconds[name], seconds["plain"], strict=True)]
    number = {
        "what": name,
        "precision": precision,
        "milliseconds": round(1000 * statistics.median(seconds[name]), 2),
        "ratio": round(statistics.median(ratios), 3),
        "lowest": round(min(ratios), 3),
        "highest": round(max(ratios), 3),
        "operations_ratio": round(operations[name] / operations["plain"], 3),
    }
    if name.startswith("reff"):
        number |= {"goal": f"at most {MOST}", "verdict": "pass" if number["ratio"] <= MOST else "fail"}
    print(
        f"{precision} {name:18} {number['milliseconds']:8.2f} ms  {number['ratio']:6.3f} of a plain step "
        f"({number['lowest']} to {number['highest']}), operations {number['operations_ratio']:6.3f}  "
        f"{number.get('verdict', '')}",
        flush=True,
    )
    return number


if __name__ == "__main__":
    main()
