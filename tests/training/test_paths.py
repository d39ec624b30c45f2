"""Paths of a training: which stages learn, by which optimiser, at which rate, and what batch norm counts."""

import pytest
import torch
from gated import CPU, curve, equal, options, session

from pipeline.errors import UserError
from pipeline.methods import csg, std
from pipeline.methods.csg import is_csg_epoch
from pipeline.settings.methods import Csg, Std
from pipeline.training.resume import Resume
from pipeline.training.session import Session

ADAM = {"from": "adam", "learning_rate": 1e-3}


def stages(run: Session) -> dict[str, dict[str, torch.Tensor]]:
    return {
        name: {key: value.clone() for key, value in module.state_dict().items()}
        for name, module in run.network.stages().items()
    }


def changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor], ending: str) -> bool:
    return any(not torch.equal(before[key], after[key]) for key in before if key.endswith(ending))


@pytest.mark.parametrize("freeze", [False, True])
@pytest.mark.parametrize("optimiser", [ADAM, {"from": "sgd", "weight_decay": 0.1}])
def test_only_the_named_stages_learn(freeze, optimiser):
    run = session()
    before = stages(run)
    settings = {"trainable": ["stage3", "head"], "freeze_batch_norm": freeze, "optimiser": optimiser}
    std.fit(run, Std(kind="std", network={"from": "resnet_cifar"}, epochs=1, batch_size=16, **settings))
    after = stages(run)
    for name in before:
        learnt = name in ("stage3", "head")
        assert changed(before[name], after[name], "weight") == learnt, name
        if name != "head":
            # By default batch norm counts in stages that do not learn, too.
            assert changed(before[name], after[name], "running_mean") == (learnt or not freeze), name


def test_a_stage_that_the_network_lacks_is_named():
    problem = r"^methods\.tried\.trainable: no stage 'layer4' in the network; it has stem, stage1, .*, head$"
    with pytest.raises(UserError, match=problem):
        csg.fit(session(), options(trainable=["layer4"]))


def two_paths(**changes) -> Csg:
    """As for VOC: each path with its optimiser, schedule and stages."""
    own = {"optimiser": ADAM, "trainable": ["stage3", "head"], "schedule": {"from": "steps", "milestones": [0.2]}}
    common = {"optimiser": ADAM | {"learning_rate": 1e-4}, "schedule": {"from": "steps", "milestones": [0.4]}}
    return options(**{"epochs": 10, "batch_size": 32, "csg_path": own} | common | changes)


def test_each_path_counts_its_own_epochs():
    run, settings = session(), two_paths(warmup=2, csg_min=1)
    csg.fit(run, settings)
    gated = [is_csg_epoch(epoch, settings) for epoch in range(10)]
    assert [bool(value) for value in curve(run, "csg_path")] == gated and 4 <= sum(gated) < 10
    seen, expected = {True: 0, False: 0}, []
    for path in gated:
        expected.append(1e-3 * (0.1 if seen[True] >= 2 else 1) if path else 1e-4 * (0.1 if seen[False] >= 4 else 1))
        seen[path] += 1
    assert curve(run, "learning_rate") == pytest.approx(expected)


def test_the_csg_path_trains_its_own_stages_and_the_gates():
    run = session()
    before = stages(run)
    gates = csg.fit(run, two_paths(csg_min=0, epochs=1))["gates"]
    learnt = [name for name, state in stages(run).items() if changed(before[name], state, "weight")]
    assert learnt == ["stage3", "head"]
    assert not torch.equal(gates, torch.full_like(gates, 0.5))
    run = session()
    gates = csg.fit(run, two_paths(epochs=1))["gates"]
    assert all(changed(before[name], state, "weight") for name, state in stages(run).items())
    assert torch.equal(gates, torch.full_like(gates, 0.5))


def test_one_path_for_both_is_what_a_path_like_it_would_do():
    """SGD without momentum and with one rate: two optimisers then do what one does."""
    plain = {"optimiser": {"from": "sgd", "momentum": 0, "weight_decay": 0.01}}
    plain["schedule"] = {"from": "steps", "milestones": []}
    together, apart = session(), session()
    csg.fit(together, options(**plain))
    csg.fit(apart, options(**plain, csg_path=plain))
    assert equal(together.network.state_dict(), apart.network.state_dict())


@pytest.mark.parametrize("stop", [3, 5])
def test_two_optimisers_go_on_where_they_were_killed(tmp_path, stop):
    class Killed(Exception):
        pass

    class Dying(Session):
        def step(self, *arguments) -> None:
            super().step(*arguments)
            self.made = getattr(self, "made", 0) + 1
            if self.made == stop:
                raise Killed

    undisturbed = session()
    expected = csg.fit(undisturbed, two_paths(epochs=4)) | undisturbed.network.state_dict()
    with Resume(tmp_path, "state", seconds=0) as resume:
        run = session(resume=resume)
        run.__class__ = Dying
        with pytest.raises(Killed):
            csg.fit(run, two_paths(epochs=4))
    with Resume(tmp_path, "state", seconds=0) as resume:
        run = session(seed=0, resume=resume)
        assert resume.load(CPU.device) is not None
        assert equal(csg.fit(run, two_paths(epochs=4)) | run.network.state_dict(), expected)


@pytest.mark.parametrize(("rate", "short"), [(1e-3, True), (0.5, False)])
def test_adam_has_time_by_its_rate(rate, short):
    run = session()
    csg.fit(run, two_paths(csg_path={"optimiser": {"from": "adam", "learning_rate": rate}}))
    assert len(run.notices) == short
    if short:
        # Epochs 2 and 5 only: of the path's own four milestones none lies before its third epoch.
        assert "learning rate · 6 CSG steps at full rate" in run.notices[0]
