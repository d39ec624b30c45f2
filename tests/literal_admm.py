"""Algorithm 2 of Block-ADMM in literal form, and settings to try it with."""

import torch
from literal_blocks import COUNT, NETWORK, Literal, session
from torch import Tensor

from pipeline.methods.block_admm import Run
from pipeline.settings.splitting import BlockAdmm
from pipeline.training.session import Session


def options(**changes) -> BlockAdmm:
    return BlockAdmm(kind="block_admm", **{"network": NETWORK, "epochs": 3, "batch_size": 16, **changes})


class LiteralAdmm(Literal):
    """Algorithm 2: every update for itself, on the newest values of all others."""

    def __init__(self, run: Session, settings: BlockAdmm) -> None:
        first = Run(session(settings.network), settings)
        found = {name: first.blocks.parts(values.clone()) for name, values in first.kept.items() if name in ("z", "u")}
        nothing = [torch.zeros(COUNT, *shape) for shape in first.blocks.shapes]
        super().__init__(run, settings, found.get("z", nothing))
        self.u = found.get("u", [values.clone() for values in nothing])

    def violation(self, t: int, below: Tensor, z: Tensor, rows: Tensor) -> Tensor:
        return z - self.blocks[t](below) + self.u[t][rows]

    def sweep(self, rows: Tensor) -> None:
        blocks, beta = range(len(self.blocks)), self.settings.beta
        for t in reversed(blocks) if self.settings.order == "reverse" else blocks:
            z = self.z[t][rows].clone().requires_grad_()
            objective = beta / 2 * self.violation(t, self.below(t, rows), z, rows).square().sum()
            if t == blocks[-1]:
                objective = objective + self.loss(z, rows)
            else:
                objective = objective + beta / 2 * self.violation(t + 1, z, self.z[t + 1][rows], rows).square().sum()
            self.move(t, rows, torch.autograd.grad(objective, z)[0])

    def weights(self, rows: Tensor) -> None:
        for t in range(len(self.blocks)):
            squares = self.violation(t, self.below(t, rows), self.z[t][rows], rows).square().sum()
            self.step_weights(t, self.settings.beta / 2 * squares, len(rows))

    @torch.no_grad()
    def duals(self, rows: Tensor) -> None:
        for t in range(len(self.blocks) if self.settings.duals else 0):
            self.u[t][rows] = self.violation(t, self.below(t, rows), self.z[t][rows], rows)
