"""The stage between files and a method: images in, checkpoint and history out."""

import hashlib
import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pipeline.artifacts import HISTORY, write_table
from pipeline.checkpoints import load_checkpoint, network_weights, save_checkpoint
from pipeline.errors import UserError
from pipeline.files import file_digest
from pipeline.machine import machine, versions
from pipeline.training.compute import choose
from pipeline.training.data import Images
from pipeline.training.group import Group
from pipeline.training.masks import training_masks
from pipeline.training.resume import Resume
from pipeline.training.session import Session
from pipeline.training.streams import seeded

if TYPE_CHECKING:
    from pipeline.models.classifier import Classifier
    from pipeline.settings.training import Method


def run(
    *,
    fit: Callable[[Session, "Method"], dict[str, Tensor]],
    build: Callable[..., "Classifier"],
    settings: "Method",
    dataset: str,
    method: str,
    seed: int,
    data: str,
    base: str | None,
    pretrained: str | None,
    watched: str | None,
    masks: str | None,
    model: str,
    history: str,
    state: str,
    save_seconds: float,
    device: str,
    precision: str,
    threads: int,
    group: Group,
    code: str,
) -> None:
    """Train one network: `fit` on the images of `data`, from random weights or those of the checkpoint `base`.

    Without a base `pretrained` is the file of weights that the settings name, if they do. `watched` is a table of
    images on which accuracy is recorded, `masks` one of masks in place of the dataset's own, for methods with masks.
    Writes the checkpoint `model` (tensors `network.*` and those of the method) and the table `history`. Until then the
    folder `state` holds what is needed to go on, saved every `save_seconds`. Of a `group` every process comes here, and
    the first one writes.
    """
    start = time.perf_counter()
    compute = choose(device, precision, threads)
    if masks and not settings.needs_masks:
        raise UserError(f"methods.{method}: from {settings.kind} trains without masks; leave out --masks {masks}")
    images = Images.read(data, compute.device)
    shape = {"channels": images.pixels.shape[1], "mean": images.notes["mean"], "std": images.notes["std"]}
    with seeded(seed, "init"):
        network = build(settings.network, size=images.pixels.shape[2:], classes=images.classes, **shape)
    if base:
        start_from(network, base)
    else:
        network.load_pretrained()
    inputs = [file_digest(path) for path in (data, base, pretrained, watched, masks) if path]
    key = digest(code, settings.slice(), inputs, seed, compute.device.type, compute.precision, threads, group.size)
    with Resume(state, key, save_seconds, group) as resume:
        watching = Images.read(watched, compute.device) if watched else None
        regions = training_masks(images, masks, method) if settings.needs_masks else None
        session = Session(network, images, compute, seed, method, resume, watching, regions, group)
        session.notices += network.notes
        tensors = fit(session, settings)
    if not group.leads:
        return
    weights = {f"network.{name}": tensor for name, tensor in session.network.state_dict().items()}
    header = {
        "dataset": dataset,
        "method": method,
        "seed": seed,
        "settings": settings.slice(),
        "input": {**shape, "height": images.pixels.shape[2], "width": images.pixels.shape[3]},
        "class_names": images.notes["class_names"],
        "train_images": len(images),
        "code": code,
        **circumstances(session, threads, start),
    }
    for notice in session.notices:
        print(f"notice: {notice}", flush=True)
    write_table(history, session.history(), HISTORY)
    save_checkpoint(model, weights | tensors, header)
    resume.clear()
    print(f"{model}: {dataset}, {method}, seed {seed}, {header['wall_seconds']:.0f} s", flush=True)


def circumstances(session: Session, threads: int, start: float) -> dict:
    """What a checkpoint's header says of how its network was trained; `start` is when, by `time.perf_counter`."""
    return {
        "versions": versions(),
        "machine": machine(),
        "device": torch.cuda.get_device_name() if session.compute.device.type == "cuda" else "cpu",
        "precision": session.compute.precision,
        "threads": threads,
        "processes": session.group.size,
        "wall_seconds": time.perf_counter() - start,
        "images_per_second": session.images_per_second,
        "notices": session.notices,
    }


def digest(*parts: object) -> str:
    """Sixteen hexadecimal digits of plain values."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def start_from(network: "Classifier", path: str) -> None:
    """Give `network` the weights of a checkpoint; raises `UserError` where the shapes differ."""
    tensors, header = load_checkpoint(path)
    try:
        network.load_state_dict(network_weights(tensors))
    except RuntimeError:
        raise UserError(
            f"{path}: its network {header['settings']['network']} does not fit; give both methods the same `network`"
        ) from None
