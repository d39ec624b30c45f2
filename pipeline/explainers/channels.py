"""From an attribution of every input value to one map: how colour channels are put together."""

from typing import Literal

import torch
from torch import Tensor


def one_map(attributions: Tensor, channels: Literal["magnitude", "signed", "norm"]) -> Tensor:
    """Maps B×H×W of attributions B×C×H×W, in their unit: Σ_c |s_c|, Σ_c s_c, or the Euclidean √(Σ_c s_c²).

    Magnitude is the map of normat.md section 2. An attribution that is NaN makes its pixel NaN; raises `ValueError` for
    another word than the three.
    """
    if channels == "magnitude":
        return attributions.abs().sum(1)
    if channels == "signed":
        return attributions.sum(1)
    if channels == "norm":
        return torch.linalg.vector_norm(attributions, dim=1)
    raise ValueError(f"channels is '{channels}', expected magnitude, signed or norm")
