"""DeepFacto: its cycle against the literal form, the warm start, resumed runs, and that it learns."""

import json
from copy import deepcopy
from itertools import pairwise

import pytest
import torch
from literal_blocks import CONVOLUTIONAL, COUNT, CPU, curve, equal, session, state_of, stop_in
from literal_facto import EMBEDDING, RANK, SIDE, LiteralFacto, images_of, options, started
from pydantic import ValidationError
from torch.nn.functional import linear, normalize

from pipeline.errors import UserError
from pipeline.methods import deepfacto, std
from pipeline.models.resnet_cifar import build
from pipeline.settings import parse_slice
from pipeline.settings.methods import Std
from pipeline.settings.networks import Mlp, ResnetCifar
from pipeline.settings.splitting import DeepFacto
from pipeline.splitting.nmf import maps_of, rows_of, scores, sweep_factors_
from pipeline.training.data import Images
from pipeline.training.resume import Resume
from pipeline.training.session import Session
from pipeline.training.streams import seeded, stream
from pipeline.training.triplets import identity_batches, triplet_losses

# The whole cycle.


@pytest.mark.parametrize("changes", [{}, {"beta": 2.0, "gamma": 0.5, "zeta": 0.1, "score_steps": 2}])
def test_cycles_are_the_literal_ones(changes):
    run = started(**changes)
    literal = LiteralFacto(run)
    for epoch in run.session.epochs(run.settings, run.optimiser, run.embedding_optimiser):
        run.session.network.eval()
        found = run.cycle(epoch)
        assert found["objective"] * COUNT == pytest.approx(literal.cycle(epoch), rel=1e-4)
    for name in ("z1", "u1", "v"):
        expected = rows_of(getattr(literal, name)).view(COUNT, -1)
        assert torch.allclose(run.kept[name], expected, rtol=0, atol=1e-4), name
    for name, expected in (("s", literal.s.flatten(1)), ("z2", literal.z2), ("u2", literal.u2)):
        assert torch.allclose(run.kept[name], expected, rtol=0, atol=1e-4), name
    assert torch.allclose(run.factors, literal.m, rtol=0, atol=1e-5)
    assert torch.allclose(run.embedding.weight, literal.embedding.weight, rtol=0, atol=1e-4)
    for name, weight in run.session.network.state_dict().items():
        assert torch.allclose(weight, literal.network.state_dict()[name], rtol=0, atol=1e-4), name


def test_steps_of_weights_lower_their_own_terms():
    """Plain short steps on all images; each term's own weights alone decide about it."""
    rate = {"from": "sgd", "learning_rate": 1e-4, "momentum": 0.0, "weight_decay": 0.0}
    run = started(optimiser=rate, embedding_optimiser=rate, batch_size=COUNT)
    for values in run.kept.values():
        values.add_(0.1 * torch.randn(values.shape, generator=stream(0, "moved")))
    terms = []
    for _ in range(10):
        literal = LiteralFacto(run)
        literal.u1, literal.v = (maps_of(run.kept[name].view(-1, 3), SIDE, SIDE) for name in ("u1", "v"))
        literal.u2 = run.kept["u2"]
        terms.append([term.item() for term in literal.terms()])
        run._step_weights(torch.arange(COUNT))
    for earlier, later in pairwise(terms):
        assert later[0] < earlier[0] and later[1] == earlier[1] and later[2] < earlier[2]


def test_a_column_without_scores_is_drawn_from_the_worst_fitted_position():
    run = started()
    by_position, targets = run.kept["s"].view(-1, RANK), (run.kept["z1"] + run.kept["v"]).view(-1, 3)
    by_position[:, 1] = 0
    gram, expected = by_position.T @ by_position, run.factors.clone()
    assert sweep_factors_(expected, targets.T @ by_position, gram).tolist() == [False, True]
    gaps = (targets - by_position @ expected.T).clamp_min(0)
    expected[:, 1] = gaps[gaps.norm(dim=1).argmax()]
    run._step_factors(targets.T @ by_position, gram, torch.arange(COUNT).split(9))
    assert torch.allclose(run.factors, normalize(expected, dim=0), rtol=0, atol=1e-6)
    assert (by_position[:, 1] == 0).all() and (by_position[:, 0] > 0).any()


