"""Losses on logits, and their gradients where a method steps logits themselves instead of a network's weights.

`cross_entropy` is −log softmax(z)_y, `squared_error` 1/2 Σ_j (z_j − onehot(y)_j)²: per image a sum over the classes
without division by their number, as the balance of admm.md section 3.2 between loss and penalty needs it.
"""

from torch import Tensor
from torch.nn import functional


def mean_loss(loss: str, logits: Tensor, labels: Tensor) -> Tensor:
    """Mean over the images of "cross_entropy" or "squared_error", for `logits` B×C and `labels` B."""
    if loss == "cross_entropy":
        return functional.cross_entropy(logits, labels)
    if loss == "squared_error":
        return (logits - targets(logits, labels)).square().sum(1).mean() / 2
    raise ValueError(f"unknown loss '{loss}'")


def gradient(loss: str, logits: Tensor, labels: Tensor) -> Tensor:
    """Gradient B×C of each image's loss, not divided by B: softmax(z) − onehot(y), or z − onehot(y)."""
    outputs = logits.softmax(1) if loss == "cross_entropy" else logits
    return outputs - targets(logits, labels)


def targets(logits: Tensor, labels: Tensor) -> Tensor:
    """One-hot `labels` B as B×C, in the type of `logits`."""
    return functional.one_hot(labels, logits.shape[1]).to(logits.dtype)
