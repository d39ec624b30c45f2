"""What the variables of all images take (admm.md section 7): a job says so before it starts, `doctor` before any does.

The module of a method that keeps such variables has `columns(network, example, settings, name)`: how many numbers of
an image each of its matrices has, for images such as `example` 1×C×H×W and the method instance `name`.
"""

import shutil
import tempfile
from typing import TYPE_CHECKING

import psutil
import torch

from pipeline.errors import UserError

if TYPE_CHECKING:
    from pipeline.training.session import Session

BYTES = {"float32": 4, "bfloat16": 2, "disk": 4}


def account(columns: dict[str, int], count: int, storage: str) -> str:
    """One line on what matrices with so many `columns` take for `count` images."""
    width = sum(columns.values())
    return (
        f"{width:,} numbers for each of {count:,} images, {width * count * BYTES[storage] / 1e6:,.1f} MB as {storage} "
        f"({', '.join(columns)})"
    )


def afford(session: "Session", storage: str, columns: dict[str, int]) -> None:
    """Print what the variables of a session's images will take; raises `UserError` if so much is not free."""
    count = len(session.images)
    needed = sum(columns.values()) * count * BYTES[storage]
    free = free_bytes(storage, session.compute.device)
    print(f"variables: {account(columns, count, storage)}, of {free / 1e6:,.0f} MB free", flush=True)
    if needed > free:
        raise UserError(
            f"methods.{session.name}: the variables of all images take {needed / 1e9:.1f} GB as {storage}, and "
            f"{free / 1e9:.1f} GB are free; take fewer images by limit_train of the dataset, or where the method has "
            f"storage set that to bfloat16 or disk"
        )


def free_bytes(storage: str, device: torch.device) -> int:
    """Bytes that are free where `storage` puts variables: temporary files, memory of the GPU, or memory."""
    if storage == "disk":
        return shutil.disk_usage(tempfile.gettempdir()).free
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
