"""ReFF: the penalty beside loops and finite differences, masks of 1 and 0, and training with and without it."""

import pytest
import torch
from masked import Interrupted, fitted, options, same, session
from pydantic import ValidationError
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.explainers.grad_cam import maps_of
from pipeline.focusing.cams import layers_of, score, training_cams
from pipeline.methods import std
from pipeline.methods.reff import fit, penalty
from pipeline.settings.focusing import Reff

NORMS = ["squared_l2", "l2", "l1"]


def curve(run, metric: str) -> list[float]:
    return [row["value"] for row in run.history().to_pylist() if row["metric"] == metric]


# The penalty.


@pytest.mark.parametrize("norm", NORMS)
def test_the_penalty_is_the_loop(norm):
    generator = torch.Generator().manual_seed(0)
    maps = [torch.rand(3, side, side, generator=generator).double() for side in (4, 2)]
    masks = torch.rand(3, 1, 8, 8, generator=generator).double()
    total = 0.0
    for of_layer in maps:
        side = of_layer.shape[1]
        below = 8 // side
        for image in range(3):
            outside = []
            for u in range(side):
                for v in range(side):
                    cell = masks[image, 0, below * u : below * (u + 1), below * v : below * (v + 1)].max().item()
                    outside.append(side * side * (1 - cell) * of_layer[image, u, v].item())
            square = sum(value**2 for value in outside) / len(outside)
            total += {"squared_l2": square, "l2": square**0.5, "l1": sum(outside) / len(outside)}[norm] / 3
    assert penalty(maps, masks, norm).item() == pytest.approx(total)


@pytest.mark.parametrize("norm", NORMS)
def test_where_all_is_relevant_there_is_neither_penalty_nor_gradient(norm):
    settings = options("reff")
    run = session(settings)
    layers = layers_of(run.network, "all", "tried")
    _, maps = training_cams(run, run.images.floats(slice(None)), run.images.labels, settings, layers)
    found = penalty(maps, torch.ones(32, 1, 12, 12), norm)
    found.backward()
    assert found == 0 and max(of_layer.max() for of_layer in maps) > 0
    assert all((weight.grad == 0).all() for weight in run.network.parameters() if weight.grad is not None)


def test_where_nothing_is_relevant_it_is_the_norm_of_the_map():
    maps = torch.rand(2, 3, 3, generator=torch.Generator().manual_seed(0))
    found = penalty([maps], torch.zeros(2, 1, 6, 6), "squared_l2")
    assert found.item() == pytest.approx(sum(9 * (one**2).sum().item() for one in maps) / 2)


