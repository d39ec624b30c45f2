"""Networks in blocks: whole again when put together, and linear ones the same with autograd and without."""

import pytest
import torch
from networks import NETWORKS, built
from torch import nn

from pipeline.errors import UserError
from pipeline.splitting.blocks import Blocks, cut
from pipeline.splitting.linear_blocks import LinearBlocks, split

MLP = {"from": "mlp", "hidden": [6, 6, 6, 6], "normalise": True}
SIDES = {name: (side, side) for name, (_, side) in NETWORKS.items()} | {"mlp": (4, 5)}
BLOCKS = {name: block for name, (block, _) in NETWORKS.items() if name != "resnet50"} | {"mlp": MLP}
CUTS = {
    "mlp": [None, ("layer2",), ("layer1", "layer4")],
    "resnet_cifar": [None, ("stem", "stage2"), ("stage3",)],
    "resnet18": [None, ("layer2",), ("layer4",)],
    "convnet": [None, ("block1", "block3"), ("block4",)],
    "abn": [None, ("stage2",), ("attention",)],
    "alexnet_cifar": [None, ("conv2",), ("conv5",)],
    "inception_resnet_v1": [("mixed_6a",)],
}


def images(name: str, count: int = 3) -> torch.Tensor:
    return torch.rand(count, 3, *SIDES[name], generator=torch.Generator().manual_seed(0))


@torch.no_grad()
@pytest.mark.parametrize(("name", "cuts"), [(name, cuts) for name in BLOCKS for cuts in CUTS[name]])
def test_blocks_together_are_the_network(name, cuts):
    network, x = built(BLOCKS[name]).eval(), images(name)
    modules = cut(network, cuts, "tried")
    assert len(modules) == (len(network.stages()) if cuts is None else len(cuts) + 1)
    assert torch.equal(nn.Sequential(*modules).eval()(x), network(x))
    inside = [id(weight) for module in modules for weight in module.parameters()]
    assert inside == [id(weight) for weight in network.parameters()]


@torch.no_grad()
def test_blocks_end_with_the_stages_that_are_named():
    network, x = built(BLOCKS["resnet_cifar"]).eval(), images("resnet_cifar")
    first, second, _ = cut(network, ("stage1", "stage3"), "tried")
    maps = (x - network.mean) / network.std
    for stage in ("stem", "stage1"):
        maps = network.stages()[stage](maps)
    assert torch.equal(first(x), maps)
    assert torch.equal(second(maps), network.features(x))


@pytest.mark.parametrize(
    ("cuts", "problem"),
    [
        (("stage9",), r"^methods\.tried\.cuts: unknown stage 'stage9'; did you mean 'stage\d'\?$"),
        (("head",), r"^methods\.tried\.cuts: nothing comes behind 'head'; name some of stem, stage1, stage2, stage3$"),
    ],
)
def test_cuts_that_cannot_be_are_named(cuts, problem):
    with pytest.raises(UserError, match=problem):
        cut(built(BLOCKS["resnet_cifar"]), cuts, "tried")


def linear_and_general(normalise: bool) -> tuple[LinearBlocks, Blocks]:
    """The same weights twice."""
    modules, again = (cut(built(MLP | {"normalise": normalise}), None, "tried") for _ in range(2))
    return LinearBlocks(modules, images("mlp", 1), *split(modules)), Blocks(again, images("mlp", 1), 100)


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("given", [False, True])
def test_linear_blocks_are_those_of_autograd(normalise, given):
    linear, general = linear_and_general(normalise)
    x, generator = images("mlp", 7), torch.Generator().manual_seed(1)
    assert linear.width == general.width == 4 * 6 + 10 and linear.columns == general.columns
    values = torch.randn(7, linear.width, generator=generator) if given else None
    signals = torch.randn(7, linear.width, generator=generator)
    found, expected = linear.outputs(x, values), general.outputs(x, values)
    assert torch.allclose(found, expected, rtol=0, atol=1e-6)
    for t in range(1, 5):
        along = signals[:, linear.columns[t]]
        assert torch.allclose(linear.pull(t, along), general.pull(t, along), rtol=0, atol=1e-6)
        inputs = linear.parts(found)[t - 1]
        assert torch.allclose(linear.output(t, inputs), general.output(t, inputs), rtol=0, atol=1e-6)
    general.outputs(x, values)
    linear.set_gradients(signals, 0.7)
    general.set_gradients(signals, 0.7)
    weights = [weight.grad.flatten() for weight in general.parameters()]
    in_order = torch.cat([*weights[0::2], *weights[1::2]])
    assert torch.allclose(linear.parameters()[0].grad, in_order, rtol=0, atol=1e-6)


