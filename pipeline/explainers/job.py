"""The stage between files and an explainer: checkpoint and test images in, attribution maps out."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pipeline.checkpoints import load_checkpoint
from pipeline.explainers.maps import Maps, write_maps
from pipeline.models.trained import batches, explained_classes, network_of
from pipeline.training.compute import choose
from pipeline.training.data import Images

if TYPE_CHECKING:
    from pipeline.settings.explainers import Explainer


def run(
    *,
    explain: Callable[..., Tensor],
    settings: "Explainer",
    model: str,
    data: str,
    output: str,
    device: str,
    threads: int,
) -> None:
    """Explain the first `settings.samples` images of `data` by the checkpoint `model`, in single precision."""
    compute = choose(device, "fp32", threads)
    tensors, header = load_checkpoint(model)
    network = network_of(tensors, header, compute.device)
    images = Images.read(data, compute.device, limit=settings.samples)
    targets, values = [], []
    for rows in batches(len(images)):
        pixels = images.floats(rows)
        target = explained_classes(network, pixels, images.labels[rows], settings.target)
        values.append(explain(network, pixels, target, settings).cpu())
        targets += target.tolist()
    write_maps(output, Maps(images.ids, targets, torch.cat(values)))
    print(f"{output}: {len(images)} maps", flush=True)
