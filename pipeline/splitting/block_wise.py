"""What methods that train a network block by block share: its blocks, the order of images, steps of Z, and records."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pipeline.models.trained import batches
from pipeline.splitting.blocks import Blocks, cut, output_shapes
from pipeline.splitting.linear_blocks import LinearBlocks, split
from pipeline.splitting.variables import AdamSteps, Descent, keep
from pipeline.training.losses import mean_loss
from pipeline.training.streams import stream

if TYPE_CHECKING:
    from pipeline.models.classifier import Classifier
    from pipeline.settings.splitting import Splitting
    from pipeline.training.session import Session

#: Training images on which the network itself is watched: enough for half a per cent, few beside a cycle.
WATCHED = 5000


def blocks_of(session: "Session", settings: "Splitting") -> Blocks:
    """The session's network in blocks, in training mode; raises `UserError` for cuts that are not there."""
    modules = cut(session.network.train(), settings.cuts, session.name)
    example = session.images.floats(slice(1))
    found = split(modules) if settings.trainable is None else None
    if found:
        return LinearBlocks(modules, example, *found)
    return Blocks(modules, example, settings.batch_size)


def widths(network: "Classifier", example: Tensor, settings: "Splitting", name: str) -> list[int]:
    """Numbers that the output of each block of `network` has for one image such as `example` 1×C×H×W.

    Raises `UserError`, naming the method instance `name`, for cuts that are not there.
    """
    return [shape.numel() for shape in output_shapes(cut(network, settings.cuts, name), example)]


def with_moments(settings: "Splitting", names: list[str], width: int) -> dict[str, int]:
    """`width` columns for each of the `names`, and for the moments of a persistent Adam."""
    moments = ["z_means", "z_squares"] if settings.z_optimiser == "adam_persistent" else []
    return dict.fromkeys([*names, *moments], width)


def kept_of(session: "Session", settings: "Splitting", columns: dict[str, int]) -> dict[str, Tensor]:
    """Zeros for all images with these columns, and the counts of a persistent Adam."""
    kept = keep(session, settings.storage, columns)
    if settings.z_optimiser == "adam_persistent":
        # Counts beyond 256 would not fit into bfloat16.
        kept["z_counts"] = torch.zeros(len(session.images), 1, device=session.compute.device)
    return kept


def steps_of(
    settings: "Splitting", blocks: Blocks, zetas: list[float], taken: dict[str, Tensor]
) -> Descent | AdamSteps:
    """Steps for one visit of the variables `taken`, of which Adam's moments are changed if they are among them."""
    if settings.z_optimiser == "gd":
        return Descent(zetas)
    z = taken["z"]
    empty = {"z_means": torch.zeros_like(z), "z_squares": torch.zeros_like(z), "z_counts": z.new_zeros(len(z), 1)}
    return AdamSteps(settings.zeta, blocks, **(empty | {name: taken[name] for name in empty if name in taken}))


def mini_batches(session: "Session", settings: "Splitting", epoch: int, passes: int = 1) -> Iterator[Tensor]:
    """Row numbers of shuffled mini-batches; the smaller rest of each pass is left out.

    The first pass sees the batches that ordinary training sees in this epoch, without augmentation: stored variables
    belong to one fixed input (admm.md section 3.9).
    """
    generator = stream(session.seed, "shuffle", epoch)
    steps = session.steps_per_epoch(settings.batch_size)
    for _ in range(passes):
        order = torch.randperm(len(session.images), generator=generator).to(session.compute.device)
        yield from order[: steps * settings.batch_size].split(settings.batch_size)


@torch.no_grad()
def straight_through(session: "Session", loss: str) -> dict[str, float]:
    """Mean loss and accuracy of the network itself, without variables, on the first `WATCHED` training images."""
    network, count = session.network, min(len(session.images), WATCHED)
    sums = torch.zeros(2, dtype=torch.float64, device=session.compute.device)
    network.eval()
    for rows in batches(count):
        labels = session.images.labels[rows]
        logits = network(session.images.floats(rows))
        sums += torch.stack([mean_loss(loss, logits, labels) * len(labels), (logits.argmax(1) == labels).sum()])
    network.train()
    mean, accuracy = (sums / count).tolist()
    return {"loss": mean, "accuracy": accuracy}


class Gaps:
    """How far variables are from what the blocks give, and how large duals are, over all rows that are added.

    `width` is how many columns the variables have; blocks beyond have none. `sums` is all that it keeps.
    """

    def __init__(self, blocks: Blocks, width: int, device: torch.device) -> None:
        self._columns = [at for at in blocks.columns if at.stop <= width]
        #: Of each column squares of residuals, squares of variables, absolute duals, and rows that have duals.
        self.sums = torch.zeros(4, width, dtype=torch.float64, device=device)
        self._squares, self._sizes, self._duals, self._rows = self.sums

    def add(self, residuals: Tensor, variables: Tensor, duals: Tensor | None) -> None:
        """Count `residuals` Z_t − block_t(Z_{t-1}), `variables` Z_t and `duals` U_t, if there are any, each n×D."""
        self._squares += residuals.square().sum(0)
        self._sizes += variables.square().sum(0)
        if duals is not None:
            self._duals += duals.abs().sum(0)
            self._rows += len(duals)

    @property
    def norm(self) -> float:
        """|h|, the Euclidean norm of all residuals."""
        return self._squares.sum().sqrt().item()

    def values(self) -> dict[str, float]:
        """`residual` = |Z − block(Z)| / |Z|, of each block `residual_1`, …, and the mean |U_t| `dual_1`, …."""
        found = {"residual": (self._squares.sum() / self._sizes.sum()).sqrt().item()}
        for t, at in enumerate(self._columns, 1):
            found[f"residual_{t}"] = (self._squares[at].sum() / self._sizes[at].sum()).sqrt().item()
        if self._rows[0]:
            means = [self._duals[at].mean() / self._rows[0] for at in self._columns]
            found |= {f"dual_{t}": mean.item() for t, mean in enumerate(means, 1)}
        return found
