"""Accuracy on images that are not trained on, for curves."""

from typing import TYPE_CHECKING

import torch

from pipeline.models.trained import batches

if TYPE_CHECKING:
    from pipeline.models.classifier import Classifier
    from pipeline.training.data import Images


@torch.no_grad()
def accuracy(network: "Classifier", images: "Images") -> float:
    """Share of `images` that the network classifies correctly, in evaluation mode, which it leaves as it was."""
    was_training = network.training
    network.eval()
    hits = torch.zeros((), device=images.labels.device)
    for rows in batches(len(images)):
        hits += (network(images.floats(rows)).argmax(1) == images.labels[rows]).sum()
    network.train(was_training)
    return hits.item() / len(images)
