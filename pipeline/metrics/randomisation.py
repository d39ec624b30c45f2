"""How maps change as a network forgets what it learned, from the classifier down (normat.md section 8.6).

Paper: Adebayo et al. 2018, Sanity checks for saliency maps: cascading randomisation. A map that stays as it was does
not depend on the network's weights.

Layers start again as PyTorch initialises them, batch normalisation with scale 1 and shift 0, but running statistics
stay. To set them back to mean 0 and variance 1, as `reset_parameters` does, destroys a trained network without touching
a weight, and its maps with it (section 11): the curve would no longer be about weights. Maps fade nevertheless with
every stage, which SSIM on the original's scale shows as it should; the rank correlation does not see the scale.
"""

from collections.abc import Iterator
from copy import deepcopy
from typing import NamedTuple

import torch
from torch import Tensor, nn

from pipeline.metrics.similarity import display_map, rank_correlation, ssim
from pipeline.training.streams import seeded

#: Modules that belong to the layer before them.
NORMALISATIONS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm, nn.LayerNorm)


class Likeness(NamedTuple):
    """Two tensors of B values."""

    ssim: Tensor
    rank_correlation: Tensor


def likeness(original: Tensor, changed: Tensor) -> Likeness:
    """How alike maps B×H×W before and after are: SSIM of the display maps, and Spearman's correlation of magnitudes.

    Both display maps have the scale of the original, so that a map that fades is unlike the original. Where the
    original's display map is zero everywhere there is nothing to be unlike: NaN. Otherwise as in metrics/similarity.py.
    """
    shown, faded = (display_map(maps[:, None], scale_of=original[:, None]) for maps in (original, changed))
    visible = shown.flatten(1).amax(1) != 0
    return Likeness(torch.where(visible, ssim(shown, faded), torch.nan), rank_correlation(original, changed))


def stages(network: nn.Module) -> list[tuple[str, list[nn.Module]]]:
    """Name and modules of each stage, from the classifier to the stem, every parameter in one of them.

    A stage is a child of the network or of its `backbone`; a plain `nn.Sequential` is replaced by its own children.
    Normalisation joins the layer before it. So a residual network has its head, each block and its stem. Children must
    be registered in the order of the computation. Raises `ValueError` for parameters that belong to no child.
    """
    found: list[tuple[str, list[nn.Module]]] = []
    for name, module in _children(network):
        if not any(True for _ in module.parameters()):
            continue
        if found and isinstance(module, NORMALISATIONS):
            found[-1][1].append(module)
        else:
            found.append((name, [module]))
    inside = {id(weight) for _, modules in found for module in modules for weight in module.parameters()}
    outside = [name for name, weight in network.named_parameters() if id(weight) not in inside]
    if outside:
        raise ValueError(f"parameters of no child of the network cannot be randomised in turn: {', '.join(outside)}")
    return found[::-1]


def cascade(network: nn.Module, seed: int) -> Iterator[tuple[str, nn.Module]]:
    """Name of each stage and the network with that stage, and all stages before it, initialised anew.

    What is yielded is one copy, which changes at every step and keeps mode and device; `network` stays as it is. Each
    stage starts from the stream of `seed` and its name, the same on every device. Raises `ValueError` for a module with
    parameters that cannot start again.
    """
    forgetting = deepcopy(network)
    for name, modules in stages(forgetting):
        with seeded(seed, "randomise", name):
            for module in modules:
                _reset(module)
        yield name, forgetting


def _children(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    for name, child in module.named_children():
        if type(child) is nn.Sequential or prefix + name == "backbone":
            yield from _children(child, f"{prefix}{name}.")
        else:
            yield prefix + name, child


@torch.no_grad()
def _reset(module: nn.Module) -> None:
    """Draw the parameters of a module anew on the CPU, whose random numbers are the same everywhere; buffers stay."""
    for part in module.modules():
        own = next(part.parameters(recurse=False), None)
        if own is None:
            continue
        if not hasattr(part, "reset_parameters"):
            raise ValueError(f"{type(part).__name__} has parameters but no reset_parameters to start again")
        device, kept = own.device, {name: buffer.clone() for name, buffer in part.named_buffers(recurse=False)}
        part.cpu().reset_parameters()
        part.to(device)
        for name, buffer in part.named_buffers(recurse=False):
            buffer.copy_(kept[name])