# The warm start.


def test_variables_start_at_the_factorisation_of_the_networks_maps():
    run, untouched = started(), session(CONVOLUTIONAL)
    maps = untouched.network.eval().maps(images_of(run)).detach()
    kept = run.kept
    assert torch.allclose(maps_of(kept["z1"].view(-1, 3), SIDE, SIDE), maps, rtol=0, atol=1e-6)
    assert torch.allclose(kept["s"].view(-1, RANK), scores(rows_of(maps), run.factors), rtol=0, atol=1e-5)
    assert torch.allclose(kept["z2"], run.embedding(kept["s"]), rtol=0, atol=1e-6)
    assert kept["z2"].norm(dim=1).mean().item() == pytest.approx(1, rel=1e-5)
    assert (
        (kept["s"] >= 0).all() and (run.factors >= 0).all() and not any(kept[name].any() for name in ("u1", "v", "u2"))
    )
    assert torch.allclose(run.factors.norm(dim=0), torch.ones(RANK))
    assert equal(run.session.network.state_dict(), untouched.network.state_dict())


def test_factors_are_fitted_to_as_many_positions_as_the_settings_say():
    whole, few = started(), started(warm_positions=20)
    assert not torch.allclose(whole.factors, few.factors, rtol=0, atol=1e-3)
    for run in (whole, few):
        expected = scores(run.kept["z1"].view(-1, 3), run.factors)
        assert torch.allclose(run.kept["s"].view(-1, RANK), expected, rtol=0, atol=1e-5)


def test_linear_layer_learns_in_the_warm_start():
    losses = []
    for epochs in (0, 30):
        run = started(warm_epochs=epochs, embedding_optimiser={"from": "adam", "learning_rate": 0.01})
        losses.append(triplet_losses(run.kept["z2"], run.labels, 0.2).mean().item())
    assert losses[1] < 0.8 * losses[0]


# What is kept, recorded and left alone.


def test_what_is_left_fits_the_network_whose_head_is_as_it_was():
    run, before = session(CONVOLUTIONAL), session(CONVOLUTIONAL).network.state_dict()
    found = deepfacto.fit(run, options(optimiser={"from": "adam", "learning_rate": 0.01}))
    assert {name: tuple(values.shape) for name, values in found.items()} == {
        "factors": (3, RANK),
        "embedding.weight": (EMBEDDING, SIDE * SIDE * RANK),
        "embedding.bias": (EMBEDDING,),
    }
    after = run.network.state_dict()
    for name, weight in after.items():
        same = torch.equal(weight, before[name])
        assert same == (
            name.startswith("head.") or "running" in name or "num_batches" in name or name in ("mean", "std")
        )


def test_stages_that_are_not_trained_stay():
    run, before = session(CONVOLUTIONAL), session(CONVOLUTIONAL).network.state_dict()
    deepfacto.fit(run, options(trainable=("stage3",)))
    after = run.network.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in after if not name.startswith("backbone.5"))
    assert not torch.equal(after["backbone.5.conv1.weight"], before["backbone.5.conv1.weight"])
    frozen = session(CONVOLUTIONAL)
    found = deepfacto.fit(frozen, options(trainable=("head",)))
    assert equal(frozen.network.state_dict(), before) and found["factors"].isfinite().all()


