"""Annotators in the plan: which jobs there are, for whom, and where they are named."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from project import jobs_in

from pipeline import layout, settings
from pipeline.errors import UserError
from pipeline.settings.focusing import Reff
from pipeline.settings.methods import Std
from pipeline.workflow import Plan

ROOT = Path(__file__).resolve().parents[2]

BLOCKS = """
annotators:
  tenth: {from: pix2pix, share: 0.1}
  all: {from: pix2pix, share: 1.0}
  toy: {from: pix2pix, share: 0.1, datasets: [toyworld]}
  swept: {from: pix2pix, grid: {share: {1: 0.01, 5: 0.05}}}
studies:
  masks:
    title: Masks
    datasets: [textured_digits, toyworld]
    annotators: [all, toy, swept]
    figures: [annotations]
    seeds: 2
"""


def planned(**methods: Reff | Std) -> Plan:
    """The plan in which the study `csg`, of digits and toyworld with three seeds, has these methods."""
    base = yaml.safe_load((ROOT / "params.yaml").read_text())
    found = settings.validate(settings.overlay(base, yaml.safe_load(BLOCKS)))
    study = found.studies["csg"].model_copy(update={"methods": tuple(methods)})
    studies = {"csg": study, "masks": found.studies["masks"]}
    return Plan(found.model_copy(update={"methods": methods, "studies": studies}))


def test_a_study_has_the_annotators_that_it_lists_where_they_work():
    study = planned().studies["masks"]
    assert list(study.annotations()) == [
        (dataset, annotator, seed)
        for dataset in ("textured_digits", "toyworld")
        for annotator in ("all", "toy", "swept_share1", "swept_share5")
        for seed in (0, 1)
        if annotator != "toy" or dataset == "toyworld"
    ]
    assert len(study.annotators()) == 10, "none for the human masks"
    assert study.masks()[0] == "artifacts/demo/masks/textured_digits/all/0.parquet"
    assert study.mask_qualities()[-1] == "artifacts/demo/masks/toyworld/swept_share5/1.quality.parquet"
    assert json.loads(json.dumps(study.slice))["annotators"]["toy"]["share"] == 0.1


def test_annotators_that_methods_name_come_along_on_their_datasets():
    plan = planned(
        with_masks=Reff(kind="reff", annotator="tenth", datasets=("toyworld",)),
        without=Std(kind="std"),
        elsewhere=Reff(kind="reff", annotator="toy", datasets=("cells",)),
    )
    assert [one[:2] for one in plan.studies["csg"].annotations()] == [("toyworld", "tenth")] * 3
    wanted = SimpleNamespace(dataset="toyworld", method="with_masks", seed="1")
    assert plan.masks(wanted) == ["artifacts/demo/masks/toyworld/tenth/1.parquet"]
    wanted.method = "without"
    assert plan.masks(wanted) == []


def test_human_masks_need_no_network():
    plan = planned()
    wanted = SimpleNamespace(dataset="toyworld", annotator="tenth", seed="0")
    assert plan.annotator_model(wanted) == [layout.annotator("artifacts/demo", "toyworld", "tenth", 0)]
    wanted.annotator = "all"
    assert plan.annotator_model(wanted) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("studies: {masks: {annotators: [swept_share]}}", "masks.annotators: unknown annotator 'swept_share'; did"),
        (
            "annotators: {toy: {datasets: [toyword]}}",
            "annotators.toy.datasets: unknown dataset 'toyword'; did you mean",
        ),
        ("annotators: {toy: {from: pix}}", "annotators.toy.from: input should be 'pix2pix', not 'pix'"),
        ("annotators: {toy: {steps: 150, check_every: 100}}", "annotators.toy: steps 150 must be a multiple of"),
    ],
)
def test_wrong_names_are_named(change, problem):
    base = settings.overlay(yaml.safe_load((ROOT / "params.yaml").read_text()), yaml.safe_load(BLOCKS))
    with pytest.raises(UserError) as caught:
        settings.validate(settings.overlay(base, yaml.safe_load(change)))
    assert problem in str(caught.value)


def test_a_method_must_name_an_annotator_that_exists():
    found = planned(m=Reff(kind="reff")).settings
    with pytest.raises(UserError, match=r"methods.m.annotator: unknown annotator 'tent'; did you mean 'tenth'\?"):
        found.model_copy(update={"methods": {"m": Reff(kind="reff", annotator="tent")}})._names_exist()


def test_snakemake_plans_an_annotator_before_its_masks(project, run):
    (project / "masks.yaml").write_text(BLOCKS)
    jobs = jobs_in(run("snakemake", "-n", "masks", "--configfile", "masks.yaml").stdout)
    assert {rule: jobs[rule] for rule in ("prepare", "train_annotator", "annotate", "figure", "page")} == {
        "prepare": 2, "train_annotator": 10, "annotate": 14, "figure": 1, "page": 1
    }  # fmt: skip
    reasons = run("pipeline", "why", "masks", "--configfile", "masks.yaml").stdout
    for job, output in (
        ("train_annotator toyworld swept_share1, seed 0", "annotators/toyworld/swept_share1/0.safetensors"),
        ("annotate toyworld all, seed 1", "masks/toyworld/all/1.parquet"),
    ):
        assert f"{job}\n    artifacts/demo/{output} is not there" in reasons
