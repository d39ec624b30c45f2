"""Processes that train one network together, each on its share of every batch (data parallelism).

With N processes of B/N images each, the mean of their losses is the loss of the batch, and the mean of their gradients
its gradient: a step differs from that of one process by rounding alone. Gradients are averaged by one all-reduce, not
by torch's DistributedDataParallel, whose hooks want every pass to go through `forward` and break on gradients of
gradients. What looks at other images of the batch is in pipeline/training/synchronised.py.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed

#: A process that waits longer for the others ends. torchrun ends all when one does, and a GPU may be long in coming.
PATIENCE = timedelta(days=7)


@dataclass(frozen=True)
class Group:
    """This process among `size` ones, number `rank` from 0; alone by default.

    `local_rank` and `local_size` are the same among those on this machine. Every process has to come to each call.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that prints and writes files."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """This process's rows of a batch of `count`, which the size divides: contiguous, as many for each process."""
        rows = count // self.size
        return slice(self.rank * rows, (self.rank + 1) * rows)

    def sum(self, values: Tensor) -> Tensor:
        """Sum of the processes' `values`, of one shape; no gradient."""
        if self.size > 1:
            values = values.detach().clone()
            distributed.all_reduce(values)
        return values

    def average_(self, tensors: list[Tensor]) -> None:
        """Replace `tensors` by their means over the processes."""
        if self.size > 1:
            means = self.sum(torch.cat([tensor.flatten() for tensor in tensors])) / self.size
            for tensor, mean in zip(tensors, means.split([tensor.numel() for tensor in tensors]), strict=True):
                tensor.copy_(mean.view_as(tensor))

    def previous(self, rows: Tensor) -> Tensor:
        """The row before each of the whole batch, the last one before the first, for this process's `rows`."""
        if self.size == 1:
            return rows.roll(1, 0)
        lasts = [torch.empty_like(rows[-1:], memory_format=torch.contiguous_format) for _ in range(self.size)]
        distributed.all_gather(lasts, rows[-1:].contiguous())
        return torch.cat([lasts[self.rank - 1], rows[:-1]])

    def any(self, *flags: bool) -> list[bool]:
        """Which of the `flags` any process has raised."""
        return [count > 0 for count in self.sum(torch.tensor(flags, dtype=torch.int32)).tolist()]


#: Nobody else.
ALONE = Group()


@contextmanager
def joined(device: str) -> Iterator[Group]:
    """The processes that torchrun started, this one among them; this one alone elsewhere.

    They speak by NCCL where `device`, auto, cpu or cuda, takes GPUs, and by Gloo of what lies on the processor.
    """
    if not distributed.is_torchelastic_launched():
        yield ALONE
        return
    gpus = device != "cpu" and torch.cuda.is_available()
    distributed.init_process_group("cpu:gloo,cuda:nccl" if gpus else "gloo", timeout=PATIENCE)
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    yield Group(*(int(os.environ[name]) for name in names))
    # Not after an error, when the others would be waited for: the process ends then, and torchrun ends them.
    distributed.destroy_process_group()
