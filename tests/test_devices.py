"""Explainers, attacks and metrics give on a GPU what they give on a CPU, and trainings keep it busy."""

import json
from collections.abc import Callable

import pytest
import torch
from processes import CONTEXT, TIMEOUT, compute_on_own_gpu, started
from torch import Tensor, nn

from pipeline import registry
from pipeline.metrics import (
    attribute_fidelity,
    clustering,
    faithfulness,
    fidelity,
    filters,
    gates,
    localisation,
    locality,
    map_orthogonality,
    removal,
    similarity,
    sparsity,
)  # fmt: skip
from pipeline.models.resnet_cifar import build
from pipeline.settings import parse_slice
from pipeline.settings.networks import ResnetCifar
from pipeline.training.compute import Compute
from pipeline.training.data import Images
from pipeline.training.session import Session
from pipeline.training.streams import stream

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

SMALL = {
    "smooth_grad": {"draws": 2},
    "sparsified_smooth_grad": {"draws": 2},
    "sparse_moreau_grad": {"draws": 1, "steps": 3, "average": 2},
    "carlini_wagner": {"steps": 5, "searches": 2},
    "one_pixel": {"population": 10, "generations": 2},
    "local_search": {"rounds": 2},
    "pgd": {"random_start": True},
}
TARGETS = torch.tensor([0, 1, 2, 3])
IMAGES = torch.rand(4, 3, 16, 16, generator=stream(0, "images"))
MAPS, OTHERS = (torch.rand(4, 16, 16, generator=stream(0, name)) for name in ("maps", "others"))
PARTS = torch.tensor([[[3.0, 4.0], [10.0, 11.0]]] * 4)
CODES = torch.randint(4, (4, 6), generator=stream(0, "codes"))
BITS = torch.tensor([[0, 1], [1, 1], [0, 0], [1, 0]])

#: From tensors on some device to a result there.
METRICS: dict[str, tuple[Callable[..., Tensor], tuple[Tensor, ...]]] = {
    "gini": (sparsity.gini, (MAPS,)),
    "gini_group": (lambda maps: sparsity.gini_group(maps, 4), (IMAGES,)),
    "ssim": (similarity.ssim, (MAPS, OTHERS)),
    "display_map": (similarity.display_map, (IMAGES,)),
    "top_k_intersection": (lambda a, b: similarity.top_k_intersection(a, b, 0.4), (MAPS, OTHERS)),
    "top_k_overlap": (lambda a, b: similarity.top_k_overlap(a, b, 0.1), (MAPS, OTHERS)),
    "normalised_distance": (similarity.normalised_distance, (MAPS, OTHERS)),
    "rank_correlation": (similarity.rank_correlation, (MAPS, OTHERS)),
    "aopc": (
        lambda images, maps: fidelity.aopc(
            lambda x: x.mean((1, 2, 3)), images, maps, patch=4, steps=(2, 5), draws=2, generator=stream(0, "aopc")
        ),
        (IMAGES, MAPS),
    ),
    "top_pixels": (lambda maps: removal.top_pixels(maps, 0.3), (MAPS,)),
    "map_overlaps": (lambda maps, masks: localisation.map_overlaps(maps, masks, 0.3), (MAPS, OTHERS > 0.5)),
    "pointing_game": (localisation.pointing_game, (MAPS, OTHERS > 0.5)),
    "energy_inside": (localisation.energy_inside, (MAPS, OTHERS > 0.5)),
    "centre_distance": (localisation.centre_distance, (MAPS,)),
    "filter_thresholds": (lambda maps: localisation.filter_thresholds(maps, 0.3), (IMAGES,)),
    "filter_overlaps": (localisation.filter_overlaps, (IMAGES, OTHERS > 0.5, torch.tensor([0.5, 0.6, 0.7]))),
    "class_means": (lambda values, labels: localisation.class_means(values, labels, 4), (MAPS[:, 0], TARGETS)),
    "map_orthogonality": (lambda maps: torch.stack(map_orthogonality.map_orthogonality(maps)[:3]), (IMAGES,)),
    "pixel_probabilities": (locality.pixel_probabilities, (IMAGES, PARTS, torch.ones(4, 2, dtype=torch.bool))),
    "voronoi_probabilities": (
        locality.voronoi_probabilities,
        (IMAGES, PARTS, torch.ones(4, 2, dtype=torch.bool), torch.tensor([[1.0, 1.0, 12.0, 13.0]] * 4)),
    ),
    "object_probabilities": (
        lambda maps, objects: locality.object_probabilities(maps, objects, 3)[0],
        (IMAGES, (3.5 * MAPS).long()),
    ),
    "regression_error": (faithfulness.regression_error, (MAPS[:, 0, 0], OTHERS[:, 0, 0])),
    "decision_agreement": (lambda a, b: faithfulness.decision_agreement(a, b, 1), (MAPS[:, 0, 0], OTHERS[:, 0])),
    "gate_similarity": (gates.gate_similarity, (MAPS[:, 0], TARGETS, OTHERS[:, 1])),
    "filter_correlation": (filters.filter_correlation, (IMAGES,)),
    "attribute_fidelity": (lambda codes, bits: attribute_fidelity.best_features(codes, bits, 4)[0].f1, (CODES, BITS)),
    "purity": (clustering.purity, (TARGETS, CODES[:, 0])),
}


