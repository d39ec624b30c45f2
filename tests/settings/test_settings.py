"""params.yaml and its overlays: what they may say, and what is said when they are wrong."""

import json
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import pytest
import yaml

from pipeline import settings
from pipeline.errors import UserError
from pipeline.settings.networks import AlexnetCifar, Resnet
from pipeline.settings.splitting import Admm, BlockAdmm
from pipeline.settings.training import Adam
from pipeline.workflow import Plan

ROOT = Path(__file__).resolve().parents[2]
FILES = [ROOT / "params.yaml", *sorted((ROOT / "scales").glob("*.yaml"))]


def with_changes(changes: str) -> settings.Settings:
    base = yaml.safe_load((ROOT / "params.yaml").read_text())
    return settings.validate(settings.overlay(base, yaml.safe_load(changes)))


@pytest.mark.parametrize("overlay", FILES[1:], ids=lambda path: path.stem)
def test_every_scale_is_valid_and_has_its_own_folder(overlay):
    assert settings.load(FILES[0], overlay).run.root == f"artifacts/{overlay.stem}"


def test_the_written_schema_is_the_current_one():
    written = json.loads((ROOT / "docs" / "params.schema.json").read_text())
    current = json.loads(json.dumps(settings.json_schema()))
    assert written == current, "write it anew: python -m pipeline schema > docs/params.schema.json"


def test_files_agree_with_the_schema():
    schema = settings.json_schema()
    validator = jsonschema.validators.validator_for(schema)(schema)
    validator.check_schema(schema)
    contents = {file.name: yaml.safe_load(file.read_text()) for file in FILES}
    wrong = [f"{name}: {error.message}" for name, found in contents.items() for error in validator.iter_errors(found)]
    assert wrong == []


def test_every_key_has_a_comment():
    lines = (ROOT / "params.yaml").read_text().splitlines()
    bare = [line for line in lines if line.strip() and not line.startswith("#") and "#" not in line]
    blocks = [line for line in bare if line.endswith(":")]
    assert bare == blocks, "a key without a comment"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ("{methods: {csg: {epoch: 3}}}", "params.yaml: methods.csg.epoch: unknown key; did you mean 'epochs'?"),
        ("{rnu: {}}", "params.yaml: rnu: unknown key; did you mean 'run'?"),
        ("{run: {precison: fp32}}", "run.precison: unknown key; did you mean 'precision'?"),
        ("{run: {precision: fp16}}", "run.precision: input should be 'auto', 'fp32' or 'bf16', not 'fp16'"),
        ("{training: {network: {blokcs: 2}}}", "training.network.blokcs: unknown key; did you mean 'blocks'?"),
        ("{methods: {csg: {network: {blokcs: 2}}}}", "methods.csg.network.blokcs: unknown key; did you mean 'blocks'?"),
        ("{methods: {csg: {from: cgs}}}", "methods.csg.from: unknown name 'cgs'; did you mean 'csg'?"),
        ("{methods: {other: {}}}", "methods.other: `from:` is missing"),
        ("{methods: {csg: null}}", "methods.csg: expected a block of keys, found None"),
        ("{methods: {csg: {csg_min: 5}}}", "methods.csg: csg_min 5 must be below period 3"),
        ("{methods: {csg: {base: sdt}}}", "methods.csg.base: unknown method 'sdt'; did you mean 'std'?"),
        ("{methods: {csg: {base: std}, std: {base: csg}}}", "goes in a circle, std -> csg -> std"),
        ("{datasets: {digits: {augment: {flop: true}}}}", "datasets.digits.augment.flop: unknown key"),
        ("{datasets: {Digits: {from: digits}}}", "datasets.Digits"),
        ("{explainers: {input_gradient: {sample: 1}}}", "explainers.input_gradient.sample: unknown key"),
        ("{evaluations: {sparsity: {explainers: []}}}", "evaluations.sparsity.explainers: name at least one of"),
        ("{evaluations: {accuracy: {measured_on: digit}}}", "accuracy.measured_on: unknown dataset 'digit'; did you"),
        ("{evaluations: {sparsity: {measured_on: digits}}}", "leave out measured_on or explainers"),
        ("{studies: {csg: {seeds: 0}}}", "studies.csg.seeds: input should be greater than 0, not 0"),
        ("{studies: {csg: {dataset: digits}}}", "studies.csg.dataset: unknown key; did you mean 'datasets'?"),
        ("{studies: {csg: {datasets: [digit]}}}", "csg.datasets: unknown dataset 'digit'; did you mean 'digits'?"),
        ("{datasets: {digits: {from: digts}}}", "datasets.digits.from: unknown name 'digts'; did you mean 'digits'?"),
        ("{studies: {csg: {figures: [metric]}}}", "unknown figure 'metric'; did you mean 'metrics'?"),
        ("{studies: {report: {title: x, datasets: [digits], methods: [std], evaluations: [accuracy]}}}", "of the work"),
    ],
)
def test_wrong_settings_are_named_with_their_place_and_the_nearest_right_one(changes, message):
    with pytest.raises(UserError) as error:
        with_changes(changes)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_an_overlay_merges_blocks_and_replaces_values():
    changed = with_changes("{training: {network: {channels: [1, 2, 10]}}, studies: {csg: {methods: [std]}}}")
    assert changed.training.network.channels == (1, 2, 10) and changed.training.network.blocks == 1
    assert changed.studies["csg"].methods == ("std",)


