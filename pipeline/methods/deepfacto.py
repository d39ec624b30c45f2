"""DeepFacto: a network whose last maps are factorised, Z ≈ S Mᵀ with S, M ≥ 0, and only the scores S go on.

Paper: Khorram 2020, thesis, section 4.3, eq. 4.13, and appendix B (admm.md section 4). Block 1 is the network up to its
last maps, block 2 one linear layer B from an image's scores to an embedding, trained on labels by a triplet loss J:

    J(Z_2) + β/2 |Z_1 − block_1(X) + U_1|² + γ/2 |Z_1 − S Mᵀ + V|² + β/2 |Z_2 − B(S) + U_2|²,    S, M ≥ 0

    Z_2 ← Z_2 − ζ (∂J/∂Z_2 + β (Z_2 − B(S) + U_2))              M ← one sweep of HALS, then columns of length 1
    S   ← projected gradient steps                              Z_1 ← max(0, closed form)
    Θ_1, B ← Adam on mini-batches of their own quadratic terms  U_1, V, U_2 ← plus the violations

The start is warm: block 1 as it comes, usually from a `base`, NMF of its maps alone, then B alone. At test time S is
the non-negative projection of block_1(x) on M (`splitting/nmf.py`). Published (table 4.1): attributes of LFWA from S by
linear SVM 74.80, 81.39 and 87.03 % for r = 4, 32 and 256, with Inception-ResNet-V1 trained on VGGFace2.

Departures, where the thesis says nothing: J has semi-hard negatives and is summed over images (section 4.3); B is
scaled after the warm start so that embeddings are of mean length 1, which J, on normalised ones, cannot see, but β can;
duals start at 0; batch normalisation keeps its running statistics. The network's own head is not used and not changed.
"""

from collections import defaultdict
from math import isfinite
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.models.trained import batches
from pipeline.splitting.block_wise import mini_batches
from pipeline.splitting.closed_forms import cross_product
from pipeline.splitting.full_batch import squares
from pipeline.splitting.nmf import (
    drawn_positions,
    factorise,
    normalise_,
    redraw_,
    rows_of,
    safe_step,
    scores,
    step_scores_,
    sweep_factors_,
    worst_fitted,
)
from pipeline.splitting.variables import keep, put, take
from pipeline.training.schedule import optimiser_of
from pipeline.training.session import Session
from pipeline.training.streams import seeded, stream
from pipeline.training.triplets import identity_batches, triplet_losses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.models.classifier import Classifier
    from pipeline.settings.splitting import DeepFacto

#: Variables beside their duals, in the order in which constraints are recorded: Z_1 for block 1 and for NMF, Z_2.
CONSTRAINTS = {"1": ("z1", "u1"), "nmf": ("z1", "v"), "2": ("z2", "u2")}


def fit(session: Session, settings: "DeepFacto") -> dict[str, Tensor]:
    """Train the maps of `session.network`; keeps M K×r and B besides, and leaves the network's head as it is."""
    run = Run(session, settings)
    for epoch in session.epochs(settings, run.optimiser, run.embedding_optimiser):
        # Running statistics stay as they are: images of one batch are of few classes.
        session.network.eval()
        if epoch == 0 and not session.midway:
            run.warm_start()
        found = run.cycle(epoch)
        if not isfinite(found["objective"]):
            raise UserError(f"methods.{session.name}: the cycles diverge; lower optimiser.learning_rate or zeta")
        session.record(**found)
    return {"factors": run.factors, "embedding.weight": run.embedding.weight, "embedding.bias": run.embedding.bias}


def columns(network: "Classifier", example: Tensor, settings: "DeepFacto", name: str) -> dict[str, int]:
    """Columns kept of each image: Z_1, U_1 and V as large as its last maps, scores S, and Z_2 and U_2."""
    channels, positions = map_size(network, example)
    of_maps = dict.fromkeys(("z1", "u1", "v"), positions * channels)
    return of_maps | {"s": positions * settings.rank, "z2": settings.embedding, "u2": settings.embedding}


