"""Stochastic Block-ADMM: a network trained block by block, each with a variable for its output, tied to it by duals.

Paper: Khorram 2020, thesis, algorithm 2 (chapter 4; admm.md section 3); Khorram et al. 2021, arXiv 2105.00339.

    min over Θ, Z of  Σ_i J(y_i, Z_T) + Σ_t β/2 |Z_t − block_t(Z_{t-1}; Θ_t) + U_t|²,    Z_0 = x, U_t scaled duals

    Z_t ← Z_t − ζ ∂/∂Z_t,  t = T, …, 1    of all images        residual R_t = Z_t − block_t(Z_{t-1}) + U_t
    Θ_t ← one step of the optimiser       on mini-batches      ∂/∂Z_t = β R_t − β (∂block_{t+1}/∂Z_t)ᵀ R_{t+1}
    U_t ← U_t + Z_t − block_t(Z_{t-1})    of all images        ∂/∂Z_T = ∂J/∂Z_T + β R_T

No gradient crosses a block. At test time Z and U are absent. Published (figures 4.3, 4.4): 97.53 % on MNIST with
784-128-128-10 and 94.43 % with ten layers, where SGD reaches 95.29 and 10.28 %.

Departures: the newest values everywhere, where the listing has old ones of Z_{t+1} and in U_t (section 3.1); gradient
steps on Z by default, where the text has Adam (3.4); J is summed over classes (3.2); no augmentation (3.9); batch
normalisation uses the statistics of the batch in all updates and counts them in those of Θ alone (3.7).

A sweep in reverse order changes Z_t only after block_{t+1}(Z_t) was used, so that one forward pass over the old values
serves all of it (section 7).
"""

from math import inf
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pipeline.models.trained import batches
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
from pipeline.training.streams import stream

if TYPE_CHECKING:
    from pipeline.models.classifier import Classifier
    from pipeline.settings.splitting import BlockAdmm


def fit(session: Session, settings: "BlockAdmm") -> dict[str, Tensor]:
    """Train `session.network`; leaves nothing besides its weights. Z and U are part of a saved state."""
    run = Run(session, settings)
    for epoch in session.epochs(settings, run.optimiser):
        if settings.updates == "cycle":
            run.cycle(epoch)
        else:
            run.visits(epoch)
        adaptive = {"beta": run.beta} if settings.penalty == "adaptive" else {}
        session.record(**straight_through(session, settings.loss), **run.gaps.values(), **adaptive)
        if adaptive:
            adapt_(run.penalty, run.kept.get("u"), run.gaps.norm, settings.shrinkage, settings.beta_limit)
    return {}


def columns(network: "Classifier", example: Tensor, settings: "BlockAdmm", name: str) -> dict[str, int]:
    """Columns kept of each image: Z, unless it is built anew for each mini-batch, and U, unless there are no duals."""
    names = [*(["z"] if settings.updates != "online" else []), *(["u"] if settings.duals else [])]
    return with_moments(settings, names, sum(widths(network, example, settings, name)))


