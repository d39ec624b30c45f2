"""A trained network back from its checkpoint."""

import json
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from pipeline import registry
from pipeline.checkpoints import network_weights
from pipeline.models.classifier import Classifier
from pipeline.settings import parse_slice

#: Images in one forward pass of evaluations and explainers; results do not depend on it.
BATCH = 500


def network_of(tensors: dict[str, Tensor], header: dict, device: torch.device) -> Classifier:
    """The network that `tensors` and `header` of a checkpoint describe, in evaluation mode on `device`.

    All its weights are those of the checkpoint: pretrained ones, where training began with such, are not looked for.
    """
    settings = parse_slice("network", json.dumps(header["settings"]["network"]))
    images = header["input"]
    network = registry.load("network", settings.kind)(
        settings,
        channels=images["channels"],
        size=(images["height"], images["width"]),
        classes=len(header["class_names"]),
        mean=images["mean"],
        std=images["std"],
    )
    network.load_state_dict(network_weights(tensors))
    return network.to(device).eval()


def batches(count: int) -> Iterator[slice]:
    """Slices that cover 0..count."""
    return (slice(start, start + BATCH) for start in range(0, count, BATCH))


@torch.no_grad()
def explained_classes(network: nn.Module, pixels: Tensor, labels: Tensor, target: str) -> Tensor:
    """Classes B whose logits are explained on `pixels` B×C×H×W: their `labels` B, or for "prediction" the network's."""
    return labels if target == "label" else network(pixels).argmax(1)
