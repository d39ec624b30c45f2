"""One-cycle learning rates beside torch's, within a session and across epochs; AdamW."""

import pytest
import torch
from gated import curve, options, session
from torch.optim.lr_scheduler import OneCycleLR

from pipeline.methods import csg, std
from pipeline.settings.methods import Std
from pipeline.settings.training import AdamW, OneCycle
from pipeline.training.schedule import learning_rate, optimiser_of


@pytest.mark.parametrize(("epochs", "steps"), [(18, 20), (1, 7), (5, 1), (1, 3)])
@pytest.mark.parametrize("schedule", [OneCycle(), OneCycle(rise=0.5, start_divisor=10.0, end_divisor=100.0)])
def test_one_cycle_is_that_of_torch(schedule, epochs, steps):
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = OneCycleLR(
        optimiser, 0.004, total_steps=epochs * steps, pct_start=schedule.rise, div_factor=schedule.start_divisor,
        final_div_factor=schedule.end_divisor, cycle_momentum=False,
    )  # fmt: skip
    for epoch in range(epochs):
        for step in range(steps):
            expected = optimiser.param_groups[0]["lr"]
            assert learning_rate(schedule, 0.004, epoch, epochs, step, steps) == pytest.approx(expected, rel=1e-9)
            optimiser.step()
            if epoch * steps + step < epochs * steps - 1:
                theirs.step()


def test_every_step_of_a_session_has_its_own_rate():
    plain = {"from": "sgd", "learning_rate": 0.1, "momentum": 0.0, "weight_decay": 0.0}
    settings = Std(kind="std", epochs=2, batch_size=16, optimiser=plain, schedule={"from": "one_cycle"})
    run, rates = session(), []
    weight = run.network.head.weight
    for epoch in run.epochs(settings, optimiser_of([{"params": run.network.parameters()}], settings.optimiser)):
        for _, labels in run.batches():
            before = weight.detach().clone()
            run.step(weight.sum(), torch.zeros(16, 10), labels)
            rates.append((before - weight).mean().item())
        run.record()
        assert curve(run, "learning_rate")[epoch] == pytest.approx(rates[-1], abs=1e-6)
    expected = [learning_rate(settings.schedule, 0.1, number // 4, 2, number % 4, 4) for number in range(8)]
    assert rates == pytest.approx(expected, abs=1e-6) and max(expected) > 0.09


def test_adamw_is_torchs():
    optimiser = optimiser_of([{"params": [torch.zeros(1, requires_grad=True)]}], AdamW(weight_decay=0.3))
    assert type(optimiser) is torch.optim.AdamW
    assert (optimiser.defaults["lr"], optimiser.defaults["weight_decay"]) == (1e-3, 0.3)
    settings = {"from": "adamw", "learning_rate": 1e-3}
    one, other = session(), session()
    std.fit(one, Std(kind="std", epochs=1, batch_size=16, optimiser=settings))
    csg.fit(other, options(epochs=1, warmup=1, optimiser=settings))
    assert curve(one, "loss") == curve(other, "loss")
