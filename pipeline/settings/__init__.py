"""Typed settings: the one truth about what params.yaml and its overlays may say.

One file per section. `load` reads params.yaml, lays overlays on it, expands grids, and validates; `Settings` is the
result. A new dataset, method, explainer or evaluation adds one class to its section's file.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import Field, TypeAdapter, ValidationError, model_validator

from pipeline.errors import UserError, unknown
from pipeline.registry import TABLES
from pipeline.settings.annotators import AnyAnnotator
from pipeline.settings.attacks import AnyAttack
from pipeline.settings.base import Name, Section
from pipeline.settings.datasets import AnyDataset
from pipeline.settings.evaluations import AnyEvaluation
from pipeline.settings.explainers import AnyExplainer
from pipeline.settings.grid import expand
from pipeline.settings.messages import one_line
from pipeline.settings.methods import AnyMethod
from pipeline.settings.networks import StoredNetwork
from pipeline.settings.run import Run
from pipeline.settings.studies import Study
from pipeline.settings.training import Training

NOUNS = ("datasets", "annotators", "methods", "explainers", "evaluations")
SECTIONS = ("run", "training", *NOUNS, "studies")

#: Names that a study may not take: of the workflow's rules, since all are targets of `snakemake <name>`, and of a page.
RESERVED = ("all", "datasets", "models", "explanations", "evaluations", "report",
            "prepare", "train_annotator", "annotate", "train", "explain", "evaluate",
            "claims", "figure", "page", "index")  # fmt: skip

#: Blocks that are read by themselves, above all what a stage is given on the command line: noun -> type of its block.
SLICES = {
    "attack": AnyAttack,
    "dataset": AnyDataset,
    "annotator": AnyAnnotator,
    "network": StoredNetwork,
    "method": AnyMethod,
    "explainer": AnyExplainer,
    "evaluation": AnyEvaluation,
}


class Settings(Section):
    run: Run = Run()
    training: Training = Training()
    """Defaults of every gradient-trained method; a method's own block wins."""
    datasets: dict[Name, AnyDataset]
    annotators: dict[Name, AnyAnnotator] = Field(default_factory=dict)
    methods: dict[Name, AnyMethod]
    explainers: dict[Name, AnyExplainer] = Field(default_factory=dict)
    evaluations: dict[Name, AnyEvaluation]
    studies: dict[Name, Study]

    @model_validator(mode="after")
    def _names_exist(self) -> "Settings":
        for name, annotator in self.annotators.items():
            _check(f"annotators.{name}.datasets", "dataset", annotator.datasets or (), self.datasets)
        for name, method in self.methods.items():
            self._check_base(name, method.base)
            if named := method.masks_by:
                _check(f"methods.{name}.annotator", "annotator", (named,), self.annotators)
            _check(f"methods.{name}.datasets", "dataset", method.datasets or (), self.datasets)
        for name, evaluation in self.evaluations.items():
            place = f"evaluations.{name}"
            _check(f"{place}.datasets", "dataset", evaluation.datasets or (), self.datasets)
            _check(f"{place}.measured_on", "dataset", filter(None, [evaluation.measured_on]), self.datasets)
            _check(f"{place}.methods", "method", evaluation.methods or (), self.methods)
            _check(f"{place}.explainers", "explainer", evaluation.explainers, self.explainers)
            if evaluation.needs_explainers and not evaluation.explainers:
                raise UserError(f"params.yaml: {place}.explainers: name at least one of {', '.join(self.explainers)}")
        for name, study in self.studies.items():
            if name in RESERVED:
                raise UserError(f"params.yaml: studies.{name}: is a name of the workflow; give the study another")
            for section in NOUNS:
                _check(f"studies.{name}.{section}", section[:-1], getattr(study, section), getattr(self, section))
            _check(f"studies.{name}.figures", "figure", study.figures, TABLES["figure"])
        return self

    def _check_base(self, name: str, base: str | None) -> None:
        chain = [name]
        while base is not None:
            _check(f"methods.{chain[-1]}.base", "method", (base,), self.methods)
            if base in chain:
                raise UserError(f"params.yaml: methods.{name}.base: goes in a circle, {' -> '.join([*chain, base])}")
            chain.append(base)
            base = self.methods[base].base