class Run:
    """What a training keeps: `kept` are the matrices N×D of all images, `penalty` β and the least |residual| so far.

    Of one epoch it keeps `gaps` and, where it visits mini-batches, `lengths` of the steps of Z_1 to Z_T.
    """

    def __init__(self, session: Session, settings: "BlockAdmm") -> None:
        self.session, self.settings = session, settings
        self.images, self.device = session.images, session.compute.device
        self.blocks = blocks_of(session, settings)
        # One operation for all weights, instead of a dozen.
        self.optimiser = optimiser_of([{"params": self.blocks.parameters(), "fused": True}], settings.optimiser)
        self.penalty = torch.tensor([settings.beta, inf], dtype=torch.float64)
        self.gaps = Gaps(self.blocks, self.blocks.width, self.device)
        self.lengths = torch.zeros(len(self.blocks), dtype=torch.float64)
        example = self.images.floats(slice(1))
        self.kept = kept_of(session, settings, columns(session.network, example, settings, session.name))
        self._start()
        session.track(penalty=self.penalty, gaps=self.gaps.sums, lengths=self.lengths, **self.kept)

    def _start(self) -> None:
        """Z by a forward pass, unless it is built anew for each mini-batch; U uniform, from 0 to `dual_init`."""
        count = len(self.images)
        if "z" in self.kept:
            for rows in self.blocks.chunks(count):
                put(self._only("z"), rows, {"z": self.blocks.outputs(self.images.floats(rows), None)})
        if "u" in self.kept:
            draws = stream(self.session.seed, "init", "duals")
            for rows in batches(count):
                shape = self.kept["u"][rows].shape
                put(self._only("u"), rows, {"u": torch.rand(shape, generator=draws) * self.settings.dual_init})

    def _only(self, *names: str) -> dict[str, Tensor]:
        return {name: stored for name, stored in self.kept.items() if name in names}

    @property
    def beta(self) -> float:
        return self.penalty[0].item()

    def zetas(self) -> list[float]:
        """Steps of Z_1 to Z_T: `zeta`, or the inverse of the largest curvature (section 3.4)."""
        if self.settings.zeta != "auto":
            return [self.settings.zeta] * len(self.blocks)
        above = [self.beta * norm**2 for norm in self.blocks.spectral_norms()[1:]]
        return [1 / (self.beta + curvature) for curvature in [*above, 1.0]]

    def cycle(self, epoch: int) -> None:
        """Z of all images, then Θ on mini-batches, then U of all (schedule C of section 3.3).

        What blocks give for Z is the same before U is stepped, behind it, and when the next cycle begins: its Z are
        stepped in the same pass over the images, unless an adaptive penalty changes in between.
        """
        adaptive = self.settings.penalty == "adaptive"
        if (epoch == 0 or adaptive) and not self.session.midway:
            self._over_all(None, steps_z=True)
        for rows in self.session.steps(mini_batches(self.session, self.settings, epoch, self.settings.n_theta)):
            taken = take(self._only("z", "u"), rows, self.device)
            self._step_weights(self.images.floats(rows), taken["z"], taken.get("u"))
        self.gaps.sums.zero_()
        self._over_all(self.gaps, steps_z=not adaptive and epoch + 1 < self.settings.epochs)

    def _over_all(self, gaps: Gaps | None, steps_z: bool) -> None:
        """A pass over all images: U, if there are `gaps` to count, and then Z."""
        zetas, kept = (self.zetas(), self.kept) if steps_z else ([], self._only("z", "u"))
        for rows in self.blocks.chunks(len(self.images)):
            taken = take(kept, rows, self.device)
            images, labels, z, u = self.images.floats(rows), self.images.labels[rows], taken["z"], taken.get("u")
            outputs = self.blocks.outputs(images, z)
            if gaps:
                self._step_duals(outputs, z, u, gaps)
            if steps_z:
                self._step_z(outputs, images, z, u, labels, steps_of(self.settings, self.blocks, zetas, taken))
            put(kept, rows, taken)

    def visits(self, epoch: int) -> None:
        """Z, Θ and U of one mini-batch after another (schedules M and O of section 3.3)."""
        if not self.session.midway:
            self.gaps.sums.zero_()
            self.lengths.copy_(torch.tensor(self.zetas(), dtype=torch.float64))
        zetas, online = self.lengths.tolist(), self.settings.updates == "online"
        for rows in self.session.steps(mini_batches(self.session, self.settings, epoch)):
            taken = take(self.kept, rows, self.device)
            images, labels, u = self.images.floats(rows), self.images.labels[rows], taken.get("u")
            outputs = self.blocks.outputs(images, None if online else taken["z"])
            z = taken.setdefault("z", outputs.clone())
            steps = steps_of(self.settings, self.blocks, zetas, taken)
            repetitions = self.settings.inner if online else 1
            for repetition in range(repetitions):
                self._step_z(outputs, images, z, u, labels, steps)
                for number in range(self.settings.n_theta):
                    self._step_weights(images, z, u, again=number == 0)
                outputs = self.blocks.outputs(images, z)
                self._step_duals(outputs, z, u, self.gaps if repetition == repetitions - 1 else None)
            put(self.kept, rows, taken)

    def _step_z(
        self, outputs: Tensor, images: Tensor, z: Tensor, u: Tensor | None, labels: Tensor, steps: Descent | AdamSteps
    ) -> None:
        """`n_z` sweeps over Z in place, whose `outputs` are what `blocks.outputs` gave last."""
        how = {"loss": self.settings.loss, "beta": self.beta, "forward": self.settings.order == "forward"}
        for number in range(self.settings.n_z):
            if number > 0:
                outputs = self.blocks.outputs(images, z, again=True)
            sweep_(self.blocks, outputs, z, u, labels, steps, **how)

    def _step_weights(self, images: Tensor, z: Tensor, u: Tensor | None, again: bool = False) -> None:
        """One step of all Θ_t on the mean over images of β/2 |Z_t − block_t(Z_{t-1}) + U_t|²."""
        outputs = self.blocks.outputs(images, z, again=again, count=True)
        self.blocks.set_gradients(residuals(outputs, z, u), self.beta)
        self.optimiser.step()

    def _step_duals(self, outputs: Tensor, z: Tensor, u: Tensor | None, gaps: Gaps | None) -> None:
        """U_t + Z_t − block_t(Z_{t-1}) in place, with new Z and Θ."""
        violations = residuals(outputs, z, None)
        if u is not None:
            u += violations
        if gaps:
            gaps.add(violations, z, u)


