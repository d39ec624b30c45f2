"""Checkpoints: weights as safetensors with a JSON header and a digest of both. Nothing is unpickled.

A safetensors file has no checksum of its own, and a flipped bit of a weight is as good a weight as any: the digest
tells.

Header keys: format, dataset, method, seed, settings (the method's slice), input (channels, height, width, mean, std),
class_names, train_images, code (fingerprint), versions, machine, device, precision, threads (of each process),
processes, wall_seconds, images_per_second, notices. An annotator's has annotator in place of method, held_out_images
besides, and of input the channels alone.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from pipeline.errors import UserError
from pipeline.files import replacing

FORMAT = "clearbox-checkpoint-2"


def save_checkpoint(path: str | Path, tensors: dict[str, Any], header: dict) -> None:
    """Write torch `tensors` by name with their `header`."""
    from safetensors.torch import save

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps({"format": FORMAT, **header})
    with replacing(path) as part:
        # Written by Python, whose errors say what the file system answered.
        part.write_bytes(save(tensors, metadata={"clearbox": text, "sha256": _digest(text, tensors)}))


def load_checkpoint(path: str | Path, framework: str = "pt") -> tuple[dict[str, Any], dict]:
    """Tensors by name (torch for framework "pt", NumPy for "numpy") and header; raises `UserError` naming the file."""
    with _opened(path, framework) as (file, header):
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        metadata = file.metadata()
    if metadata.get("sha256") != _digest(metadata["clearbox"], tensors):
        raise UserError(f"{path}: its content is not what was saved; delete it and run snakemake again")
    return tensors, header


def read_header(path: str | Path) -> dict:
    """Header alone, the weights unread and so the digest unchecked; raises `UserError` as `load_checkpoint` does."""
    with _opened(path, "numpy") as (_, header):
        return header


def network_weights(tensors: dict[str, Any]) -> dict[str, Any]:
    """The network's state out of a checkpoint's tensors, without what the method keeps beside it."""
    prefix = "network."
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _digest(text: str, tensors: dict[str, Any]) -> str:
    """SHA-256, in hexadecimal digits, of the header's text and of names, types, shapes and bytes of the tensors.

    The same of torch tensors as of NumPy arrays.
    """
    found = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        found.update(f"{name} {str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}".encode())
        found.update(_bytes(tensor))
    return found.hexdigest()


def _bytes(tensor: Any) -> np.ndarray:
    if isinstance(tensor, np.ndarray):
        return tensor.reshape(-1).view(np.uint8)
    import torch

    # NumPy does not have every type of torch.
    return tensor.reshape(-1).view(torch.uint8).numpy()


@contextmanager
def _opened(path: str | Path, framework: str) -> Iterator[tuple[Any, dict]]:
    try:
        with safe_open(path, framework=framework) as file:
            yield file, _header(path, file.metadata())
    except FileNotFoundError:
        raise UserError(f"{path}: no such checkpoint; make it with `snakemake --cores 2 {path}`") from None
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: not a whole safetensors file ({error}); delete it and run snakemake again") from None


def _header(path: str | Path, metadata: dict | None) -> dict:
    try:
        header = json.loads((metadata or {}).get("clearbox", "{}"))
    except ValueError:
        header = None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise UserError(f"{path}: not a checkpoint of this project (no {FORMAT} header); name one under models/")
    return header
