"""CSG: every formula of csg.md section 2 in its slow, literal form, and what a training must keep (section 11)."""

from copy import deepcopy

import pytest
import torch
from gated import CLASSES, CPU, FILTERS, NETWORK, curve, equal, options, session
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from torch import Tensor

from pipeline.errors import UserError
from pipeline.evaluations.subject import Subject
from pipeline.methods import csg, std
from pipeline.methods.csg import is_csg_epoch, l1_density, penalty, project_
from pipeline.registry import load
from pipeline.settings import parse_slice
from pipeline.settings.methods import Csg, Std
from pipeline.training.session import Session
from pipeline.training.streams import stream

PROJECTIONS = ("normalise", "euclid")
MATRICES = arrays(
    "float64", array_shapes(min_dims=2, max_dims=2, max_side=5), elements=st.floats(-2, 2, allow_subnormal=False)
).map(torch.from_numpy)


# Projection (section 2.4).


@pytest.mark.parametrize("projection", PROJECTIONS)
@given(gates=MATRICES)
def test_projection_ends_in_the_allowed_set_and_stays_there(projection, gates):
    once = project_(gates.clone(), projection)
    assert once.min() >= 0 and once.max() <= 1
    assert torch.equal(once.amax(0), torch.ones(gates.shape[1], dtype=once.dtype))
    assert l1_density(once) >= 1 / len(gates) - 1e-12
    assert torch.equal(project_(once.clone(), projection), once)


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_columns_without_a_positive_gate_are_repaired_at_their_largest_entry(projection):
    gates = torch.tensor([[0.0, -0.3, 1e-9, 0.5], [0.0, -0.1, -1.0, 0.0]])
    expected = torch.tensor([[1.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 0.0]])
    assert torch.equal(project_(gates, projection), expected)


def nearest(column: Tensor) -> Tensor:
    """Nearest point of {g ∈ [0,1]^C : max g = 1}: of all ways to put a 1 somewhere, the one that moves least."""
    found = []
    for place in range(len(column)):
        point = torch.tensor([min(max(value, 0.0), 1.0) for value in column.tolist()], dtype=column.dtype)
        point[place] = 1.0
        found.append(point)
    return min(found, key=lambda point: float(((point - column) ** 2).sum()))


@given(gates=MATRICES)
def test_euclid_is_the_nearest_point(gates):
    ours = project_(gates.clone(), "euclid")
    for column, projected in zip(gates.T, ours.T, strict=True):
        # Ties have several nearest points; all of them are as far away.
        assert (projected - column).norm() == pytest.approx((nearest(column) - column).norm().item(), abs=1e-12)


@given(gates=MATRICES)
def test_normalise_divides_by_the_column_maximum(gates):
    ours = project_(gates.clone(), "normalise")
    for column, projected in zip(gates.T, ours.T, strict=True):
        if column.max() > 1e-8:
            expected = torch.tensor([max(0.0, value / column.max().item()) for value in column.tolist()])
            assert torch.allclose(projected.float(), expected)


# Gradients (section 2.3, invariant 3).


def test_gradient_of_the_gates_is_the_written_formula():
    generator = torch.Generator().manual_seed(3)
    features = torch.rand(8, FILTERS, generator=generator, dtype=torch.float64)
    weight = torch.randn(CLASSES, FILTERS, generator=generator, dtype=torch.float64)
    bias = torch.randn(CLASSES, generator=generator, dtype=torch.float64)
    labels = torch.tensor([0, 1, 1, 4, 4, 4, 9, 0])
    gates = torch.rand(CLASSES, FILTERS, generator=generator, dtype=torch.float64).requires_grad_()
    loss = torch.nn.functional.cross_entropy((features * gates[labels]) @ weight.T + bias, labels)
    (gradient,) = torch.autograd.grad(loss, gates)

    expected = torch.zeros(CLASSES, FILTERS, dtype=torch.float64)
    for i, c in enumerate(labels.tolist()):
        gated = torch.softmax(weight @ (features[i] * gates[c].detach()) + bias, dim=0)
        for k in range(FILTERS):
            for j in range(CLASSES):
                expected[c, k] += features[i, k] * weight[j, k] * (gated[j] - float(j == c)) / len(labels)
    assert torch.allclose(gradient, expected, rtol=1e-12, atol=1e-14)
    absent = [c for c in range(CLASSES) if c not in labels]
    assert gradient[absent].count_nonzero() == 0 and gradient[labels.unique()].count_nonzero() > 0


def l1_gradient(gates: Tensor, bound: float, outer: str = "identity") -> Tensor:
    gates = gates.clone().requires_grad_()
    penalty(gates, bound, outer).backward()
    return gates.grad


def test_l1_part_is_zero_below_the_bound_and_the_sign_above():
    gates = torch.tensor([[0.5, -0.25], [0.0, 1.0]], dtype=torch.float64)
    assert torch.equal(l1_gradient(gates, 1.74), gates.sign())
    assert l1_gradient(gates, 1.76).count_nonzero() == 0


