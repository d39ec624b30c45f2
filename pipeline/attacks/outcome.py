"""What an attack is after: another class than the label, or one particular class."""

import torch
from torch import Tensor


def fooled(logits: Tensor, labels: Tensor, targets: Tensor | None) -> Tensor:
    """B bool from logits B×C: the predicted class is not the label; with `targets`, it is the target."""
    predicted = logits.argmax(1)
    return predicted != labels if targets is None else predicted == targets


def resistance(logits: Tensor, labels: Tensor, targets: Tensor | None) -> Tensor:
    """B values in 0..1 from logits B×C, the less the nearer to success: what attacks on probabilities minimise.

    The label's probability; with `targets`, one minus the target's. In double precision: steps towards success are far
    smaller than the rounding of probabilities near one in single precision.
    """
    probabilities = logits.double().softmax(1)
    if targets is None:
        return probabilities.gather(1, labels[:, None])[:, 0]
    others = torch.ones_like(probabilities).scatter_(1, targets[:, None], 0)
    return (probabilities * others).sum(1)
