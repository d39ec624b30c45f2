"""Grad-CAM of a training step: captum, the closed form, scores, batch norm, and which layers are meant."""

import json

import pytest
import torch
from captum.attr import LayerGradCam
from networks import NETWORKS, built
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.explainers.cam import cam
from pipeline.explainers.grad_cam import grad_cam, maps_of
from pipeline.focusing.cams import forward, last_cam, layers_of, score, training_cams
from pipeline.settings import parse_slice
from pipeline.training.compute import Compute
from pipeline.training.data import Images
from pipeline.training.session import Session

LABELS = torch.tensor([2, 0, 1, 2, 9, 4])
CONVNET = {"from": "convnet", "channels": [4, 5, 6, 7]}


def options(**changes):
    return parse_slice("method", json.dumps({"from": "reff", **changes}))


def session(block: dict = CONVNET, side: int = 12) -> Session:
    """In training mode, on images of noise; with running statistics that are not the first ones."""
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(256, (6, 3, side, side), generator=generator).to(torch.uint8)
    images = Images(pixels, LABELS, list("abcdef"), {"class_names": list("0123456789"), "augment": {}})
    run = Session(built(block, size=(side, side)), images, Compute(torch.device("cpu"), "fp32"), seed=0, name="tried")
    run.network.train()
    for _ in range(3):
        run.network(images.floats(slice(None)))
    return run


def slopes(run: Session, total: Tensor) -> list[Tensor]:
    """Gradients by all parameters, 0 for those that have none."""
    weights = list(run.network.parameters())
    return list(torch.autograd.grad(total, weights, retain_graph=True, allow_unused=True, materialize_grads=True))


# Maps.


@pytest.mark.parametrize("name", ["convnet", "resnet_cifar", "resnet18"])
def test_captum_agrees_on_maps_and_on_their_gradients(name):
    """In training mode as well, where batch norm mixes the images."""
    block, side = NETWORKS[name]
    run = session(block, side)
    images = run.images.floats(slice(None))
    layers = layers_of(run.network, "all", "tried")
    _, maps = training_cams(run, images, LABELS, options(), layers)
    for layer, ours in zip(layers, maps, strict=True):
        theirs = LayerGradCam(run.network, run.network.get_submodule(layer)).attribute(
            images, LABELS, relu_attributions=True, grad_kwargs={"create_graph": True}
        )[:, 0]
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-6)
        expected = slopes(run, theirs.square().sum())
        for found, other in zip(slopes(run, ours.square().sum()), expected, strict=True):
            assert torch.allclose(found, other, rtol=1e-3, atol=1e-5 * max(1.0, other.abs().max().item()))


@pytest.mark.parametrize("kind", ["raw", "centred"])
def test_the_closed_form_behind_the_last_maps_is_the_gradient(kind):
    run = session()
    images, (layer,) = run.images.floats(slice(None)), layers_of(run.network, "last", "tried")
    logits, activations = forward(run, images, [layer])
    (by_gradient,) = maps_of(score(logits, LABELS, kind).sum(), activations, create_graph=True)
    closed = last_cam(run.network, activations[layer], LABELS, kind)
    assert closed.max() > 0 and torch.allclose(closed, by_gradient, rtol=1e-5, atol=1e-7)
    pairs = zip(slopes(run, closed.square().sum()), slopes(run, by_gradient.square().sum()), strict=True)
    assert all(torch.allclose(ours, theirs, rtol=1e-4, atol=1e-7) for ours, theirs in pairs)
    _, (used,) = training_cams(run, images, LABELS, options(score=kind, layers="last"), [layer])
    assert torch.equal(used, closed)


def test_the_last_map_sums_to_the_logit_without_its_bias():
    run = session()
    images = run.images.floats(slice(None))
    run.network.eval()
    maps, head = run.network.maps(images), run.network.head
    sums = cam(maps, head.weight[LABELS]).mean((1, 2))
    logits = run.network(images).gather(1, LABELS[:, None])[:, 0]
    assert torch.allclose(sums, logits - head.bias[LABELS], rtol=1e-4, atol=1e-5)


