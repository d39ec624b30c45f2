"""The cycle of DeepFacto in literal form, and runs to begin it with."""

from copy import deepcopy

import torch
from literal_blocks import CLASSES, CONVOLUTIONAL, COUNT, session
from torch import Tensor

from pipeline.methods.deepfacto import Run
from pipeline.settings.splitting import DeepFacto
from pipeline.splitting.nmf import maps_of
from pipeline.training.streams import stream
from pipeline.training.triplets import identity_batches, triplet_losses

RANK, EMBEDDING, SIDE = 2, 5, 2


def options(**changes) -> DeepFacto:
    small = {"rank": RANK, "embedding": EMBEDDING, "identities": 3, "images_each": 4, "warm_epochs": 2}
    course = {"network": CONVOLUTIONAL, "epochs": 3, "batch_size": 16}
    return DeepFacto(kind="deepfacto", **{**small, **course, **changes})


def started(**changes) -> Run:
    """A run after its warm start, of which two images are the only ones of their classes."""
    trained = session(CONVOLUTIONAL)
    trained.images.labels = torch.arange(COUNT) % CLASSES
    trained.images.labels[[7, 30]] = torch.tensor([4, 5])
    run = Run(trained, options(**changes))
    run.warm_start()
    return run


def images_of(run: Run) -> Tensor:
    return run.images.pixels / 255


class LiteralFacto:
    """Section 4.1 by autograd on eq. 4.13, all images at once, maps as N×K×h×w and scores as N×h×w×r."""

    def __init__(self, run: Run) -> None:
        """Begins where the warm start of `run` ended."""
        self.settings, self.seed, self.labels = run.settings, run.session.seed, run.labels
        self.network, self.images = deepcopy(run.session.network).eval(), images_of(run)
        self.embedding, self.m = deepcopy(run.embedding), run.factors.clone()
        self.z1 = maps_of(run.kept["z1"].view(-1, 3), SIDE, SIDE).clone()
        self.u1, self.v = torch.zeros_like(self.z1), torch.zeros_like(self.z1)
        self.s, self.z2 = run.kept["s"].view(COUNT, SIDE, SIDE, RANK).clone(), run.kept["z2"].clone()
        self.u2 = torch.zeros_like(self.z2)
        self.optimisers = [
            torch.optim.Adam(self.network.backbone.parameters(), 1e-4),
            torch.optim.Adam(self.embedding.parameters(), 1e-3),
        ]

    def terms(self, rows: Tensor | slice = slice(None), **changed: Tensor) -> list[Tensor]:
        """The three penalties of eq. 4.13 of those images, each with its weight."""
        z1, s, m, z2 = (changed.get(name, getattr(self, name)) for name in ("z1", "s", "m", "z2"))
        z1, s, z2 = z1[rows], s[rows], z2[rows]
        products = torch.einsum("nhwr,kr->nkhw", s, m)
        squares = [
            self.settings.beta * (z1 - self.network.maps(self.images[rows]) + self.u1[rows]).square().sum(),
            self.settings.gamma * (z1 - products + self.v[rows]).square().sum(),
            self.settings.beta * (z2 - self.embedding(s.flatten(1)) + self.u2[rows]).square().sum(),
        ]
        return [square / 2 for square in squares]

    def loss(self, z2: Tensor, epoch: int) -> Tensor:
        settings, draws = self.settings, stream(self.seed, "shuffle", "classes", epoch)
        dealt = identity_batches(self.labels, settings.identities, settings.images_each, draws)
        return sum(triplet_losses(z2[rows], self.labels[rows], settings.margin).sum() for rows in dealt)

    def slope(self, name: str, epoch: int | None = None) -> Tensor:
        leaf = getattr(self, name).clone().requires_grad_()
        objective = sum(self.terms(**{name: leaf}))
        return torch.autograd.grad(objective if epoch is None else objective + self.loss(leaf, epoch), leaf)[0]

    def cycle(self, epoch: int) -> float:
        """All updates; gives the augmented Lagrangian before those of the duals."""
        settings = self.settings
        self.z2 = self.z2 - settings.zeta * self.slope("z2", epoch)
        weight = self.embedding.weight.detach()
        norms = [torch.linalg.eigvalsh(matrix.T @ matrix)[-1] for matrix in (self.m, weight)]
        for _ in range(settings.score_steps):
            step = 1 / (settings.gamma * norms[0] + settings.beta * norms[1])
            self.s = (self.s - step * self.slope("s")).clamp_min(0)
        for j in range(RANK):
            curvature = settings.gamma * self.s[..., j].square().sum()
            self.m[:, j] = (self.m[:, j] - self.slope("m")[:, j] / curvature).clamp_min(0)
        for j in range(RANK):
            length = self.m[:, j].norm()
            self.m[:, j] /= length
            self.s[..., j] *= length
            weight[:, j::RANK] /= length
        self.z1 = (self.z1 - self.slope("z1") / (settings.beta + settings.gamma)).clamp_min(0)
        order = torch.randperm(COUNT, generator=stream(self.seed, "shuffle", epoch))
        for rows in order[: COUNT // settings.batch_size * settings.batch_size].split(settings.batch_size):
            for optimiser in self.optimisers:
                optimiser.zero_grad()
            block, _, linear = self.terms(rows)
            ((block + linear) / len(rows)).backward()
            for optimiser in self.optimisers:
                optimiser.step()
        with torch.no_grad():
            value = (sum(self.terms()) + self.loss(self.z2, epoch)).item()
            self.u1 += self.z1 - self.network.maps(self.images)
            self.v += self.z1 - torch.einsum("nhwr,kr->nkhw", self.s, self.m)
            self.u2 += self.z2 - self.embedding(self.s.flatten(1))
        return value
