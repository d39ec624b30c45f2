"""Each step of DeepFacto on its own keeps its promise to the augmented Lagrangian."""

import pytest
import torch
from torch import Tensor

from pipeline.methods.deepfacto import closest_maps, step_embeddings_
from pipeline.splitting.nmf import normalise_, safe_step, step_scores_, sweep_factors_
from pipeline.training.streams import stream
from pipeline.training.triplets import triplet_losses


class Problem:
    """Variables of eq. 4.13 in double precision, 8 images of 3 positions, as the pure steps take them."""

    beta, gamma, margin = 1.3, 0.7, 0.5

    def __init__(self, seed: int) -> None:
        draws = torch.Generator().manual_seed(seed)

        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, dtype=torch.float64, generator=draws)

        self.labels = torch.arange(8) % 3
        self.given, self.z1 = normal(24, 6).abs(), normal(24, 6).abs()
        self.u1, self.v = 0.3 * normal(24, 6), 0.3 * normal(24, 6)
        self.factors, self.s = normal(6, 2).abs(), normal(8, 6).abs()
        self.weight, self.bias = normal(4, 6), normal(4)
        self.z2, self.u2 = 3 * normal(8, 4), 0.3 * normal(8, 4)

    @property
    def outputs(self) -> Tensor:
        return self.s @ self.weight.T + self.bias

    @property
    def products(self) -> Tensor:
        return self.s.view(24, 2) @ self.factors.T

    def lagrangian(self) -> float:
        squares = self.beta * (self.z1 - self.given + self.u1).square().sum()
        squares += self.gamma * (self.z1 - self.products + self.v).square().sum()
        squares += self.beta * (self.z2 - self.outputs + self.u2).square().sum()
        return (triplet_losses(self.z2, self.labels, self.margin).sum() + squares / 2).item()

    def step(self, name: str) -> None:
        targets = self.z1 + self.v
        if name == "z2":
            # The loss bends: the thesis' steps of 0.5 promise nothing, short ones do.
            rates = {"zeta": 0.01, "beta": self.beta, "margin": self.margin}
            step_embeddings_(self.z2, self.outputs, self.u2, self.labels, **rates)
        elif name == "s":
            weights = {"gamma": self.gamma, "beta": self.beta, "steps": 5}
            weights["length"] = safe_step(self.factors, self.weight, self.gamma, self.beta)
            step_scores_(self.s, targets, self.factors, self.weight, self.z2 + self.u2 - self.bias, **weights)
        elif name == "m":
            by_position = self.s.view(24, 2)
            sweep_factors_(self.factors, targets.T @ by_position, by_position.T @ by_position)
        elif name == "lengths":
            normalise_(self.factors, self.s, self.weight)
        else:
            self.z1 = closest_maps(self.given - self.u1, self.products - self.v, self.beta, self.gamma)


@pytest.mark.parametrize("seed", range(4))
def test_no_primal_step_raises_the_lagrangian(seed):
    problem = Problem(seed)
    value = first = problem.lagrangian()
    for _ in range(15):
        for name in ("z2", "s", "m", "lengths", "z1"):
            problem.step(name)
            before, value = value, problem.lagrangian()
            assert value <= before * (1 + 1e-12), name
            if name == "lengths":
                assert value == pytest.approx(before, rel=1e-12)
            assert (problem.s >= 0).all() and (problem.factors >= 0).all() and (problem.z1 >= 0).all()
    assert value < first / 2


def test_maps_are_the_minimum_of_both_terms():
    near, products = torch.randn(2, 40, 3, dtype=torch.float64, generator=stream(0, "maps"))
    found = closest_maps(near, products, 1.3, 0.7)
    slope = 1.3 * (found - near) + 0.7 * (found - products)
    assert (found >= 0).all() and (found == 0).any()
    assert (
        torch.allclose(slope[found > 0], torch.zeros(()).double(), rtol=0, atol=1e-14)
        and (slope[found == 0] >= 0).all()
    )
