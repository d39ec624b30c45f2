"""Local search: greedily change the pixels whose change hurts most, then look around them (csg.md E11).

Paper: Narodytska and Kasiviswanathan 2017, Simple black-box adversarial attacks on deep neural networks, algorithm
LocSearchAdv with k = 1. It sees the network's probabilities, never its gradients. In each round every looked-at pixel
is set to p·sgn(pixel) in a copy of its own; the t copies with the lowest probability of the label name the pixels that
are multiplied by r in the running image, values wrapping around by 1; the next round looks at the squares around them.
For all this pixels are on the scale −0.5..0.5. Cost: at most R forward passes of `probes` + 1 images for each image.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from pipeline.attacks.outcome import fooled, resistance

if TYPE_CHECKING:
    from pipeline.settings.attacks import LocalSearch


@torch.no_grad()
def attack(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    targets: Tensor | None,
    settings: "LocalSearch",
    generator: torch.Generator,
) -> Tensor:
    """Adversarial images B×C×H×W in 0..1; where all rounds fail, the image after the last one."""
    plain = settings.model_dump(exclude={"kind"})
    results = []
    for row, image in enumerate(images):
        one = slice(row, row + 1)
        target = None if targets is None else targets[one]
        results.append(local_search(network, image, labels[one], target, generator=generator, **plain))
    return torch.stack(results)


@torch.no_grad()
def local_search(
    network: nn.Module,
    image: Tensor,
    label: Tensor,
    target: Tensor | None = None,
    *,
    rounds: int,
    magnitude: float,
    factor: float,
    chosen: int,
    distance: int,
    start: float,
    probes: int,
    generator: torch.Generator,
) -> Tensor:
    """`image` C×H×W in 0..1, changed until it is not `label` (1), or is `target` (1), for at most `rounds` rounds.

    `magnitude` is p, `factor` r, `chosen` t. The first round looks at a share `start` of the pixels, later ones at
    those up to `distance` rows and columns from a chosen one, each at no more than `probes`, drawn at random. An image
    that is classified as wanted from the start comes back as it is.
    """
    channels, height, width = image.shape
    places = height * width
    running = image.reshape(channels, places).clone()
    looked_at = some(torch.arange(places), min(max(1, int(start * places)), probes), generator).to(image.device)
    for _ in range(rounds):
        copies = running.repeat(len(looked_at) + 1, 1, 1)
        own = torch.arange(len(looked_at), device=image.device)
        copies[own + 1, :, looked_at] = magnitude * (running[:, looked_at] - 0.5).sign().T + 0.5
        # The running image goes first, so that one forward pass tells both where it stands and where to go.
        logits = network(copies.view(-1, channels, height, width))
        if fooled(logits[:1], label, target):
            break
        many = (label.expand(len(own)), None if target is None else target.expand(len(own)))
        scores = resistance(logits[1:], *many)
        best = looked_at[scores.argsort(stable=True)[:chosen]]
        changed = factor * (running[:, best] - 0.5)
        running[:, best] = changed - changed.round() + 0.5
        marks = torch.zeros(1, height, width, device=image.device)
        marks.view(-1)[best] = 1
        around = max_pool2d(marks, 2 * distance + 1, stride=1, padding=distance).view(-1).nonzero()[:, 0]
        looked_at = some(around, probes, generator)
    return running.view_as(image)


def some(places: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """At most `count` of `places`, drawn without replacement, in order."""
    if len(places) <= count:
        return places
    return places[torch.randperm(len(places), generator=generator)[:count].sort().values.to(places.device)]
