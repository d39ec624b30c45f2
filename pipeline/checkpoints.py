"""Checkpoints: weights as safetensors with a JSON header. Nothing is unpickled.

Header keys: format, dataset, method, seed, settings (the method's slice), input (channels, height, width, mean, std),
class_names, train_images, code (fingerprint), versions, machine, device, precision, threads (of each process),
processes, wall_seconds, images_per_second, notices. An annotator's has annotator in place of method, held_out_images
besides, and of input the channels alone.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from pipeline.errors import UserError
from pipeline.files import replacing

FORMAT = "clearbox-checkpoint-1"


def save_checkpoint(path: str | Path, tensors: dict[str, Any], header: dict) -> None:
    """Write torch `tensors` by name with their `header`."""
    from safetensors.torch import save_file

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replacing(path) as part:
        save_file(tensors, part, metadata={"clearbox": json.dumps({"format": FORMAT, **header})})


def load_checkpoint(path: str | Path, framework: str = "pt") -> tuple[dict[str, Any], dict]:
    """Tensors by name (torch for framework "pt", NumPy for "numpy") and header; raises `UserError` naming the file."""
    with _opened(path, framework) as (file, header):
        return {name: file.get_tensor(name) for name in file.keys()}, header  # noqa: SIM118 (not a mapping)


def read_header(path: str | Path) -> dict:
    """Header alone; raises `UserError` as `load_checkpoint` does."""
    with _opened(path, "numpy") as (_, header):
        return header


def network_weights(tensors: dict[str, Any]) -> dict[str, Any]:
    """The network's state out of a checkpoint's tensors, without what the method keeps beside it."""
    prefix = "network."
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


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
