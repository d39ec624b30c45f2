"""Small trainings by sweeps over all images, for the tests of methods without gradients."""

import json

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from pipeline.models.mlp import build
from pipeline.registry import load
from pipeline.settings import parse_slice
from pipeline.settings.methods import AnyMethod
from pipeline.training.compute import Compute
from pipeline.training.data import Images
from pipeline.training.resume import Resume
from pipeline.training.session import Session
from pipeline.training.streams import seeded, stream

CPU = Compute(torch.device("cpu"), "fp32")
METHODS = ("admm", "taylor", "zeng", "dladmm")


def options(method: str, hidden: tuple[int, ...] = (7, 6), **changes) -> AnyMethod:
    network = {"from": "mlp", "hidden": hidden, "init": "small" if method == "zeng" else "fan_in"}
    return parse_slice("method", json.dumps({"from": method, "network": network, "epochs": 3} | changes))


def session(settings: AnyMethod, images: Images | None = None, seed: int = 0, **more: Images | Resume) -> Session:
    """A fresh run, unless there are other `images` on 40 random grey ones of 3×4 pixels in five classes."""
    if images is None:
        pixels = torch.randint(0, 256, (40, 1, 3, 4), dtype=torch.uint8, generator=stream(0, "pixels"))
        images = Images(pixels, torch.arange(40) % 5, list(map(str, range(40))), {"class_names": list("abcde")})
    with seeded(seed, "init"):
        size, classes = images.pixels.shape[2:], images.classes
        network = build(settings.network, channels=1, size=size, classes=classes, mean=[0.5], std=[0.25])
    return Session(network, images, CPU, seed, "tried", **more)


def digits() -> tuple[Images, Images]:
    """scikit-learn's 8×8 digits, 1437 to train on and 360 to test."""
    scans, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(labels), generator=stream(0, "split"))
    pixels = (torch.tensor(scans) * 255 / 16).round().to(torch.uint8).view(-1, 1, 8, 8)[order]
    labels = torch.tensor(labels)[order]
    notes = {"class_names": list("0123456789")}
    halves = (slice(0, 1437), slice(1437, None))
    return tuple(Images(pixels[rows], labels[rows], list(map(str, labels[rows])), notes) for rows in halves)


def trained(settings: AnyMethod, *images: Images) -> Session:
    """The run after all its epochs; the second of `images` is watched."""
    run = session(settings, images[0] if images else None, **({"watched": images[1]} if images[1:] else {}))
    load("method", settings.kind)(run, settings)
    return run


def linear(run: Session) -> list[nn.Linear]:
    return [layer for layer in run.network.modules() if isinstance(layer, nn.Linear)]


def curve(run: Session, metric: str) -> list[float]:
    return [row["value"] for row in run.history().to_pylist() if row["metric"] == metric]


def weights(run: Session) -> dict[str, Tensor]:
    return run.network.state_dict()