def test_records_are_those_of_what_is_kept(tmp_path):
    with Resume(tmp_path, "state", seconds=0) as resume:
        run = session(CONVOLUTIONAL, resume=resume)
        deepfacto.fit(run, options())
        kept = state_of(resume)
    maps = rows_of(run.network.eval().maps(run.images.floats(slice(None))).detach()).view(COUNT, -1)
    products = (kept["s"].view(-1, RANK) @ kept["factors"].T).view(COUNT, -1)
    outputs = kept["s"] @ kept["weight"].T + kept["bias"]
    for name, variable, given, dual in (
        ("1", "z1", maps, "u1"),
        ("nmf", "z1", products, "v"),
        ("2", "z2", outputs, "u2"),
    ):
        relative = (kept[variable] - given).norm() / kept[variable].norm()
        assert curve(run, f"residual_{name}")[-1] == pytest.approx(relative.item(), rel=1e-4)
        assert curve(run, f"dual_{name}")[-1] == pytest.approx(kept[dual].abs().mean().item(), rel=1e-4)
    lost = (maps - products).norm() / maps.norm()
    assert curve(run, "reconstruction")[-1] == pytest.approx(lost.item(), rel=1e-4)
    batches = identity_batches(run.images.labels, 3, 4, stream(0, "shuffle", "classes", 2))
    loss = sum(triplet_losses(outputs[rows], run.images.labels[rows], 0.2).sum() for rows in batches) / COUNT
    assert curve(run, "loss")[-1] == pytest.approx(loss.item(), rel=1e-4)
    assert len(curve(run, "objective")) == 3


@pytest.mark.parametrize(
    ("storage", "where"), [("float32", (0, 1)), ("float32", (2, 2)), ("bfloat16", (2, 0)), ("disk", (1, 3))]
)
def test_run_goes_on_where_it_was_killed(tmp_path, storage, where):
    settings = options(epochs=4, storage=storage)
    with Resume(tmp_path, "whole", seconds=0) as resume:
        whole = session(CONVOLUTIONAL, resume=resume)
        left = deepfacto.fit(whole, settings)
        kept = state_of(resume)
    with Resume(tmp_path, "killed", seconds=0) as resume:
        killed = session(CONVOLUTIONAL, resume=resume)
        stop_in(killed, *where)
        with pytest.raises(KeyboardInterrupt):
            deepfacto.fit(killed, settings)
        again = session(CONVOLUTIONAL, resume=resume)
        assert equal(deepfacto.fit(again, settings), left)
        assert equal(state_of(resume), kept)
    assert equal(again.network.state_dict(), whole.network.state_dict())
    assert again.history() == whole.history()


def test_storage_changes_at_most_the_rounding(tmp_path):
    """A file holds what memory does, to the bit. bfloat16 has 8 bits: variables and weights are off by less than 3 % of
    their size after three cycles with steps so short that nearly the same negatives are chosen."""
    found = {}
    for storage in ("float32", "bfloat16", "disk"):
        with Resume(tmp_path, storage, seconds=0) as resume:
            deepfacto.fit(session(CONVOLUTIONAL, resume=resume), options(storage=storage, zeta=0.01))
            found[storage] = state_of(resume)
    assert equal(found["disk"], found["float32"])
    assert {found["bfloat16"][name].dtype for name in ("z1", "u1", "v", "s", "z2", "u2")} == {torch.bfloat16}
    for name in ("z1", "s", "factors", "weight", "z2"):
        exact = found["float32"][name]
        assert 0 < (found["bfloat16"][name] - exact).norm() / exact.norm() < 0.03, name


def test_same_seed_gives_the_same_bytes_and_another_seed_others():
    runs = [session(CONVOLUTIONAL, seed=seed) for seed in (0, 0, 1)]
    first, again, other = (deepfacto.fit(run, options()) for run in runs)
    assert equal(first, again) and not equal(first, other)
    assert runs[0].history() == runs[1].history() != runs[2].history()


# It learns.