def small(noun: str, kind: str):
    return parse_slice(noun, json.dumps({"from": kind, **SMALL.get(kind, {})}))


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    settings = ResnetCifar(kind="resnet_cifar", blocks=1, channels=(4, 8, 8))
    return build(settings, channels=3, size=(8, 8), classes=5, mean=[0.5] * 3, std=[0.25] * 3).eval()


@pytest.mark.parametrize("kind", sorted(registry.TABLES["explainer"]))
def test_explainers(network, kind):
    explain, settings = registry.load("explainer", kind), small("explainer", kind)
    here = explain(network.cpu(), IMAGES, TARGETS, settings)
    there = explain(network.cuda(), IMAGES.cuda(), TARGETS.cuda(), settings)
    assert there.device.type == "cuda"
    assert torch.allclose(here, there.cpu(), rtol=1e-2, atol=1e-3 * here.abs().max().item())


@pytest.mark.parametrize("kind", sorted(registry.TABLES["attack"]))
def test_attacks(network, kind):
    attack, settings = registry.load("attack", kind), small("attack", kind)
    there = attack(network.cuda(), IMAGES.cuda(), TARGETS.cuda(), None, settings, stream(0, "attack"))
    here = attack(network.cpu(), IMAGES, TARGETS, None, settings, stream(0, "attack"))
    assert there.device.type == "cuda"
    # The sign of a gradient near zero, or the winner of a close race, may be another.
    assert (here - there.cpu()).abs().lt(1e-3).double().mean() > 0.95


@pytest.mark.parametrize("name", METRICS)
def test_metrics(name):
    function, tensors = METRICS[name]
    here, there = function(*tensors), function(*(tensor.cuda() for tensor in tensors))
    assert there.device.type == "cuda"
    assert torch.allclose(here.double(), there.cpu().double(), rtol=1e-4, atol=1e-6, equal_nan=True)


@pytest.mark.parametrize("method", ["std", "csg"])
def test_a_training_step_does_not_wait_for_the_device(method):
    """Batch, losses, step and projection are queued; only the end of an epoch reads what they came to."""
    pixels = torch.randint(0, 256, (64, 3, 16, 16), dtype=torch.uint8, generator=stream(0, "pixels"))
    augment = {"crop_padding": 2, "flip": True, "resized_crop": (0.5, 1.0)}
    notes = {"class_names": list("abcde"), "mean": [0.5] * 3, "std": [0.25] * 3, "augment": augment}
    images = Images(pixels.cuda(), (torch.arange(64) % 5).cuda(), list(map(str, range(64))), notes)
    block = {"from": method, "epochs": 6, "batch_size": 16, "network": {"from": "resnet_cifar", "blocks": 1}}
    settings = parse_slice("method", json.dumps(block | ({"density_bound": 0.2} if method == "csg" else {})))
    network = build(settings.network, channels=3, size=(8, 8), classes=5, mean=[0.5] * 3, std=[0.25] * 3)
    session = Session(network, images, Compute(torch.device("cuda"), "bf16"), seed=0)
    steps = session.batches

    def watched_steps():
        torch.cuda.set_sync_debug_mode("error")
        yield from steps()
        torch.cuda.set_sync_debug_mode("default")

    session.batches = watched_steps
    try:
        registry.load("method", method)(session, settings)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_every_job_has_a_gpu_of_its_own(tmp_path):
    """As many jobs as GPUs, all at once."""
    count = torch.cuda.device_count()
    together = CONTEXT.Barrier(count)
    jobs = [started(compute_on_own_gpu, tmp_path, together) for _ in range(count)]
    for job in jobs:
        job.join(TIMEOUT)
    assert [job.exitcode for job in jobs] == [0] * count
    assert [path.read_text() for path in tmp_path.glob("*.gpu")] == ["3.0"] * count