@torch.no_grad()
def map_size(network: "Classifier", example: Tensor) -> tuple[int, int]:
    """Channels and positions of the last maps of an image such as `example` 1×C×H×W."""
    maps = network.eval().maps(example)
    return maps.shape[1], maps[0, 0].numel()


class Run:
    """What a training keeps: matrices of all images, M = `factors` K×r and B = `embedding`.

    `kept` has rows of an image's m positions with K channels each, Z_1, U_1 and V, or r scores each, S, and of its
    embedding, Z_2 and U_2.
    """

    def __init__(self, session: Session, settings: "DeepFacto") -> None:
        self.session, self.settings = session, settings
        self.images, self.device = session.images, session.compute.device
        self.labels = session.images.labels.cpu()
        if (self.labels.bincount() > 1).sum() < 2:
            raise UserError(
                f"methods.{session.name}: a triplet loss needs two classes with two images each, which the training "
                f"images do not have; take another dataset"
            )
        example = self.images.floats(slice(1))
        widths = columns(session.network, example, settings, session.name)
        with seeded(session.seed, "init", "embedding"):
            self.embedding = nn.Linear(widths["s"], settings.embedding).to(self.device)
        channels, _ = map_size(session.network, example)
        self.factors = torch.zeros(channels, settings.rank, device=self.device)
        self.kept = keep(session, settings.storage, widths)
        self.optimiser = optimiser_of([{"params": session.network.backbone.parameters()}], settings.optimiser)
        self.embedding_optimiser = optimiser_of([{"params": self.embedding.parameters()}], settings.embedding_optimiser)
        session.track(factors=self.factors, **dict(self.embedding.named_parameters()), **self.kept)

    def _only(self, *names: str) -> dict[str, Tensor]:
        return {name: self.kept[name] for name in names}

    def _maps(self, rows: slice | Tensor) -> Tensor:
        """block_1 of those images as they are kept, n×(m·K)."""
        maps = self.session.network.maps(self.images.floats(rows)).float()
        return rows_of(maps).view(len(maps), -1)

    def _products(self, taken: dict[str, Tensor]) -> Tensor:
        """S Mᵀ of the images `taken`, n×(m·K)."""
        found = taken["s"].view(-1, self.settings.rank) @ self.factors.T
        return found.view(len(taken["s"]), -1)

    def _positions(self, values: Tensor) -> Tensor:
        return values.view(-1, len(self.factors))

    @torch.no_grad()
    def warm_start(self) -> None:
        """Z_1 from block 1, M and S by NMF of it alone, B alone on these S, Z_2 from B (section 4.1)."""
        everything = list(batches(len(self.images)))
        for rows in everything:
            put(self._only("z1"), rows, {"z1": self._maps(rows)})
        positions = self._positions(self.kept["z1"])
        draws = stream(self.session.seed, "init", "factors")
        drawn = drawn_positions(positions, self.settings.warm_positions, draws)
        self.factors.copy_(factorise(drawn.to(self.device), self.settings.rank, draws))
        for rows in everything:
            z1 = take(self._only("z1"), rows, self.device)["z1"]
            found = scores(self._positions(z1), self.factors)
            put(self._only("s"), rows, {"s": found.view(len(z1), -1)})
        self._train_embedding()
        lengths = [self.embedding(take(self._only("s"), rows, self.device)["s"]).norm(dim=1) for rows in everything]
        for weight in self.embedding.parameters():
            weight.div_(torch.cat(lengths).mean())
        for rows in everything:
            put(self._only("z2"), rows, {"z2": self.embedding(take(self._only("s"), rows, self.device)["s"])})

    @torch.enable_grad()
    def _train_embedding(self) -> None:
        """B alone, on the mean triplet loss of batches of a few classes."""
        optimiser = optimiser_of([{"params": self.embedding.parameters()}], self.settings.embedding_optimiser)
        for epoch in range(self.settings.warm_epochs):
            for rows in self._batches(stream(self.session.seed, "shuffle", "warm", epoch)):
                found = self.embedding(take(self._only("s"), rows, self.device)["s"])
                optimiser.zero_grad()
                triplet_losses(found, self.labels[rows].to(self.device), self.settings.margin).mean().backward()
                optimiser.step()

    def _batches(self, generator: torch.Generator) -> list[Tensor]:
        return identity_batches(self.labels, self.settings.identities, self.settings.images_each, generator)

    def cycle(self, epoch: int) -> dict[str, float]:
        """All updates of section 4.1 once; gives what is recorded."""
        visits = self._batches(stream(self.session.seed, "shuffle", "classes", epoch))
        # The only images of their class: J is 0 there.
        alone = (self.labels.bincount()[self.labels] == 1).nonzero().flatten()
        visits += alone.split(self.settings.batch_size) if len(alone) else ()
        if not self.session.midway:
            self._step_factors(*self._step_scores(visits), visits)
            self._step_maps(visits)
        for rows in self.session.steps(mini_batches(self.session, self.settings, epoch)):
            self._step_weights(rows)
        return self._step_duals(visits)

    @torch.no_grad()
    def _step_scores(self, visits: "Sequence[Tensor]") -> tuple[Tensor, Tensor]:
        """Z_2, then S of all images; gives Rᵀ S and Sᵀ S, R = Z_1 + V, for the update of M."""
        settings, weight, total = self.settings, self.embedding.weight, 0
        of_embeddings = {"zeta": settings.zeta, "beta": settings.beta, "margin": settings.margin}
        of_scores = {"gamma": settings.gamma, "beta": settings.beta, "steps": settings.score_steps}
        of_scores["length"] = safe_step(self.factors, weight, settings.gamma, settings.beta)
        for rows in visits:
            taken = take(self._only("z1", "v", "s", "z2", "u2"), rows, self.device)
            s, z2, labels = taken["s"], taken["z2"], self.labels[rows].to(self.device)
            step_embeddings_(z2, self.embedding(s), taken["u2"], labels, **of_embeddings)
            targets = self._positions(taken["z1"] + taken["v"])
            wanted = z2 + taken["u2"] - self.embedding.bias
            step_scores_(s, targets, self.factors, weight, wanted, **of_scores)
            put(self._only("s", "z2"), rows, taken)
            by_position = s.view(-1, settings.rank)
            total = total + cross_product(torch.cat([targets, by_position], dim=1), by_position)
        return total[: len(self.factors)], total[len(self.factors) :]

    @torch.no_grad()
    def _step_factors(self, products: Tensor, gram: Tensor, visits: "Sequence[Tensor]") -> None:
        """M from Rᵀ S and Sᵀ S; dead columns anew from the positions that are worst fitted without them."""
        dead = sweep_factors_(self.factors, products, gram)
        if dead.any():
            worst = self.factors.new_empty(0, len(self.factors))
            for rows in visits:
                taken = take(self._only("z1", "v", "s"), rows, self.device)
                gaps = self._positions(taken["z1"] + taken["v"] - self._products(taken))
                worst = worst_fitted(torch.cat([worst, gaps]), int(dead.sum()))
            redraw_(self.factors, self.kept["s"], dead, worst)
        normalise_(self.factors, self.kept["s"], self.embedding.weight)

    @torch.no_grad()
    def _step_maps(self, visits: "Sequence[Tensor]") -> None:
        """Z_1 of all images, between block 1 and the factorisation."""
        for rows in visits:
            taken = take(self._only("u1", "v", "s"), rows, self.device)
            near, products = self._maps(rows) - taken["u1"], self._products(taken) - taken["v"]
            z1 = closest_maps(near, products, self.settings.beta, self.settings.gamma)
            put(self._only("z1"), rows, {"z1": z1})

    def _step_weights(self, rows: Tensor) -> None:
        """One step of Θ_1 and one of B, each on the mean over images of its own quadratic term."""
        taken = take(self._only("z1", "u1", "s", "z2", "u2"), rows, self.device)
        gaps = taken["z1"] - self._maps(rows) + taken["u1"], taken["z2"] - self.embedding(taken["s"]) + taken["u2"]
        for optimiser in (self.optimiser, self.embedding_optimiser):
            optimiser.zero_grad(set_to_none=True)
        (self.settings.beta / 2 / len(rows) * sum(gap.square().sum() for gap in gaps)).backward()
        for optimiser in (self.optimiser, self.embedding_optimiser):
            optimiser.step()

    @torch.no_grad()
    def _step_duals(self, visits: "Sequence[Tensor]") -> dict[str, float]:
        """U_1, V and U_2 plus the violations of their constraints; gives what is recorded.

        That is, for Z_1 = block_1, Z_1 = S Mᵀ and Z_2 = B(S), the `residual` relative to the variable and the mean
        absolute `dual`; `reconstruction` = |block_1 − S Mᵀ| / |block_1|; per image `loss`, J of B(S), and `objective`,
        the augmented Lagrangian with the duals that the other updates had.
        """
        sums: dict[str, Tensor | float] = defaultdict(float)
        for rows in visits:
            taken, labels = take(self.kept, rows, self.device), self.labels[rows].to(self.device)
            maps, products, outputs = self._maps(rows), self._products(taken), self.embedding(taken["s"])
            for name, given in zip(CONSTRAINTS, (maps, products, outputs), strict=True):
                variable, dual = (taken[kept] for kept in CONSTRAINTS[name])
                gap = variable - given
                dual += gap
                sums[f"gap_{name}"] += squares(gap)
                sums[f"size_{name}"] += squares(variable)
                sums[f"dual_{name}"] += dual.abs().mean(1).sum(dtype=torch.float64)
                # The violation with the old dual added to it is the new one.
                sums["objective"] += (self.settings.gamma if name == "nmf" else self.settings.beta) / 2 * squares(dual)
            put(self._only("u1", "v", "u2"), rows, taken)
            sums["lost"] += squares(maps - products)
            sums["maps"] += squares(maps)
            sums["loss"] += triplet_losses(outputs, labels, self.settings.margin).sum(dtype=torch.float64)
            sums["objective"] += triplet_losses(taken["z2"], labels, self.settings.margin).sum(dtype=torch.float64)
        values = {name: sums[name] / len(self.images) for name in ("objective", "loss")}
        values |= {f"residual_{name}": (sums[f"gap_{name}"] / sums[f"size_{name}"]).sqrt() for name in CONSTRAINTS}
        values |= {f"dual_{name}": sums[f"dual_{name}"] / len(self.images) for name in CONSTRAINTS}
        values["reconstruction"] = (sums["lost"] / sums["maps"]).sqrt()
        return {name: value.item() for name, value in values.items()}


@torch.no_grad()
def step_embeddings_(
    z2: Tensor, outputs: Tensor, u2: Tensor, labels: Tensor, *, zeta: float, beta: float, margin: float
) -> None:
    """Z_2 − ζ (∂J/∂Z_2 + β (Z_2 − B(S) + U_2)) in place, for B(S) = `outputs` and Z_2, U_2 n×E of a batch."""
    with torch.enable_grad():
        leaf = z2.clone().requires_grad_()
        slope = torch.autograd.grad(triplet_losses(leaf, labels, margin).sum(), leaf)[0]
    z2.sub_(slope.add_(z2 - outputs + u2, alpha=beta), alpha=zeta)


def closest_maps(near: Tensor, products: Tensor, beta: float, gamma: float) -> Tensor:
    """argmin_{Z ≥ 0} β/2 |Z − F|² + γ/2 |Z − P|² for F = `near`, block_1 − U_1, and P = `products`, S Mᵀ − V."""
    return torch.lerp(near, products, gamma / (beta + gamma)).clamp_min_(0)
