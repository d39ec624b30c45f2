"""Variables that a method keeps for each training image, and how they are stepped (admm.md sections 3.4 and 3.6).

A matrix has a row for each image. The row number is what ties Z_i and U_i to x_i: shuffling permutes row numbers, never
rows. They are float32, or bfloat16, or lie in a temporary file which goes away with the process; arithmetic is in
float32 throughout.
"""

import tempfile
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pipeline.splitting.blocks import Blocks
from pipeline.splitting.memory import afford

if TYPE_CHECKING:
    from pipeline.training.session import Session

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


def keep(session: "Session", storage: str, columns: dict[str, int]) -> dict[str, Tensor]:
    """Zeros with a row for each training image and so many `columns` under each name, as `storage` says.

    Prints what they take. Raises `UserError` if so much is not free.
    """
    if not columns:
        return {}
    afford(session, storage, columns)
    count, device = len(session.images), session.compute.device
    return {name: matrix(count, own, storage, device) for name, own in columns.items()}


def matrix(rows: int, columns: int, storage: str, device: torch.device) -> Tensor:
    """Zeros rows×columns as `storage` says: "float32" or "bfloat16" on `device`, "disk" in a file on the CPU."""
    if storage != "disk":
        return torch.zeros(rows, columns, dtype=getattr(torch, storage), device=device)
    with tempfile.NamedTemporaryFile(prefix="clearbox-") as file:
        # The file is gone from its folder at once and from the disk with the last tensor in it.
        size = rows * columns
        return torch.from_file(file.name, shared=True, size=size, dtype=torch.float32).view(rows, columns)


def take(kept: dict[str, Tensor], rows: slice | Tensor, device: torch.device) -> dict[str, Tensor]:
    """Those rows of each kept matrix on `device` in float32, to be changed in place and `put` back."""
    if isinstance(rows, slice):
        return {name: stored[rows].to(device, torch.float32) for name, stored in kept.items()}
    taken = {name: stored.index_select(0, rows.to(stored.device)) for name, stored in kept.items()}
    return {name: values.to(device, torch.float32) for name, values in taken.items()}


def put(kept: dict[str, Tensor], rows: slice | Tensor, taken: dict[str, Tensor]) -> None:
    """Put what was taken back into those rows."""
    for name, stored in kept.items():
        values = taken[name].to(stored.device, stored.dtype)
        if isinstance(rows, slice):
            # Neighbours that need no conversion were not copied.
            if values.untyped_storage().data_ptr() != stored.untyped_storage().data_ptr():
                stored[rows] = values
        else:
            stored.index_copy_(0, rows.to(stored.device), values)


class Descent:
    """Gradient steps of lengths `zetas`, one for each block's variable."""

    def __init__(self, zetas: list[float]) -> None:
        self._zetas = zetas

    def begin(self) -> None:
        """A sweep begins."""

    def step(self, t: int, variable: Tensor, gradient: Tensor) -> None:
        """Move the `variable` n×… of the 0-based block `t` in place."""
        variable.sub_(gradient, alpha=self._zetas[t])


class AdamSteps:
    """Adam on the variables of n images, with means and squares of their gradients, n×D, and counts of sweeps, n×1.

    All three change in place. From zeros the first step is `zeta` long in every coordinate, whatever the gradient.
    """

    def __init__(self, zeta: float, blocks: Blocks, z_means: Tensor, z_squares: Tensor, z_counts: Tensor) -> None:
        self._zeta, self._counts = zeta, z_counts
        self._means, self._squares = blocks.parts(z_means), blocks.parts(z_squares)

    def begin(self) -> None:
        """A sweep begins."""
        self._counts += 1

    def step(self, t: int, variable: Tensor, gradient: Tensor) -> None:
        """Move the `variable` n×… of the 0-based block `t` in place."""
        mean, square = self._means[t], self._squares[t]
        mean.lerp_(gradient, 1 - BETA1)
        square.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
        counts = self._counts.view(-1, *[1] * (variable.ndim - 1))
        deviation = (square / (1 - BETA2**counts)).sqrt_().add_(EPSILON)
        variable.sub_(mean / (1 - BETA1**counts) / deviation, alpha=self._zeta)
