"""Cycles of Block-ADMM beside the plain form of its algorithm: a loop over mini-batches and blocks, by autograd.

    OMP_NUM_THREADS=1 python benchmarks/block_admm.py --output benchmarks/recorded/block_admm.json

Both run algorithm 2 of the thesis on random images of MNIST's shape, schedule C with one sweep over Z and one pass of
Theta a cycle, from the same start; their weights after a cycle must agree. The plain form has an Adam for each block
and fetches Z and U of each mini-batch; ours steps Z of the next cycle in the pass of U over all images. One thread; the
fastest of some cycles each, in turns.
"""

import argparse
import json
import time
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from pipeline.machine import machine, versions
from pipeline.methods.block_admm import Run
from pipeline.models.mlp import build
from pipeline.settings.networks import Mlp
from pipeline.settings.splitting import BlockAdmm
from pipeline.training.compute import choose
from pipeline.training.data import Images
from pipeline.training.session import Session
from pipeline.training.streams import seeded, stream

CYCLES = 8
HIDDEN = {"3 layers": (128,) * 2, "10 layers": (128,) * 9, "20 layers": (128,) * 19}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=12_800, help="training images; a multiple of 128")
    parser.add_argument("--output", type=Path, help="where to record the numbers as JSON")
    args = parser.parse_args()
    numbers = [compared(name, hidden, args.images) for name, hidden in HIDDEN.items()]
    record = {"machine": machine(), "versions": versions(), "images": args.images, "threads": 1, "numbers": numbers}
    if args.output:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text(json.dumps(record, indent=1) + "\n")


def compared(name: str, hidden: tuple[int, ...], count: int) -> dict:
    """Seconds of a cycle of both, and by how much their weights differ after the first."""
    # One cycle more than are timed, since the last has no next one whose Z it would step.
    settings = BlockAdmm(kind="block_admm", network=Mlp(hidden=hidden), epochs=CYCLES + 1)
    ours, plain = Run(session(settings, count), settings), Plain(session(settings, count), settings)
    seconds: dict[str, list[float]] = {"ours": [], "plain": []}
    difference = 0.0
    for cycle in islice(ours.session.epochs(settings, ours.optimiser), CYCLES):
        for contestant, run in (("ours", ours), ("plain", plain)):
            start = time.perf_counter()
            run.cycle(cycle)
            seconds[contestant].append(time.perf_counter() - start)
        if cycle == 0:
            pairs = zip(ours.session.network.parameters(), plain.session.network.parameters(), strict=True)
            difference = max((one - other).abs().max().item() for one, other in pairs)
            assert difference < 1e-4, f"weights differ by {difference}"
    best = {contestant: min(times) for contestant, times in seconds.items()}
    found = {
        "what": name,
        "ours_seconds": round(best["ours"], 3),
        "plain_seconds": round(best["plain"], 3),
        "speed_ratio": round(best["plain"] / best["ours"], 2),
        "largest_difference": difference,
    }
    print(f"{name:10} ours {best['ours']:7.3f} s  plain {best['plain']:7.3f} s  ×{found['speed_ratio']}", flush=True)
    return found


def session(settings: BlockAdmm, count: int) -> Session:
    """A training on `count` random images of 28×28 pixels in ten classes."""
    pixels = torch.randint(0, 256, (count, 1, 28, 28), dtype=torch.uint8, generator=stream(0, "pixels"))
    names = [str(number) for number in range(count)]
    images = Images(pixels, torch.arange(count) % 10, names, {"class_names": list("0123456789"), "augment": {}})
    with seeded(0, "init"):
        network = build(settings.network, channels=1, size=(28, 28), classes=10, mean=[0.0], std=[1.0])
    return Session(network, images, choose("cpu", "fp32", 1), seed=0)


class Plain:
    """Algorithm 2 as written: every update of every block for itself, by autograd, a mini-batch at a time."""

    def __init__(self, session: Session, settings: BlockAdmm) -> None:
        self.session, self.settings = session, settings
        self.images, self.targets = session.images.pixels / 255, one_hot(session.images.labels).float()
        self.blocks = list(session.network.stages().values())
        rate = settings.optimiser.learning_rate
        self.optimisers = [torch.optim.Adam(block.parameters(), rate) for block in self.blocks]
        # Z by a forward pass, U as the method draws it.
        drawn = Run(session, settings)
        self.z, self.u = ([part.clone() for part in drawn.blocks.parts(drawn.kept[name])] for name in ("z", "u"))

    def cycle(self, number: int) -> None:
        for rows in self.batches():
            self.sweep(rows)
        order = torch.randperm(len(self.images), generator=stream(0, "shuffle", number))
        for rows in order.split(self.settings.batch_size):
            self.step_weights(rows)
        for rows in self.batches():
            self.step_duals(rows)

    def batches(self) -> tuple[Tensor, ...]:
        return torch.arange(len(self.images)).split(self.settings.batch_size)

    def below(self, t: int, rows: Tensor) -> Tensor:
        return self.z[t - 1][rows] if t else self.images[rows]

    def sweep(self, rows: Tensor) -> None:
        """Z_T to Z_1 by one gradient step each."""
        last = len(self.blocks) - 1
        for t in range(last, -1, -1):
            z = self.z[t][rows].requires_grad_()
            loss = penalty(z, self.blocks[t](self.below(t, rows)), self.u[t][rows])
            if t == last:
                loss = loss + (z - self.targets[rows]).square().sum() / 2
            else:
                loss = loss + penalty(self.z[t + 1][rows], self.blocks[t + 1](z), self.u[t + 1][rows])
            (gradient,) = torch.autograd.grad(loss, z)
            self.z[t][rows] = z.detach() - self.settings.zeta * gradient

    def step_weights(self, rows: Tensor) -> None:
        for t, (block, optimiser) in enumerate(zip(self.blocks, self.optimisers, strict=True)):
            optimiser.zero_grad()
            (penalty(self.z[t][rows], block(self.below(t, rows)), self.u[t][rows]) / len(rows)).backward()
            optimiser.step()

    @torch.no_grad()
    def step_duals(self, rows: Tensor) -> None:
        for t, block in enumerate(self.blocks):
            self.u[t][rows] += self.z[t][rows] - block(self.below(t, rows))


def penalty(z: Tensor, output: Tensor, u: Tensor) -> Tensor:
    """1/2 |Z − block(Z) + U|², summed over images; β is 1."""
    return (z - output + u).square().sum() / 2


if __name__ == "__main__":
    main()