def test_a_block_with_another_from_replaces_the_one_below():
    """The keys of the block below would be unknown to it; with the same `from`, or none, they stay."""
    changed = with_changes("{training: {optimiser: {from: adam}, network: {from: resnet, depth: 34}}}")
    for method in ("std", "csg"):
        assert (changed.methods[method].optimiser, changed.methods[method].network) == (Adam(), Resnet(depth=34))
    own = with_changes("{methods: {csg: {network: {from: alexnet_cifar}, optimiser: {from: sgd, momentum: 0.5}}}}")
    assert own.methods["csg"].network == AlexnetCifar() and own.methods["std"].network.kind == "resnet_cifar"
    assert own.methods["csg"].optimiser == with_changes("{}").training.optimiser.model_copy(update={"momentum": 0.5})


def test_what_is_above_all_files_wins():
    above = {"run": {"raw_dir": "/elsewhere"}, "training": {"optimiser": {"from": "adam"}}}
    loaded = settings.load(FILES[0], ROOT / "scales" / "smoke.yaml", above=above)
    assert (loaded.run.raw_dir, loaded.run.scale, loaded.training.optimiser) == ("/elsewhere", "smoke", Adam())


def test_unknown_keys_inside_nested_blocks_are_named_as_they_stand_in_the_file():
    for changes, line in {
        "{training: {optimiser: {from: adam, momentun: 1}}}": r"training\.optimiser\.momentun: unknown key; known here",
        "{methods: {csg: {csg_path: {optimiser: {from: adam, weight_deca: 1}}}}}":
            r"methods\.csg\.csg_path\.optimiser\.weight_deca: unknown key; did you mean 'weight_decay'\?",
        "{evaluations: {black_box: {attacks: {one_pixel: {populaton: 3}}}}}":
            r"evaluations\.black_box\.attacks\.one_pixel\.populaton: unknown key; did you mean 'population'\?",
        "{methods: {csg: {csg_path: {optimiser: {from: adan}}}}}":
            r"methods\.csg\.csg_path\.optimiser\.from: unknown name 'adan'; did you mean 'adam'\?",
    }.items():  # fmt: skip
        with pytest.raises(UserError, match=line):
            with_changes(changes)


def test_methods_limited_to_datasets_train_there_only():
    changed = with_changes("{methods: {csg_fixed: {datasets: [digits]}}}")
    study = Plan(changed).studies["csg"]
    assert study.methods_on("digits") == ["std", "csg", "csg_fixed"]
    assert study.methods_on("toyworld") == ["std", "csg"]
    assert {dataset for dataset, method, _ in study.runs() if method == "csg_fixed"} == {"digits"}
    measured = {(name, dataset) for name, dataset, method, _ in study.measurements() if method == "csg_fixed"}
    assert ("gates", "digits") in measured and not any(dataset == "toyworld" for _, dataset in measured)
    assert "datasets" not in changed.methods["csg_fixed"].slice()
    with pytest.raises(UserError, match=r"methods\.csg\.datasets: unknown dataset 'digit'; .*digits"):
        with_changes("{methods: {csg: {datasets: [digit]}}}")


def test_a_file_of_weights_is_an_input_of_the_training_that_starts_from_it():
    def inputs(pretrained: str, base: str) -> list[str]:
        changed = with_changes(
            f"{{methods: {{csg: {{base: {base}, network: {{from: resnet, depth: 18, pretrained: {pretrained}}}}}}}}}"
        )
        return Plan(changed).pretrained(SimpleNamespace(method="csg"))

    assert inputs("weights/resnet18.pth", "null") == ["weights/resnet18.pth"]
    assert inputs("weights/resnet18.pth", "std") == inputs("auto", "null") == inputs("none", "null") == []


def test_training_defaults_reach_methods_unless_they_say_otherwise():
    changed = with_changes("{training: {epochs: 7}, methods: {csg: {epochs: 9}}}")
    assert (changed.methods["std"].epochs, changed.methods["csg"].epochs) == (7, 9)


def test_training_defaults_are_those_of_backpropagation():
    changed = with_changes("{training: {epochs: 7}, methods: {tried: {from: block_admm}, swept: {from: admm}}}").methods
    assert changed["tried"] == BlockAdmm(kind="block_admm") and changed["swept"] == Admm(kind="admm")


def test_a_grid_becomes_instances_everywhere():
    changed = with_changes(
        "{methods: {csg: {grid: {lambda2: [0.1, 0.001], gate_init: {half: 0.5, one: 1.0}}}},"
        " evaluations: {gates: {methods: [csg]}}}"
    )
    names = ["csg_lambda20p1_gate_inithalf", "csg_lambda20p1_gate_initone"]
    assert [name for name in changed.methods if name.startswith("csg_lambda20p1")] == names
    assert changed.methods[names[1]].gate_init == 1.0 and changed.methods[names[1]].lambda2 == 0.1
    assert len(changed.studies["csg"].methods) == 6 and "csg" not in changed.studies["csg"].methods
    assert len(changed.evaluations["gates"].methods) == 4


def test_a_grid_must_hold_lists():
    with pytest.raises(UserError, match=r"methods\.csg\.grid: give each key a list"):
        with_changes("{methods: {csg: {grid: {lambda2: 0.1}}}}")


def test_a_slice_survives_its_way_through_the_command_line():
    for noun in ("dataset", "method", "explainer", "evaluation"):
        for block in getattr(with_changes("{}"), f"{noun}s").values():
            again = settings.parse_slice(noun, json.dumps(block.slice()))
            assert again.slice() == block.slice()


def test_a_slice_does_not_hold_what_only_plans():
    assert not {"methods", "datasets"} & set(with_changes("{}").evaluations["gates"].slice())


def test_unreadable_files_are_named(tmp_path):
    wrong = tmp_path / "wrong.yaml"
    for content, message in (("a: [", "not readable as YAML"), ("- a", "expected a block of keys")):
        wrong.write_text(content)
        with pytest.raises(UserError, match=rf"wrong\.yaml: {message}"):
            settings.load(wrong)