def test_l1_part_is_zero_at_the_bound():
    """Where converged gates are: one gate a column and g = K."""
    assert l1_gradient(torch.eye(4), 4.0).count_nonzero() == 0


@pytest.mark.parametrize(
    ("outer", "value", "slope"),
    [
        ("identity", lambda d: d, lambda d: 1),
        ("square", lambda d: d * d, lambda d: 2 * d),
        ("smooth_l1", lambda d: d * d / 2 if d < 1 else d - 0.5, lambda d: min(d, 1)),
    ],
)
@pytest.mark.parametrize("excess", [-0.5, 0.25, 3.0])
def test_outer_functions_of_the_penalty(outer, value, slope, excess):
    gates = torch.tensor([[0.5, -2.5], [1.0, 0.0]], dtype=torch.float64)
    bound = 4.0 - excess
    assert penalty(gates, bound, outer).item() == pytest.approx(value(excess) if excess > 0 else 0)
    expected = gates.sign() * slope(excess) if excess > 0 else torch.zeros(2, 2)
    assert torch.allclose(l1_gradient(gates, bound, outer), expected.double())


def test_unknown_penalty_is_refused():
    with pytest.raises(ValueError, match="unknown penalty 'cubic'"):
        penalty(torch.ones(2, 2), 1.0, "cubic")


# Schedule (section 2.2, invariant 11).


@pytest.mark.parametrize(
    ("epochs", "warmup", "csg_min", "count", "last_is_std"),
    [(200, 0, 2, 66, True), (150, 10, 1, 94, False), (150, 10, 2, 47, False)],
)
def test_schedule_has_the_papers_number_of_csg_epochs(epochs, warmup, csg_min, count, last_is_std):
    settings = options(epochs=epochs, warmup=warmup, period=3, csg_min=csg_min)
    gated = [is_csg_epoch(epoch, settings) for epoch in range(epochs)]
    assert sum(gated) == count
    assert gated[-1] is not last_is_std
    assert not any(gated[:warmup])


@given(st.integers(0, 300), st.integers(0, 20), st.integers(1, 6), st.integers(0, 5))
def test_schedule_counts_cycles_from_the_first_epoch(epoch, warmup, period, csg_min):
    csg_min %= period
    cycle = ([False] * csg_min + [True] * (period - csg_min)) * 400
    expected = cycle[epoch] if epoch >= warmup else False
    assert is_csg_epoch(epoch, options(warmup=warmup, period=period, csg_min=csg_min)) is expected


# Whole trainings.


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_fit_keeps_the_gates_in_the_allowed_set_and_thins_them(projection):
    run = session()
    settings = options(epochs=9, projection=projection, lambda2=0.2, schedule={"from": "steps", "milestones": ()})
    gates = csg.fit(run, settings)["gates"]
    assert gates.shape == (CLASSES, FILTERS)
    assert gates.min() >= 0 and torch.equal(gates.amax(0), torch.ones(FILTERS))
    assert curve(run, "csg_path") == [0, 0, 1] * 3
    density = curve(run, "density")
    assert density[0] == density[1] == pytest.approx(0.5)
    assert all(1 / CLASSES - 1e-6 <= value <= 1 for value in density)
    assert density[2] > density[5] > density[8] == pytest.approx(gates.mean().item())
    assert density[8] < 0.9


def test_std_epochs_leave_the_gates_bit_identical():
    always = {"schedule": {"from": "steps", "milestones": ()}}
    after_gated, later = session(), session()
    gates = csg.fit(after_gated, options(epochs=3, **always))["gates"]
    assert not torch.equal(gates, torch.full_like(gates, 0.5))
    assert torch.equal(csg.fit(later, options(epochs=5, **always))["gates"], gates)
    assert not equal(later.network.state_dict(), after_gated.network.state_dict())


def test_gates_of_one_make_both_paths_equal():
    ordinary, gated = session(), session()
    one_step = {"epochs": 1, "batch_size": 64}
    std.fit(ordinary, Std(kind="std", network=NETWORK, **one_step))
    csg.fit(gated, options(csg_min=0, gate_init=1.0, **one_step))
    assert curve(gated, "csg_path") == [1]
    assert equal(gated.network.state_dict(), ordinary.network.state_dict())


def test_gates_below_one_do_not():
    ordinary, gated = session(), session()
    csg.fit(ordinary, options(epochs=1, batch_size=64, csg_min=0, gate_init=1.0))
    csg.fit(gated, options(epochs=1, batch_size=64, csg_min=0, gate_init=0.5))
    assert not equal(gated.network.state_dict(), ordinary.network.state_dict())


