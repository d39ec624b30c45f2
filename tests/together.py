"""Work of a group of real processes: trainings, layers.

What they run stands here, since processes find functions by the name of their module.
"""

import os
import signal
import socket
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch
from masked import options, session
from processes import CONTEXT, TIMEOUT
from torch import nn

from pipeline import registry
from pipeline.training.group import Group, joined
from pipeline.training.resume import Resume
from pipeline.training.synchronised import BatchNorm, Dropout, synchronise


def members(function: Callable, *arguments: object, count: int = 2) -> list[BaseProcess]:
    """`count` processes, in each of which `function(group, *arguments)` runs in one group, as under torchrun."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    processes = [
        CONTEXT.Process(target=_member, args=(rank, count, port, function, arguments)) for rank in range(count)
    ]
    for process in processes:
        process.start()
    return processes


def together(function: Callable, *arguments: object, count: int = 2) -> list[int]:
    """Exit codes of such processes, once all have ended."""
    processes = members(function, *arguments, count=count)
    for process in processes:
        process.join(TIMEOUT)
    return [process.exitcode for process in processes]


def _member(rank: int, count: int, port: int, function: Callable, arguments: tuple) -> None:
    place = {"RANK": rank, "WORLD_SIZE": count, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": count, "MASTER_PORT": port}
    os.environ |= {name: str(value) for name, value in place.items()}
    os.environ |= {"MASTER_ADDR": "localhost", "TORCHELASTIC_RUN_ID": "tests"}
    torch.set_num_threads(1)
    with joined("cpu") as group:
        function(group, *arguments)


def result(folder: Path, rank: int = 0) -> dict:
    """What a process left."""
    return torch.load(folder / f"{rank}.pt", weights_only=True)


class Mortal(Resume):
    """Is killed after so many `saves`."""

    def __init__(self, saves: int, *arguments: object) -> None:
        super().__init__(*arguments)
        self.left = saves

    def save(self, state: dict) -> None:
        super().save(state)
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


# What processes of a group run; each leaves its results in `folder`.


def train(group: Group, folder: Path, blocks: dict[str, dict], seconds: float = 3600, saves: int = 0) -> None:
    """Train by each method of `blocks`, saving the state in `folder`/state; leaves weights and history of each.

    Where it has a number of `saves`, the process is killed behind the last of them.
    """
    found = {}
    for name, block in blocks.items():
        settings = options(block["from"], **block)
        with Mortal(saves, folder / "state", name, seconds, group) as resume:
            run = session(settings, resume=resume, group=group)
            tensors = registry.load("method", settings.kind)(run, settings)
        history = [(row["epoch"], row["metric"], row["value"]) for row in run.history().to_pylist()]
        found[name] = {"weights": dict(run.network.state_dict()) | tensors, "history": history}
    torch.save(found, folder / f"{group.rank}.pt")


def layers(group: Group, folder: Path, maps: torch.Tensor) -> None:
    """What the synchronised layers give for this process's share of `maps`, with first and second derivatives."""
    norm, drop = nn.BatchNorm2d(maps.shape[1]), nn.Dropout(0.3)
    network = nn.Sequential(norm, drop)
    synchronise(network, group)
    assert (type(norm), type(drop)) == (BatchNorm, Dropout)
    own = maps[group.share(len(maps))].requires_grad_()
    found = derivatives(norm, own)
    group.average_([found["weight"], found["bias"]])
    torch.manual_seed(5)
    found |= {"dropped": drop(own), "running_mean": norm.running_mean, "running_var": norm.running_var}
    found["previous"] = group.previous(own)
    found["any"] = torch.tensor(group.any(group.rank == 1, False, True))
    torch.save({name: value.detach() for name, value in found.items()}, folder / f"{group.rank}.pt")


def derivatives(norm: nn.BatchNorm2d, maps: torch.Tensor) -> dict[str, torch.Tensor]:
    """Outputs, the slopes of a sum over the images that are given, and the gradient of the mean of their squares."""
    outputs = norm(maps)
    (slopes,) = torch.autograd.grad(outputs.sigmoid().square().sum(), maps, create_graph=True)
    slopes.square().sum((1, 2, 3)).mean().backward()
    return {"outputs": outputs, "slopes": slopes, "weight": norm.weight.grad, "bias": norm.bias.grad}
