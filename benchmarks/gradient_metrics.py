"""How fast gradient maps are computed and measured in batches, beside one image at a time and beside other libraries.

    OMP_NUM_THREADS=1 python benchmarks/gradient_metrics.py --output benchmarks/recorded/gradient_metrics.json

IMAGES of 32 × 32 pixels and a small residual network with random weights. Peers are scikit-image for SSIM and Quantus
for the Gini index and AOPC, which need not be installed: then the script says so and leaves them out. All ways to one
number run in turns and must agree; AOPC takes the same noise everywhere. The record holds the median of REPEATS.
"""

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from skimage.metrics import structural_similarity
from torch import Tensor, nn

from pipeline.evaluations.fidelity import confidence
from pipeline.explainers.input_gradient import explain
from pipeline.machine import PACKAGES, machine, versions
from pipeline.metrics.fidelity import aopc
from pipeline.metrics.similarity import display_map, ssim, top_k_intersection
from pipeline.metrics.sparsity import gini
from pipeline.models.resnet_cifar import build
from pipeline.settings.explainers import InputGradient
from pipeline.settings.networks import ResnetCifar

try:
    import quantus
except ImportError:
    quantus = None

REPEATS = 3
IMAGES = 200
PATCH = 4
STEPS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="where to record the numbers as JSON")
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", module="quantus")
    if quantus is None:
        print("quantus is not installed: its rows are left out", flush=True)
    network, images = material()
    maps, numbers = gradients(network, images)
    changed = gradients_of(network, (images + 0.02 * torch.rand_like(images)).clamp(0, 1))
    for measured in (
        ginis(maps),
        intersections(maps, changed),
        similarities(maps, changed),
        areas(network, images, maps),
    ):
        numbers += measured
    found = versions((*PACKAGES, "torchmetrics", "scikit-image", "quantus"))
    record = {"machine": machine(), "versions": found, "images": IMAGES, "repeats": REPEATS, "numbers": numbers}
    if args.output:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text(json.dumps(record, indent=1) + "\n")


def material() -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    settings = ResnetCifar(kind="resnet_cifar", blocks=1, channels=(8, 16, 32))
    network = build(settings, channels=3, size=(32, 32), classes=10, mean=[0.5] * 3, std=[0.25] * 3)
    images = torch.rand(IMAGES, 3, 32, 32)
    with torch.no_grad():
        network.train()(images)
    return network.eval(), images


def gradients_of(network: nn.Module, images: Tensor) -> Tensor:
    """Sums of magnitudes of the gradients of each image's class, IMAGES×32×32."""
    targets = torch.arange(len(images)) % 10
    return explain(network, images, targets, InputGradient(kind="input_gradient")).detach()


def gradients(network: nn.Module, images: Tensor) -> tuple[Tensor, list[dict]]:
    targets = torch.arange(len(images)) % 10
    settings = InputGradient(kind="input_gradient")

    def one_at_a_time() -> Tensor:
        return torch.cat([explain(network, images[i, None], targets[i, None], settings) for i in range(IMAGES)])

    maps = gradients_of(network, images)
    ways = {"one image at a time": one_at_a_time, "in a batch": lambda: gradients_of(network, images)}
    return maps, list(compared("input gradient", ways, tolerance=1e-5))


def ginis(maps: Tensor) -> Iterator[dict]:
    ways = {"one image at a time": alone(gini, maps), "in a batch": lambda: gini(maps)}
    if quantus is not None:
        sparseness = quantus.Sparseness(normalise=False, disable_warnings=True)
        inputs = dict(model=None, x_batch=maps[:, None].numpy(), y_batch=np.zeros(IMAGES, int))
        # Quantus adds 1e-7 to its maps in place.
        ways["quantus"] = lambda: torch.tensor(np.array(sparseness(**inputs, a_batch=maps[:, None].numpy().copy())))
    yield from compared("Gini index", ways, tolerance=1e-4)


def intersections(maps: Tensor, changed: Tensor) -> Iterator[dict]:
    measure = partial(top_k_intersection, share=0.4)
    ways = {"one image at a time": alone(measure, maps, changed), "in a batch": lambda: measure(maps, changed)}
    yield from compared("top-k intersection", ways, tolerance=1e-9)