def test_evaluation_does_not_depend_on_the_gates():
    run, settings = session(), options()
    gates = csg.fit(run, settings)["gates"]
    weights = {f"network.{name}": tensor for name, tensor in run.network.state_dict().items()}
    shape = {"channels": 1, "mean": [0.5], "std": [0.25]}
    header = {
        "method": "csg",
        "seed": 0,
        "settings": settings.slice(),
        "input": {**shape, "height": 8, "width": 8},
        "class_names": run.images.notes["class_names"],
    }
    rows = []
    for replaced in (gates, torch.rand(gates.shape)):
        subject = Subject("m", weights | {"gates": replaced}, header, CPU.device, {"test": run.images}, {})
        for name in ("accuracy", "mutual_information"):
            rows.append(load("evaluation", name)(subject, parse_slice("evaluation", f'{{"from": "{name}"}}')))
        rows.append(subject.logits("test").tolist())
    assert rows[:3] == rows[3:]


def literal_csg_epoch(run: Session, settings: Csg) -> tuple[dict[str, Tensor], Tensor]:
    """Weights and gates after one CSG epoch, written out: gathered rows, losses, SGD with momentum, projection."""
    network = deepcopy(run.network).train()
    gates = torch.full((CLASSES, FILTERS), settings.gate_init, requires_grad=True)
    variables = [*network.parameters(), gates]
    velocity = [torch.zeros_like(variable) for variable in variables]
    decay = [settings.optimiser.weight_decay] * (len(variables) - 1) + [0.0]
    order = torch.randperm(len(run.images), generator=stream(run.seed, "shuffle", 0))
    for rows in order.split(settings.batch_size):
        y = run.images.labels[rows]
        a = network.maps(run.images.pixels[rows] / 255).mean((2, 3))
        z = (a * gates[y]) @ network.head.weight.T + network.head.bias
        loss = settings.lambda1 * (z.logsumexp(1) - z[range(len(y)), y]).mean()
        loss = loss + settings.lambda2 * max(gates.abs().sum() - settings.density_bound * gates.numel(), 0)
        for i, gradient in enumerate(torch.autograd.grad(loss, variables)):
            velocity[i] = settings.optimiser.momentum * velocity[i] + gradient + decay[i] * variables[i].detach()
            variables[i].data -= settings.optimiser.learning_rate * velocity[i]
        if settings.projection == "normalise":
            gates.data /= gates.data.amax(0)
        for k, c in enumerate(gates.argmax(0)):
            gates.data[:, k] = gates.data[:, k].clamp(0, 1)
            gates.data[c, k] = 1
    return network.state_dict(), gates.detach()


@pytest.mark.parametrize("batch_size", [64, 32])
@pytest.mark.parametrize("projection", PROJECTIONS)
def test_steps_of_fit_are_the_literal_steps(projection, batch_size):
    settings = options(
        epochs=1,
        csg_min=0,
        batch_size=batch_size,
        projection=projection,
        lambda1=0.7,
        optimiser={"from": "sgd", "weight_decay": 0.05, "learning_rate": 0.1},
    )
    run = session()
    run.images.notes["augment"] = {}
    weights, gates = literal_csg_epoch(run, settings)
    ours = csg.fit(run, settings)["gates"]
    assert torch.allclose(ours, gates, rtol=0, atol=1e-6)
    for name, tensor in run.network.state_dict().items():
        assert torch.allclose(tensor, weights[name], rtol=0, atol=1e-6), name


# Settings that cannot work, and settings that cannot work well.


def with_filters(filters: int, **changes) -> Csg:
    return options(network={"from": "resnet_cifar", "blocks": 1, "channels": (4, 4, filters)}, epochs=1, **changes)


def test_more_classes_than_filters_need_shared_filters():
    with pytest.raises(UserError, match=r"methods\.tried\.network: 10 classes .* 8 filters .*share_filters: true"):
        csg.fit(session(filters=8), with_filters(8))
    assert csg.fit(session(filters=8), with_filters(8, share_filters=True))["gates"].shape == (10, 8)
    assert csg.fit(session(filters=10), with_filters(10))["gates"].shape == (10, 10)


@pytest.mark.parametrize(("classes", "below", "least"), [(10, 0.09, "0.1"), (5, 0.199, "0.2"), (3, 0.33, "0.3333")])
def test_bound_below_the_least_density_is_refused(classes, below, least):
    run = session(classes=classes)
    before = deepcopy(run.network.state_dict())
    problem = rf"density_bound: {below} is below 1/{classes}, .* raise it to {least} or more"
    with pytest.raises(UserError, match=problem):
        csg.fit(run, options(density_bound=below))
    assert equal(run.network.state_dict(), before)
    csg.fit(run, options(density_bound=1 / classes, epochs=1))


@pytest.mark.parametrize(("epochs", "lambda2", "notice"), [(6, 0.25, True), (6, 0.5, False), (12, 0.25, False)])
def test_notice_of_a_run_too_short_for_sparse_gates(epochs, lambda2, notice):
    """Half of the epochs have the full rate, one in three of them n is gated; gates fall by 10 · 0.1 · λ2 · 4n."""
    run = session()
    csg.fit(run, options(epochs=epochs, lambda2=lambda2))
    assert bool(run.notices) is notice
    if notice:
        assert "fall by 1 only" in run.notices[0] and "4 CSG steps at full rate" in run.notices[0]