class Smooth(nn.Module):
    """Two convolutions in double precision, without kinks but the last ReLU of the maps."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.lower = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Softplus())
        self.upper = nn.Sequential(nn.Conv2d(3, 4, 2), nn.BatchNorm2d(4), nn.Softplus())
        self.head = nn.Linear(4, 3)
        self.double()

    def forward(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        lower = self.lower(images)
        upper = self.upper(lower)
        return self.head(upper.square().mean((2, 3))), {"lower": lower, "upper": upper}


@pytest.mark.parametrize("norm", ["squared_l2", "l2"])
@pytest.mark.parametrize("kind", ["raw", "centred"])
def test_its_gradient_is_that_of_finite_differences(kind, norm):
    network, labels = Smooth(), torch.tensor([1, 2, 0])
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(3, 2, 6, 6, dtype=torch.double, generator=generator)
    masks = (torch.rand(3, 1, 6, 6, generator=generator) > 0.9).double()

    def total() -> Tensor:
        logits, activations = network(images)
        maps = maps_of(score(logits, labels, kind).sum(), activations, create_graph=True)
        return penalty(maps, masks, norm)

    total().backward()
    learnt = [weight for weight in network.parameters() if weight is not network.head.bias]
    assert network.head.bias.grad is None  # no map depends on it
    step, largest = 1e-6, max(weight.grad.abs().max().item() for weight in learnt)
    for weight in learnt:
        flat = weight.detach().view(-1)
        for place in range(0, len(flat), max(1, len(flat) // 4)):
            before = flat[place].item()
            values = []
            for moved in (before + step, before - step):
                flat[place] = moved
                values.append(total().item())
            flat[place] = before
            slope = (values[0] - values[1]) / (2 * step)
            assert weight.grad.view(-1)[place].item() == pytest.approx(slope, rel=1e-4, abs=1e-5 * largest)
    assert network.head.weight.grad.abs().sum() > 0


# Training.


@pytest.mark.parametrize("changes", [{"layers": "all"}, {"layers": "last"}, {"cam_bn_eval": True}])
def test_without_weight_it_is_standard_training_bit_for_bit(changes):
    """The penalty neither draws nor changes statistics."""
    ours, plain = fitted(options("reff", weight=0.0, **changes)), session(options("std"))
    std.fit(plain, options("std"))
    assert same(ours, plain) and curve(ours, "loss") == curve(plain, "loss")
    assert curve(ours, "penalty")[0] > 0


def test_where_all_is_relevant_it_is_standard_training_bit_for_bit():
    ours, plain = fitted(options("reff", weight=10.0), fill=255), session(options("std"))
    std.fit(plain, options("std"))
    assert same(ours, plain) and curve(ours, "penalty") == [0, 0]


@pytest.mark.parametrize("layers", ["all", "last"])
def test_a_step_is_that_on_the_loss(layers):
    plainest = {"from": "sgd", "learning_rate": 0.1, "momentum": 0.0, "weight_decay": 0.0}
    settings = options("reff", weight=0.7, layers=layers, epochs=1, batch_size=32, optimiser=plainest)
    run, twin = fitted(settings), session(settings)
    twin.network.train()
    for _ in twin.epochs(settings, torch.optim.SGD(twin.network.parameters(), 0.1)):
        ((images, labels, masks),) = twin.masked_batches("given")
    names = layers_of(twin.network, layers, "tried")
    logits, maps = training_cams(twin, images, labels, settings, names)
    outside = penalty(maps, masks, "squared_l2")
    loss = nn.functional.cross_entropy(logits, labels) + 0.7 * outside
    loss.backward()
    for found, weight in zip(run.network.parameters(), twin.network.parameters(), strict=True):
        assert torch.allclose(found, weight - 0.1 * weight.grad, rtol=0, atol=1e-6)
    assert curve(run, "loss") == pytest.approx([loss.item()], rel=1e-5)
    assert curve(run, "penalty") == pytest.approx([outside.item()], rel=1e-5)


@pytest.mark.parametrize("score", ["raw", "centred"])
def test_training_lowers_the_penalty(score):
    common = {"score": score, "epochs": 8, "optimiser": {"from": "adamw", "learning_rate": 4e-3}}
    free, bound = (curve(fitted(options("reff", weight=weight, **common)), "penalty") for weight in (0.0, 3.0))
    assert bound[-1] < 0.5 * free[-1]


def test_shuffled_masks_are_another_training():
    given, shuffled = (fitted(options("reff", weight=3.0, masks=masks)) for masks in ("given", "shuffled"))
    assert not same(given, shuffled)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_training_that_was_killed_ends_in_the_same_bytes(tmp_path, steps):
    settings = options("reff", schedule={"from": "one_cycle"}, optimiser={"from": "adamw"})
    whole = fitted(settings)
    with pytest.raises(KeyboardInterrupt):
        fit(session(settings, resume=Interrupted(tmp_path, steps)), settings)
    gone_on = fitted(settings, resume=Interrupted(tmp_path, -1))
    assert same(whole, gone_on) and whole.history().equals(gone_on.history())


# Bad settings.


@pytest.mark.parametrize("kind", ["reff", "map_error", "gain", "rrr", "backgrounds"])
def test_at_test_time_the_network_is_the_baselines(kind):
    """The weights fit into a network that was trained plainly, which then answers the same (reff.md section 10, A7)."""
    ours, plain = fitted(options(kind)).network.eval(), session(options("std")).network.eval()
    plain.load_state_dict(ours.state_dict())
    images = torch.rand(4, 3, 12, 12, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(ours(images), plain(images))
    assert sum(weight.numel() for weight in ours.parameters()) == sum(weight.numel() for weight in plain.parameters())


def test_a_stage_that_the_network_lacks_is_named():
    settings = options("reff", layers=["layer4"])
    with pytest.raises(
        UserError, match=r"methods\.tried\.layers: no stage 'layer4' with maps; there are block1, block2"
    ):
        fit(session(settings), settings)


def test_a_network_without_maps_is_named():
    settings = options("reff", network={"from": "mlp"})
    with pytest.raises(UserError, match="gives no maps but a tensor of 2 dimensions"):
        fit(session(settings), settings)


def test_shuffling_needs_another_image():
    with pytest.raises(ValidationError, match="masks: shuffled needs another image in a batch; raise batch_size"):
        Reff(kind="reff", masks="shuffled", batch_size=1)
