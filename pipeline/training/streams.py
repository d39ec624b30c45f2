"""Random streams: one per purpose, derived by a hash from the seed and names.

Nobody's draws depend on how many others were made: adding a method, a seed or a setting elsewhere shifts no stream, and
a run that starts again in the middle finds its place without replaying. Names do not include the method, so that two
methods with one seed start from the same weights and see the same batches, and their difference is a paired one.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def derive(seed: int, *names: str | int) -> int:
    """63-bit seed of the stream called by `names`.

    Purpose first: init, shuffle, augment, annotate, hold_out, explain, attack, evaluate, randomise.
    """
    text = "/".join(map(str, (seed, *names)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def stream(seed: int, *names: str | int) -> torch.Generator:
    """CPU generator of that stream: the same numbers whatever the device of the run."""
    return torch.Generator().manual_seed(derive(seed, *names))


@contextmanager
def seeded(seed: int, *names: str | int) -> Iterator[None]:
    """Within the block torch's global generator is that stream; for library code that takes no generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, *names))
        yield
