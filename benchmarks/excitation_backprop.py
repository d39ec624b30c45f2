"""How fast excitation backprop is, in one thread: all neurons of all images at once beside one signal at a time.

    OMP_NUM_THREADS=1 python benchmarks/excitation_backprop.py --output benchmarks/recorded/excitation_backprop.json

Contrastive maps of NEURONS logits on 8 images of 112 pixels, by VGG-11 with random weights and narrower linear
layers, read at the first ReLU. Ours runs batched, and image by image and neuron by neuron; zennit runs neuron by neuron
on all images, with the contrast built by hand. That they agree is checked by the share of a map's mass that lies
elsewhere; in single precision it is not smaller, since winners and losers nearly cancel in a network with random
weights. The record holds the median of REPEATS.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn
from zennit.composites import ExcitationBackprop

from pipeline.explainers.excitation_backprop import excitation_backprop
from pipeline.machine import machine, versions

REPEATS = 3
NEURONS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="where to record the numbers as JSON")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    numbers = list(measured(images=8, size=112))
    record = {"machine": machine(), "versions": versions(), "repeats": REPEATS, "numbers": numbers}
    if args.output:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text(json.dumps(record, indent=1) + "\n")


def network() -> nn.Sequential:
    """VGG-11 as a plain sequence, not in place, as zennit needs it; 512 neurons in its linear layers."""
    vgg = torchvision.models.vgg11(init_weights=False)
    linear = [nn.Linear(512 * 49, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 20)]
    layers = [nn.ReLU() if isinstance(layer, nn.ReLU) else layer for layer in vgg.features]
    return nn.Sequential(*layers, vgg.avgpool, nn.Flatten(), *linear).eval()


def measured(images: int, size: int) -> Iterator[dict]:
    model, pixels = network(), torch.rand(images, 3, size, size)
    neurons = torch.arange(NEURONS)

    def batched() -> Tensor:
        return excitation_backprop(model, pixels, neurons)

    def one_at_a_time() -> Tensor:
        rows = [[excitation_backprop(model, image[None], k[None])[0, 0] for k in neurons] for image in pixels]
        return torch.stack([torch.stack(row) for row in rows])

    def zennit() -> Tensor:
        return torch.stack([zennit_map(model, pixels, k) for k in range(NEURONS)], dim=1)

    seconds, (ours, *others) = in_turns(batched, one_at_a_time, zennit)
    moved = max(elsewhere(maps, ours) for maps in others)
    assert moved < 0.01, moved
    what = ("all at once", "image by image, neuron by neuron", "zennit, neuron by neuron")
    for name, found in zip(what, seconds, strict=True):
        yield row(f"{name}, {size} pixels", images * NEURONS, found, seconds[0], moved)


def elsewhere(maps: Tensor, others: Tensor) -> float:
    """Largest share of the mass of a map B×n×h×w that lies elsewhere in the other."""
    return (maps - others).abs().sum((2, 3)).max().item() / 2


def zennit_map(model: nn.Sequential, pixels: Tensor, neuron: int) -> Tensor:
    """Maps of one logit by zennit's rules without biases; its stabiliser is made as small as single precision bears."""
    below, layer = model[2:-1], model[-1]
    with torch.no_grad():
        first = model[:2](pixels)
        hidden = below(first)
        winners, losers = (hidden * (sign * layer.weight[neuron]).clamp(min=0) for sign in (1, -1))
        contrast = winners / winners.sum(1, keepdim=True) - losers / losers.sum(1, keepdim=True)
    first.requires_grad_()
    with ExcitationBackprop(stabilizer=1e-20, zero_params=["bias"]).context(below) as changed:
        (found,) = torch.autograd.grad(changed(first), first, contrast)
    maps = found.sum(1).clamp(min=0)
    return maps / maps.sum((1, 2), keepdim=True)


def in_turns(*functions: Callable[[], Tensor]) -> tuple[list[float], list[Tensor]]:
    """Median seconds of each function, called in turns, and what each gave."""
    measured: list[list[float]] = [[] for _ in functions]
    for _ in range(REPEATS):
        given = []
        for function, seconds in zip(functions, measured, strict=True):
            start = time.perf_counter()
            given.append(function())
            seconds.append(time.perf_counter() - start)
    return [statistics.median(seconds) for seconds in measured], given


def row(what: str, maps: int, seconds: float, reference: float, moved: float) -> dict:
    found = {
        "what": what,
        "maps": maps,
        "seconds": round(seconds, 3),
        "times_ours": round(seconds / reference, 2),
        "mass_elsewhere": float(f"{moved:.1e}"),
    }
    print(f"{what:45} {seconds:8.3f} s  ×{found['times_ours']}", flush=True)
    return found


if __name__ == "__main__":
    main()
