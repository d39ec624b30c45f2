"""Weights from elsewhere: what a file holds, and whether it fits."""

from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from pipeline.errors import UserError


def read_weights(path: Path, remedy: str) -> dict[str, Tensor]:
    """Weights by name of a .safetensors file, or of one that torch.save wrote, of which no code is run.

    Raises `UserError` naming the file, with `remedy`, if it is missing or damaged, or holds something else.
    """
    try:
        if path.suffix == ".safetensors":
            weights = load_file(path)
        else:
            weights = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; {remedy}") from None
    except (OSError, RuntimeError, ValueError, LookupError, EOFError, UnpicklingError, SafetensorError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UserError(f"{path}: not a whole file of weights ({reason}); {remedy}") from None
    if not isinstance(weights, dict) or not all(isinstance(tensor, Tensor) for tensor in weights.values()):
        raise UserError(f"{path}: holds no dictionary of tensors; {remedy}")
    return weights


def check_fit(
    path: Path, weights: dict[str, Tensor], expected: dict[str, Tensor], architecture: str, remedy: str
) -> None:
    """Refuse `weights` of other names and shapes than `expected`; the counters of batch normalisation may be missing.

    Files from before PyTorch 0.4.1 do not have these. Raises `UserError` naming the file and its first wrong tensor,
    with `remedy`.
    """
    for name, tensor in expected.items():
        if name not in weights:
            if not name.endswith(".num_batches_tracked"):
                raise UserError(f"{path}: has no tensor '{name}' of {architecture}; {remedy}")
        elif weights[name].shape != tensor.shape:
            raise UserError(
                f"{path}: tensor '{name}' is {tuple(weights[name].shape)}, but {tuple(tensor.shape)} in "
                f"{architecture}; {remedy}"
            )
    if extra := weights.keys() - expected.keys():
        raise UserError(f"{path}: has a tensor '{min(extra)}', which {architecture} has not; {remedy}")