def patches(count: int, name: str) -> Images:
    """Noisy 12×12 images of six classes, each with two of four bright patches."""
    labels = torch.arange(count) % 6
    pixels = torch.randint(0, 130, (count, 1, 12, 12), dtype=torch.uint8, generator=stream(0, "patches", name))
    for image, label in zip(pixels, labels.tolist(), strict=True):
        for place in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)][label]:
            top, left = 6 * (place // 2) + 1, 6 * (place % 2) + 1
            image[:, top : top + 4, left : left + 4] += 80
    notes = {"class_names": list("abcdef"), "mean": [0.4], "std": [0.25], "augment": {}}
    return Images(pixels, labels, [str(row) for row in range(count)], notes)


def test_cycles_lower_triplet_loss_and_reconstruction_error_of_held_out_images():
    """Of what is used at test time: the projection of the network's maps on M, and the linear layer behind."""
    network, held_out = ResnetCifar(blocks=1, channels=(4, 8, 12)), patches(96, "test")
    with seeded(0, "init"):
        built = build(network, channels=1, size=(12, 12), classes=6, mean=[0.4], std=[0.25])
    base, course = Session(built, patches(96, "train"), CPU, 0, "tried"), {"network": network, "batch_size": 16}
    std.fit(base, Std(kind="std", epochs=3, optimiser={"from": "sgd", "learning_rate": 0.05}, **course))
    course |= {"rank": 6, "embedding": 16, "batch_size": 8}
    rates = {"optimiser": {"from": "adam", "learning_rate": 1e-3}}
    rates["embedding_optimiser"] = {"from": "adam", "learning_rate": 1e-2}
    losses, errors = [], []
    for epochs in (1, 20):
        run = Session(deepcopy(base.network), base.images, CPU, 0, "tried")
        found = deepfacto.fit(run, DeepFacto(kind="deepfacto", epochs=epochs, **course, **rates))
        with torch.no_grad():
            rows = rows_of(run.network.eval().maps(held_out.floats(slice(None))))
            projected = scores(rows, found["factors"])
            features = projected.view(len(held_out), -1)
            embedded = linear(features, found["embedding.weight"], found["embedding.bias"])
        errors.append((rows - projected @ found["factors"].T).norm() / rows.norm())
        losses.append(triplet_losses(embedded, held_out.labels, 0.2).mean())
    assert losses[1] < 0.9 * losses[0] and errors[1] < 0.5 * errors[0]


# Settings.


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"rank": 0}, "rank"),
        ({"embedding": 0}, "embedding"),
        ({"margin": 0.0}, "greater than 0"),
        ({"identities": 1}, "identities"),
        ({"images_each": 1}, "images_each"),
        ({"beta": 0.0}, "beta"),
        ({"gamma": -1.0}, "gamma"),
        ({"zeta": 0.0}, "zeta"),
        ({"score_steps": 0}, "score_steps"),
        ({"warm_positions": 0}, "warm_positions"),
        ({"warm_epochs": -1}, "warm_epochs"),
        ({"storage": "float16"}, "storage"),
    ],
)
def test_settings_without_sense_are_refused(changes, problem):
    with pytest.raises(ValidationError, match=problem):
        options(**changes)


def test_what_cannot_be_factorised_is_named():
    with pytest.raises(UserError, match="the network mlp has no maps"):
        deepfacto.fit(session(Mlp(hidden=(4,))), options(network=Mlp(hidden=(4,))))
    with pytest.raises(UserError, match=r"training\.batch_size: 51 is more than the 50"):
        deepfacto.fit(session(CONVOLUTIONAL), options(batch_size=51))
    with pytest.raises(UserError, match=r"^methods\.tried\.trainable: no stage 'stage9'"):
        deepfacto.fit(session(CONVOLUTIONAL), options(trainable=("stage9",)))
    alone = session(CONVOLUTIONAL)
    alone.images.labels = torch.arange(COUNT).clamp_min(10)
    alone.images.labels[:20] = 10
    with pytest.raises(UserError, match=r"^methods\.tried: a triplet loss needs two classes with two images each"):
        deepfacto.fit(alone, options())


def test_rates_at_which_cycles_diverge_are_named():
    rate = {"from": "sgd", "learning_rate": 1e6}
    with pytest.raises(
        UserError, match=r"^methods\.tried: the cycles diverge; lower optimiser\.learning_rate or zeta$"
    ):
        deepfacto.fit(session(CONVOLUTIONAL), options(optimiser=rate, epochs=20))


def test_slice_reads_back():
    settings = options(trainable=("stage3",), storage="disk")
    assert parse_slice("method", json.dumps(settings.slice())) == settings