def load(*files: str | Path, above: dict | None = None) -> Settings:
    """Settings of params.yaml-like `files`, each laid over those before it, and of the block `above` over them all."""
    merged: dict = {}
    for block in (*(_read(Path(file)) for file in files), above or {}):
        merged = overlay(merged, block)
    return validate(merged)


def validate(raw: dict) -> Settings:
    """Settings of plain nested values; raises `UserError` naming the wrong key, its place and the nearest right one."""
    raw = json.loads(json.dumps(raw))
    for section in SECTIONS:
        _must_be_block(section, raw.setdefault(section, {}))
    for section in (*NOUNS, "studies"):
        for name, block in raw[section].items():
            _must_be_block(f"{section}.{name}", block)
    users = [
        block for section in ("studies", "evaluations", "methods", "annotators") for block in raw[section].values()
    ]
    for section in NOUNS:
        raw[section] = expand(section, raw[section], users)
    raw["methods"] = {name: overlay(defaults(raw["training"], block), block) for name, block in raw["methods"].items()}
    try:
        return Settings.model_validate(raw)
    except ValidationError as error:
        raise UserError(one_line(error, Settings)) from None


def parse_slice(noun: str, text: str) -> Section:
    """The typed slice of one job from its JSON text, as rules pass it with `--settings`."""
    try:
        return TypeAdapter(SLICES[noun]).validate_json(text)
    except ValidationError as error:
        raise UserError(one_line(error, SLICES[noun], "--settings")) from None


def overlay(below: dict, above: dict) -> dict:
    """`above` laid over `below`: blocks are merged key by key, everything else is replaced.

    A block with another `from` replaces the one below, whose keys are of no use to it.
    """
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        both = isinstance(value, dict) and isinstance(old, dict)
        merged[key] = overlay(old, value) if both and value.get("from", old.get("from")) == old.get("from") else value
    return merged


def defaults(training: dict, block: dict) -> dict:
    """Of the keys of `training` those that a method's block may have; all, if its `from` is not known.

    None for methods that do not train by backpropagation.
    """
    kinds = {get_args(kind.model_fields["kind"].annotation)[0]: kind for kind in get_args(get_args(AnyMethod)[0])}
    kind = kinds.get(block.get("from"))
    if kind is None:
        return training
    return {key: value for key, value in training.items() if key in kind.model_fields} if kind.backpropagates else {}


def json_schema() -> dict:
    """JSON schema of params.yaml and its overlays, from which editors complete and check.

    An overlay holds a part of the keys only, so nothing is required and a block without `from` may be of any kind.
    """
    schema = _for_overlays(Settings.model_json_schema(by_alias=True))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Clearbox params.yaml", **schema}


def _for_overlays(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_for_overlays(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    renamed = {"anyOf" if key == "oneOf" else key: _for_overlays(value) for key, value in schema.items()}
    loose = {key: value for key, value in renamed.items() if key not in ("required", "discriminator")}
    if "from" in loose.get("properties", {}):
        loose["properties"]["grid"] = {"type": "object", "description": "Keys with lists of values: one instance each."}
    return loose


def _read(file: Path) -> dict:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{file}: no such file; run from the project's root or name an overlay in scales/") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: not readable as YAML ({' '.join(str(error).split())})") from None
    if not isinstance(content, dict):
        raise UserError(f"{file}: expected a block of keys such as `run:`, found {type(content).__name__}")
    return content


def _must_be_block(place: str, value: Any) -> None:
    if not isinstance(value, dict):
        raise UserError(f"params.yaml: {place}: expected a block of keys, found {value!r}")


def _check(place: str, noun: str, names: Iterable[str], known: dict[str, Any]) -> None:
    for name in names:
        if name not in known:
            raise unknown(f"params.yaml: {place}", noun, name, known)
