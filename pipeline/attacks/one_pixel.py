"""One-pixel attack: differential evolution over the place and colour of a single pixel (csg.md E11).

Paper: Su et al. 2019, One pixel attack for fooling deep neural networks. It sees the network's probabilities, never its
gradients. Genes are row, column and C colours on the scale 0..255, cut to whole numbers when they are painted. The
search is SciPy's: best1bin, mutation drawn from 0.5..1, recombination 1, no polishing. Cost: `generations` + 1 forward
passes of `population` images for each image, fewer where it succeeds.
"""

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.optimize import OptimizeResult, differential_evolution
from torch import Tensor, nn

from pipeline.attacks.outcome import fooled, resistance

if TYPE_CHECKING:
    from pipeline.settings.attacks import OnePixel


@torch.no_grad()
def attack(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    targets: Tensor | None,
    settings: "OnePixel",
    generator: torch.Generator,
) -> Tensor:
    """`images` B×C×H×W in 0..1, each with the one pixel changed that worked best, whether or not that was enough."""
    results = []
    for row, image in enumerate(images):
        seed = int(torch.randint(2**63 - 1, (), generator=generator))
        one = slice(row, row + 1)
        target = None if targets is None else targets[one]
        results.append(one_pixel(network, image, labels[one], target, settings.population, settings.generations, seed))
    return torch.stack(results)


@torch.no_grad()
def one_pixel(
    network: nn.Module,
    image: Tensor,
    label: Tensor,
    target: Tensor | None = None,
    population: int = 400,
    generations: int = 75,
    seed: int = 0,
) -> Tensor:
    """`image` C×H×W in 0..1 with one pixel changed so that `label` (1) loses, or `target` (1) gains, most probability.

    Stops as soon as the best candidate of a generation is classified as wanted. `population` is at least 5.
    """
    channels, height, width = image.shape

    def energies(genes: np.ndarray) -> np.ndarray:
        candidates = painted(image, torch.from_numpy(genes.T))
        count = len(candidates)
        logits = network(candidates)
        return resistance(logits, label.expand(count), None if target is None else target.expand(count)).cpu().numpy()

    def best_succeeds(intermediate_result: OptimizeResult) -> bool:
        best = painted(image, torch.from_numpy(intermediate_result.x[None]))
        return bool(fooled(network(best), label, target))

    random = np.random.default_rng(seed)
    places = random.uniform(0, (height, width), (population, 2))
    colours = random.normal(128, 127, (population, channels)).clip(0, 255)
    found = differential_evolution(
        energies,
        bounds=[(0, height), (0, width), *[(0, 255)] * channels],
        init=np.hstack([places, colours]),
        maxiter=generations,
        recombination=1,
        polish=False,
        atol=-1,  # probabilities that are all alike do not end the search
        rng=random,
        callback=best_succeeds,
        updating="deferred",
        vectorized=True,
    )
    return painted(image, torch.from_numpy(found.x[None]))[0]


def painted(image: Tensor, genes: Tensor) -> Tensor:
    """Copies N×C×H×W of `image` C×H×W, each with one pixel set as its row of `genes` N×(2 + C) says."""
    _, height, width = image.shape
    genes = genes.floor().to(image.device)
    rows = genes[:, 0].long().clamp_max(height - 1)
    columns = genes[:, 1].long().clamp_max(width - 1)
    copies = image.repeat(len(genes), 1, 1, 1)
    copies[torch.arange(len(genes), device=image.device), :, rows, columns] = (genes[:, 2:] / 255).to(image.dtype)
    return copies
