"""Training in decoupled blocks after Gotmare et al. 2018: gluing variables and a penalty, but no duals.

Paper: Gotmare, Thomas, Brea, Jaggi 2018, Decoupling backpropagation using constrained optimization methods, known here
by its abstract and by what Khorram 2020 says of it as a baseline of Block-ADMM (admm.md section 5.3).

    min over Θ, Z of  Σ_i J(y_i, block_T(Z_{T-1})) + Σ_{t<T} β/2 |Z_t − block_t(Z_{t-1}; Θ_t)|²,    Z_0 = x

    Z_t ← Z_t − ζ ∂/∂Z_t, t = T−1, …, 1, then Θ_t ← one step of the optimiser, for a mini-batch after the other

Published by Khorram (figure 4.5): 87.12 % on CIFAR-10 with ResNet-18 in two blocks, where Block-ADMM has 89.66 %.

Departures: gradient steps on Z by default, since Adam's are fragile (section 3.4). With one sweep over Z from a forward
pass this is backpropagation with the factor (β ζ)^(T−t) for block t, which Adam on Θ takes away again: what is its own
begins with `inner` repetitions, or with Z kept for all images (`updates: cycle`).
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pipeline.errors import UserError
from pipeline.splitting.block_wise import (
    Gaps,
    blocks_of,
    kept_of,
    mini_batches,
    steps_of,
    straight_through,
    widths,
    with_moments,
)
from pipeline.splitting.blocks import Blocks
from pipeline.splitting.variables import AdamSteps, Descent, put, take
from pipeline.training.losses import gradient
from pipeline.training.schedule import optimiser_of
from pipeline.training.session import Session

if TYPE_CHECKING:
    from pipeline.models.classifier import Classifier
    from pipeline.settings.splitting import Gotmare


def fit(session: Session, settings: "Gotmare") -> dict[str, Tensor]:
    """Train `session.network`; leaves nothing besides its weights. Z, if it is kept, is part of a saved state."""
    run = Run(session, settings)
    for epoch in session.epochs(settings, run.optimiser):
        if settings.updates == "cycle":
            run.cycle(epoch)
        else:
            run.visits(epoch)
        session.record(**straight_through(session, settings.loss), **run.gaps.values())
    return {}


def columns(network: "Classifier", example: Tensor, settings: "Gotmare", name: str) -> dict[str, int]:
    """Columns kept of each image: Z_1 to Z_{T-1}, unless they are built anew for each mini-batch."""
    names = ["z"] if settings.updates == "cycle" else []
    return with_moments(settings, names, sum(widths(network, example, settings, name)[:-1]))


class Run:
    """What a training keeps: `kept` are the matrices of all images, a column for each number of Z_1 to Z_{T-1}, and of
    one epoch `gaps` and `lengths` of steps of Z_1 to Z_{T-1}.
    """

    def __init__(self, session: Session, settings: "Gotmare") -> None:
        self.session, self.settings = session, settings
        self.images, self.device = session.images, session.compute.device
        self.blocks = blocks_of(session, settings)
        if len(self.blocks) < 2:
            raise UserError(f"methods.{session.name}.cuts: leave the network in one block; name a stage to cut behind")
        # One operation for all weights, instead of a dozen.
        self.optimiser = optimiser_of([{"params": self.blocks.parameters(), "fused": True}], settings.optimiser)
        self.width = self.blocks.columns[-1].start
        example = self.images.floats(slice(1))
        self.kept = kept_of(session, settings, columns(session.network, example, settings, session.name))
        if "z" in self.kept:
            for rows in self.blocks.chunks(len(self.images)):
                outputs = self.blocks.outputs(self.images.floats(rows), None)
                put({"z": self.kept["z"]}, rows, {"z": outputs[:, : self.width]})
        self.gaps = Gaps(self.blocks, self.width, self.device)
        self.lengths = torch.zeros(len(self.blocks) - 1, dtype=torch.float64)
        session.track(gaps=self.gaps.sums, lengths=self.lengths, **self.kept)

    def zetas(self) -> list[float]:
        """Steps of Z_1 to Z_{T-1}: `zeta`, or the inverse of the largest curvature (section 3.4)."""
        if self.settings.zeta != "auto":
            return [self.settings.zeta] * (len(self.blocks) - 1)
        *inner, last = (norm**2 for norm in self.blocks.spectral_norms()[1:])
        beta = self.settings.beta
        return [1 / (beta + curvature) for curvature in [*(beta * norm for norm in inner), last]]

    def _begin(self) -> None:
        """An epoch begins."""
        self.gaps.sums.zero_()
        self.lengths.copy_(torch.tensor(self.zetas(), dtype=torch.float64))

    def cycle(self, epoch: int) -> None:
        """Z of all images, then Θ on mini-batches; both with what is kept of Z from earlier cycles."""
        if not self.session.midway:
            self._begin()
            self._over_all()
        for rows in self.session.steps(mini_batches(self.session, self.settings, epoch, self.settings.n_theta)):
            z = take({"z": self.kept["z"]}, rows, self.device)["z"]
            self._step_weights(self.images.floats(rows), z, self.images.labels[rows])

    def _over_all(self) -> None:
        """`n_z` sweeps over Z of all images."""
        zetas = self.lengths.tolist()
        for rows in self.blocks.chunks(len(self.images)):
            taken = take(self.kept, rows, self.device)
            images, labels, z = self.images.floats(rows), self.images.labels[rows], taken["z"]
            steps = steps_of(self.settings, self.blocks, zetas, taken)
            for number in range(self.settings.n_z):
                self._sweep(self.blocks.outputs(images, z, again=number > 0), z, labels, steps)
            put(self.kept, rows, taken)

    def visits(self, epoch: int) -> None:
        """Z from a forward pass and Θ of one mini-batch after another."""
        if not self.session.midway:
            self._begin()
        zetas = self.lengths.tolist()
        for rows in self.session.steps(mini_batches(self.session, self.settings, epoch)):
            images, labels = self.images.floats(rows), self.images.labels[rows]
            outputs = self.blocks.outputs(images, None)
            z = outputs[:, : self.width].clone()
            steps = steps_of(self.settings, self.blocks, zetas, {"z": z})
            for repetition in range(self.settings.inner):
                for number in range(self.settings.n_z):
                    if repetition or number:
                        outputs = self.blocks.outputs(images, z, again=number > 0)
                    self._sweep(outputs, z, labels, steps)
                for number in range(self.settings.n_theta):
                    self._step_weights(images, z, labels, again=number == 0)

    def _sweep(self, outputs: Tensor, z: Tensor, labels: Tensor, steps: Descent | AdamSteps) -> None:
        sweep_(self.blocks, outputs, z, labels, steps, loss=self.settings.loss, beta=self.settings.beta)

    def _step_weights(self, images: Tensor, z: Tensor, labels: Tensor, again: bool = False) -> None:
        """One step of all Θ_t on the mean of β/2 |Z_t − block_t(Z_{t-1})|², of Θ_T on that of J."""
        outputs = self.blocks.outputs(images, z, again=again, count=True)
        violations = z - outputs[:, : self.width]
        self.gaps.add(violations, z, None)
        top = gradient(self.settings.loss, outputs[:, self.width :], labels)
        self.blocks.set_gradients(torch.cat([violations.mul_(self.settings.beta), top.neg_()], dim=1))
        self.optimiser.step()


@torch.no_grad()
def sweep_(
    blocks: Blocks, outputs: Tensor, z: Tensor, labels: Tensor, steps: Descent | AdamSteps, *, loss: str, beta: float
) -> None:
    """One step of each Z_t of n images in place, from Z_{T-1} to Z_1.

    `outputs` n×D are what `blocks.outputs` gave last, for these z, in whose columns there is no Z_T.
    """
    steps.begin()
    z_parts, f_parts = blocks.parts(z), blocks.parts(outputs)
    signals = gradient(loss, f_parts[-1], labels).neg_()
    for t in range(len(z_parts) - 1, -1, -1):
        slope = blocks.pull(t + 1, signals).neg_()
        slope.add_(z_parts[t] - f_parts[t], alpha=beta)
        steps.step(t, z_parts[t], slope)
        signals = (z_parts[t] - f_parts[t]).mul_(beta)