@pytest.mark.parametrize("again", [False, True])
def test_first_block_is_not_passed_again(again):
    linear, _ = linear_and_general(False)
    x = images("mlp", 7)
    first = linear.outputs(x, None).clone()
    other = torch.randn(7, linear.width)
    fresh = linear.outputs(x, other).clone()
    linear.outputs(x, first)
    assert torch.equal(linear.outputs(x, other, again=again), fresh)


def test_weights_of_the_network_are_those_that_are_stepped():
    network = built(MLP)
    modules = cut(network, None, "tried")
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    (vector,) = LinearBlocks(modules, images("mlp", 1), *split(modules)).parameters()
    assert all(torch.equal(weight, before[name]) for name, weight in network.state_dict().items())
    with torch.no_grad():
        vector += 1
    for name, weight in network.named_parameters():
        assert torch.equal(weight, before[name] + 1), name


@pytest.mark.parametrize(
    ("name", "cuts"), [("mlp", ("layer2",)), ("resnet_cifar", None), ("alexnet_cifar", ("conv5",))]
)
def test_other_blocks_are_not_taken_for_linear_ones(name, cuts):
    modules = cut(built(BLOCKS[name]), cuts, "tried")
    assert split(modules) is None
    with pytest.raises(UserError, match=r"^zeta: auto needs blocks of one linear layer each"):
        Blocks(modules, images(name, 1), 10).spectral_norms()


@pytest.mark.parametrize("count", [1, 6, 7, 50])
def test_chunks_are_every_row_once_in_bounded_parts(count):
    linear, general = linear_and_general(False)
    linear.chunk = general.chunk = 6
    for blocks in (linear, general):
        parts = [list(range(count))[rows] for rows in blocks.chunks(count)]
        assert sorted(row for part in parts for row in part) == list(range(count))
        assert all(0 < len(part) <= 6 for part in parts)
    assert [list(range(7))[rows] for rows in general.chunks(7)] == [[0, 2, 4, 6], [1, 3, 5]]


def test_running_statistics_go_on_when_they_are_to_be_counted_alone():
    network = built(BLOCKS["resnet_cifar"]).train()
    blocks = Blocks(cut(network, ("stage1",), "tried"), images("resnet_cifar", 1), 10)
    x = images("resnet_cifar", 5)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    values = blocks.outputs(x, None)
    blocks.outputs(x, values)
    blocks.output(1, blocks.parts(values)[0])
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    blocks.outputs(x, values, count=True)
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {name for name in before if "running" in name or "num_batches" in name}


def test_outputs_use_the_statistics_of_the_batch_whether_counted_or_not():
    network = built(BLOCKS["resnet_cifar"]).train()
    blocks = Blocks(cut(network, ("stage1",), "tried"), images("resnet_cifar", 1), 10)
    x = images("resnet_cifar", 5)
    assert torch.equal(blocks.outputs(x, None), blocks.outputs(x, None, count=True))
    expected = network.train()(x)
    assert torch.allclose(blocks.parts(blocks.outputs(x, None))[-1], expected, rtol=0, atol=1e-5)
