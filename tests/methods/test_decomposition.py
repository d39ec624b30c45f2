"""NMF and PCA of images against optimality conditions and the singular value decomposition."""

import json

import pytest
import torch
from swept import CPU, curve
from torch import Tensor

from pipeline.errors import UserError
from pipeline.methods.decomposition import chosen, fit
from pipeline.metrics.decomposition import coefficients, reconstruction_error
from pipeline.models.no_network import build
from pipeline.settings import parse_slice
from pipeline.settings.splitting import Decomposition
from pipeline.training.data import Images
from pipeline.training.resume import Resume
from pipeline.training.session import Session
from pipeline.training.streams import stream


def options(algorithm: str, **changes) -> Decomposition:
    return parse_slice("method", json.dumps({"from": "decomposition", "algorithm": algorithm, "rank": 3} | changes))


def session(seed: int = 0, resume: Resume | None = None) -> Session:
    """A run on 40 colour images of 2×3 pixels: mixtures of three patterns, and noise."""
    patterns = torch.rand(3, 18, generator=stream(0, "patterns")) ** 4
    mixed = torch.rand(40, 3, generator=stream(0, "mixed")) @ patterns * 80
    noise = torch.rand(40, 18, generator=stream(0, "noise")) * 5
    pixels = (mixed + noise).to(torch.uint8).view(40, 3, 2, 3)
    images = Images(pixels, torch.arange(40) % 2, list(map(str, range(40))), {"class_names": ["a", "b"]})
    network = build(None, channels=3, size=(2, 3), classes=2, mean=[0.5] * 3, std=[0.25] * 3)
    return Session(network, images, CPU, seed, "tried", resume)


def rows_of(run: Session) -> Tensor:
    return run.images.pixels.flatten(1) / 255


def test_pca_is_the_singular_value_decomposition_of_centred_images():
    run = session()
    found, rows = fit(run, options("pca")), rows_of(run).double()
    assert torch.allclose(found["mean"].double(), rows.mean(0), atol=1e-6)
    _, values, directions = torch.linalg.svd(rows - rows.mean(0), full_matrices=False)
    assert torch.allclose((found["bases"].double() @ directions[:3].T).abs(), torch.eye(3).double(), atol=1e-4)
    explained = (values[:3].square().sum() / values.square().sum()).item()
    assert curve(run, "explained_variance") == [pytest.approx(explained)]


def test_nmf_has_bases_of_length_1_that_no_small_change_improves():
    run = session()
    found, rows = fit(run, options("nmf", sweeps=2000)), rows_of(run)
    bases = found["bases"]
    assert set(found) == {"bases"} and (bases >= 0).all() and torch.allclose(bases.norm(dim=1), torch.ones(3))
    assert 1 < curve(run, "sweeps")[0] <= 2000
    # Karush, Kuhn and Tucker: the slope of 1/2 |X − W H|² in H is ≥ 0, and 0 where H > 0.
    w = coefficients(rows, bases)
    slope = w.T @ (w @ bases - rows)
    scale = (w.T @ rows).max()
    assert slope.min() > -0.02 * scale and slope[bases > 1e-3].abs().max() < 0.02 * scale


def test_pca_loses_less_than_nmf_of_the_images_themselves():
    rows, lost = rows_of(session()), {}
    for algorithm in ("nmf", "pca"):
        found = fit(session(), options(algorithm, sweeps=2000))
        bases, mean = found["bases"], found.get("mean")
        lost[algorithm] = reconstruction_error(rows, coefficients(rows, bases, mean), bases, mean)
    assert 0 < lost["pca"] < lost["nmf"] < 0.3


def test_a_seed_draws_the_images():
    rows = rows_of(session())
    drawn = {seed: chosen(session(seed), options("pca", images=10)) for seed in (0, 1)}
    assert all(len(found) == 10 and (found[:, None] == rows).all(2).any(1).all() for found in drawn.values())
    assert torch.equal(drawn[0], chosen(session(0), options("nmf", images=10)))
    assert not torch.equal(drawn[0], drawn[1])
    everything = chosen(session(1), options("pca"))
    assert torch.allclose(everything.sum(0), rows.sum(0))


@pytest.mark.parametrize("algorithm", ["nmf", "pca"])
def test_a_run_killed_after_its_only_epoch_goes_on_with_what_it_found(tmp_path, algorithm):
    settings = options(algorithm, sweeps=2000)
    whole = fit(session(), settings)
    with Resume(tmp_path / "state", "key", 0) as resume:
        fit(session(resume=resume), settings)
    with Resume(tmp_path / "state", "key", 0) as resume:
        again = fit(session(resume=resume), settings)
    assert whole.keys() == again.keys() and all(torch.equal(whole[name], again[name]) for name in whole)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"images": 41}, r"methods\.tried\.images: 41 is more than the 40 training images; lower it"),
        ({"rank": 19}, r"methods\.tried\.rank: 19 is more than the 18 bases that 40 images of 18 pixels can have"),
        ({"images": 4, "rank": 5}, r"methods\.tried\.rank: 5 is more than the 4 bases that 4 images of 18 pixels"),
    ],
)
def test_more_than_there_is_cannot_be_had(changes, problem):
    with pytest.raises(UserError, match=problem):
        fit(session(), options("nmf", **changes))


@pytest.mark.parametrize(
    "wrong", [{"algorithm": "ica"}, {"rank": 1}, {"epochs": 2}, {"watch_test": True}, {"base": "std"}, {"images": 0}]
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        options(**{"algorithm": "nmf", **wrong})