def similarities(maps: Tensor, changed: Tensor) -> Iterator[dict]:
    first, second = display_map(maps[:, None]), display_map(changed[:, None])
    options = dict(data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)

    def peer() -> Tensor:
        pairs = zip(first.numpy(), second.numpy(), strict=True)
        return torch.tensor([structural_similarity(one, other, **options) for one, other in pairs])

    ways = {"one image at a time": alone(ssim, first, second), "in a batch": lambda: ssim(first, second)}
    # scikit-image leaves out the five pixels at the border.
    yield from compared("SSIM", ways | {"scikit-image": peer}, tolerance=0.1)


def areas(network: nn.Module, images: Tensor, maps: Tensor) -> Iterator[dict]:
    """AOPC after STEPS regions of PATCH × PATCH pixels, one draw."""

    def measured(rows: slice) -> Tensor:
        score, generator = confidence(network, images[rows]), torch.Generator().manual_seed(0)
        options = dict(patch=PATCH, steps=(STEPS,), draws=1, generator=generator)
        return aopc(score, images[rows], maps[rows], **options)[0]

    ways = {
        "one image at a time": lambda: torch.cat([measured(slice(i, i + 1)) for i in range(IMAGES)]),
        "in a batch": lambda: measured(slice(None)),
    }
    if quantus is not None:
        ways["quantus"] = partial(region_perturbation, network, images, maps)
    yield from compared("AOPC", ways, tolerance=1e-4)


def region_perturbation(network: nn.Module, images: Tensor, maps: Tensor) -> Tensor:
    """AOPC from Quantus: its drops start with the first region, the area with the whole image."""
    generator = torch.Generator().manual_seed(0)
    torch.randperm((32 // PATCH) ** 2, generator=generator)  # the order of equal regions, of which there are none
    noise = torch.rand(1, 3, 32, 32, generator=generator).numpy().ravel()

    def overwrite(arr: np.ndarray, indices: np.ndarray, **_: object) -> np.ndarray:
        changed = arr.copy()
        np.put_along_axis(changed, indices, noise[indices], axis=1)
        return changed

    metric = quantus.RegionPerturbation(
        patch_size=PATCH,
        regions_evaluation=STEPS,
        normalise=False,
        perturb_func=overwrite,
        disable_warnings=True,
    )
    with torch.no_grad():
        classes = network(images).argmax(1).numpy()
    drops = metric(
        model=network,
        x_batch=images.numpy(),
        y_batch=classes,
        a_batch=maps[:, None].numpy().copy(),
        softmax=True,
        device="cpu",
        batch_size=IMAGES,
    )
    return torch.tensor(np.array(drops)).sum(1) / (STEPS + 1)


def alone(measure: Callable[..., Tensor], *maps: Tensor) -> Callable[[], Tensor]:
    """The measure of one item after another."""
    return lambda: torch.cat([measure(*(values[row, None] for values in maps)) for row in range(IMAGES)])


def compared(what: str, ways: dict[str, Callable[[], Tensor]], tolerance: float) -> Iterator[dict]:
    """A row for each way to the same numbers, called in turns; a first call of each is for the answers."""
    reference, *others = [way().double() for way in ways.values()]
    for name, answer in zip(list(ways)[1:], others, strict=True):
        distance = (answer - reference).abs().max().item()
        assert distance <= tolerance, f"{what}, {name}: differs by {distance}"
    measured: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(REPEATS):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            measured[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(seconds) for name, seconds in measured.items()}
    for name, seconds in medians.items():
        found = {
            "what": f"{what}, {name}",
            "seconds": round(seconds, 4),
            "images_per_second": round(IMAGES / seconds, 1),
            "batch_is_faster_by": round(seconds / medians["in a batch"], 2),
        }
        print(
            f"{found['what']:40} {found['images_per_second']:12,.1f} images/s  ×{found['batch_is_faster_by']}",
            flush=True,
        )
        yield found


if __name__ == "__main__":
    main()