def test_the_head_learns_from_the_maps_alone():
    """A graph that is missing through α leaves it without a gradient."""
    for layers in ("all", "last", ["block2"]):
        run = session()
        settings = options(layers=layers)
        _, maps = training_cams(
            run, run.images.floats(slice(None)), LABELS, settings, layers_of(run.network, settings.layers, "tried")
        )
        sum(of_layer.square().sum() for of_layer in maps).backward()
        assert run.network.head.weight.grad.abs().sum() > 0


def test_logits_are_those_of_the_network_and_hooks_are_gone():
    run = session()
    images = run.images.floats(slice(None))
    logits, _ = training_cams(run, images, LABELS, options(), layers_of(run.network, "all", "tried"))
    assert torch.equal(logits, run.network(images))
    assert not any(module._forward_hooks for module in run.network.modules())


# Scores.


def test_the_centred_score_does_not_see_what_all_logits_share():
    logits = torch.randn(6, 10, generator=torch.Generator().manual_seed(0)).double()
    shared = torch.linspace(-5, 5, 6).double()[:, None]
    before, after = (score(values, LABELS, "centred") for values in (logits, logits + shared))
    assert torch.allclose(before, after) and not torch.allclose(
        score(logits, LABELS, "raw"), score(logits + shared, LABELS, "raw")
    )
    for row, label in enumerate(LABELS.tolist()):
        mean = sum(logits[row].tolist()) / 10
        assert before[row].item() == pytest.approx(logits[row, label].item() - mean)
        assert score(logits, LABELS, "raw")[row] == logits[row, label]


def test_the_prediction_can_be_explained_in_place_of_the_label():
    run = session()
    images, layers = run.images.floats(slice(None)), layers_of(run.network, "all", "tried")
    predicted = run.network(images).argmax(1)
    assert (predicted != LABELS).any()
    _, found = training_cams(run, images, LABELS, options(cam_class="pred"), layers)
    _, expected = training_cams(run, images, predicted, options(), layers)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


# Batch norm.


@pytest.mark.parametrize("layers", ["all", "last"])
def test_with_running_statistics_maps_are_those_of_evaluation(layers):
    run = session()
    images = run.images.floats(slice(None))
    names = layers_of(run.network, layers, "tried")
    counted = [layer for layer in run.network.modules() if isinstance(layer, nn.BatchNorm2d)]
    before = [int(layer.num_batches_tracked) for layer in counted]
    logits, maps = training_cams(run, images, LABELS, options(layers=layers, cam_bn_eval=True), names)
    assert [int(layer.num_batches_tracked) for layer in counted] == [number + 1 for number in before]
    assert all(module.training for module in run.network.modules())
    assert torch.equal(logits, run.network(images))
    twin = session()
    twin.network(images)  # the statistics of the step above
    for ours, theirs in zip(maps, grad_cam(twin.network.eval(), images, LABELS, names), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-6)


# Layers.


def test_layers_are_the_ends_of_stages():
    network = built(CONVNET)
    assert layers_of(network, "all", "tried") == ["backbone.5", "backbone.8", "backbone.11"]
    assert layers_of(network, "last", "tried") == ["backbone.11"]
    assert layers_of(network, ("block3", "block1"), "tried") == ["backbone.8", "backbone.2"]
    assert layers_of(built({"from": "resnet"}), "all", "tried") == [f"backbone.layer{number}" for number in range(1, 5)]


@pytest.mark.parametrize("stage", ["block5", "head"])
def test_a_stage_without_maps_is_named(stage):
    with pytest.raises(
        UserError, match=rf"^methods\.tried\.layers: no stage '{stage}' with maps; there are block1, .*"
    ):
        layers_of(built(CONVNET), ("block1", stage), "tried")
