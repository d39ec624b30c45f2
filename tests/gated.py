"""Small trainings with gates, for the tests of learnt and of fixed ones."""

import torch
from torch import Tensor

from pipeline.models.resnet_cifar import build
from pipeline.settings.methods import Csg
from pipeline.settings.networks import ResnetCifar
from pipeline.training.compute import Compute
from pipeline.training.data import Images
from pipeline.training.resume import Resume
from pipeline.training.session import Session
from pipeline.training.streams import seeded

CPU = Compute(torch.device("cpu"), "fp32")
CLASSES, FILTERS = 10, 12
NETWORK = ResnetCifar(blocks=1, channels=(4, 4, FILTERS))


def options(**changes) -> Csg:
    common = {"network": NETWORK, "epochs": 3, "batch_size": 16, "density_bound": 0.2, "lambda2": 0.05}
    return Csg(kind="csg", **common | changes)


def session(seed: int = 0, classes: int = CLASSES, filters: int = FILTERS, resume: Resume | None = None) -> Session:
    """A fresh run on 64 random 8×8 grey images, labelled with all classes in turn."""
    pixels = torch.randint(0, 256, (64, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    notes = {"class_names": [str(c) for c in range(classes)], "mean": [0.5], "std": [0.25], "augment": {"shift": 1}}
    with seeded(seed, "init"):
        shape = ResnetCifar(blocks=1, channels=(4, 4, filters))
        network = build(shape, channels=1, size=(8, 8), classes=classes, mean=[0.5], std=[0.25])
    ids = [str(row) for row in range(64)]
    return Session(network, Images(pixels, torch.arange(64) % classes, ids, notes), CPU, seed, "tried", resume)


def curve(run: Session, metric: str) -> list[float]:
    return [row["value"] for row in run.history().to_pylist() if row["metric"] == metric]


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