def residuals(outputs: Tensor, z: Tensor, u: Tensor | None) -> Tensor:
    """R_t = Z_t − block_t(Z_{t-1}) + U_t; without duals U is 0."""
    found = z - outputs
    return found if u is None else found.add_(u)


@torch.no_grad()
def sweep_(
    blocks: Blocks,
    outputs: Tensor,
    z: Tensor,
    u: Tensor | None,
    labels: Tensor,
    steps: Descent | AdamSteps,
    *,
    loss: str,
    beta: float,
    forward: bool,
) -> None:
    """One step of each Z_t of n images in place, from Z_T to Z_1 or, `forward`, from Z_1 to Z_T (section 3.2).

    `outputs` n×D are what `blocks.outputs` gave last, for these z.
    """
    steps.begin()
    last, z_parts, f_parts = len(blocks) - 1, blocks.parts(z), blocks.parts(outputs)
    u_parts = [None] * len(blocks) if u is None else blocks.parts(u)
    for t in range(last + 1) if forward else range(last, -1, -1):
        if forward and t > 0:
            f_parts[t] = blocks.output(t, z_parts[t - 1])
        if t == last:
            slope = gradient(loss, z_parts[t], labels)
        else:
            slope = blocks.pull(t + 1, residuals(f_parts[t + 1], z_parts[t + 1], u_parts[t + 1])).mul_(-beta)
        slope.add_(residuals(f_parts[t], z_parts[t], u_parts[t]), alpha=beta)
        steps.step(t, z_parts[t], slope)


def adapt_(penalty: Tensor, u: Tensor | None, residual: float, shrinkage: float, limit: float) -> None:
    """Raise β of `penalty` (β, least residual so far) to β / c, at most `limit`, unless the residual has shrunk to c
    times the least one (section 3.8). U shrinks as β grows, so that the multiplier β U stays as it is.
    """
    beta, least = penalty.tolist()
    if residual > shrinkage * least:
        larger = min(beta / shrinkage, limit)
        if u is not None:
            u.mul_(beta / larger)
        penalty[0] = larger
    penalty[1] = min(least, residual)
