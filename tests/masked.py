"""Small trainings with masks, for the tests of the methods that take them."""

import json
from pathlib import Path

import torch
from torch import Tensor

from pipeline import registry
from pipeline.settings import parse_slice
from pipeline.training.compute import Compute
from pipeline.training.data import Images
from pipeline.training.group import ALONE, Group
from pipeline.training.resume import Resume
from pipeline.training.session import Session
from pipeline.training.streams import seeded

CPU = Compute(torch.device("cpu"), "fp32")
NETWORK = {"from": "convnet", "channels": [4, 6, 8]}
ABN = {"from": "abn", "trunk": NETWORK}


def options(kind: str, **changes):
    block = {"from": kind, "network": ABN if kind == "abn" else NETWORK, "epochs": 2, "batch_size": 16}
    return parse_slice("method", json.dumps(block | changes))


def session(settings, fill: int | None = None, resume: Resume | None = None, group: Group = ALONE) -> Session:
    """A fresh run on 32 colour images of noise, 12×12, with random masks or one that is `fill` everywhere."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (32, 3, 12, 12), generator=generator).to(torch.uint8)
    masks = 255 * (torch.rand(32, 1, 12, 12, generator=generator) > 0.9).to(torch.uint8)
    if fill is not None:
        masks.fill_(fill)
    notes = {"class_names": list("abcd"), "augment": {"shift": 1, "flip": True}}
    images = Images(pixels, torch.arange(32) % 4, [str(row) for row in range(32)], notes)
    with seeded(0, "init"):
        build = registry.load("network", settings.network.kind)
        network = build(settings.network, channels=3, size=(12, 12), classes=4, mean=[0.5] * 3, std=[0.3] * 3)
    return Session(network, images, CPU, 0, "tried", resume, masks=masks, group=group)


def fitted(settings, **more) -> Session:
    """The session after its training."""
    run = session(settings, **more)
    assert registry.load("method", settings.kind)(run, settings) == {}
    return run


def weights(run: Session) -> list[Tensor]:
    return list(run.network.state_dict().values())


def same(one: Session, other: Session) -> bool:
    return all(torch.equal(ours, theirs) for ours, theirs in zip(weights(one), weights(other), strict=True))


class Interrupted(Resume):
    """Saves after every step, and ends the process after `steps` of them."""

    def __init__(self, folder: Path, steps: int) -> None:
        super().__init__(folder, "key", 0)
        self.left = steps

    def save(self, state: dict) -> None:
        super().save(state)
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
