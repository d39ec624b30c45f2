"""What the rules ask: which files the settings mean, what a job reads, what it is given, what code it runs.

Imports nothing heavy, since Snakemake reads it whenever it parses the Snakefile.
"""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import layout, settings
from pipeline.errors import UserError
from pipeline.fingerprint import Code
from pipeline.handed_on import hand_on, handed_on
from pipeline.registry import module
from pipeline.study import Study

if TYPE_CHECKING:
    from pipeline.settings import Settings
    from pipeline.settings.annotators import Annotator
    from pipeline.settings.datasets import Dataset
    from pipeline.settings.evaluations import Evaluation
    from pipeline.settings.explainers import Explainer
    from pipeline.settings.networks import AnyNetwork
    from pipeline.settings.studies import Study as StudySettings
    from pipeline.settings.training import Method

#: The page with all studies; every study has one of its own besides.
INDEX = "index"


def plan_or_exit(overlays: Sequence[Path], config: Mapping[str, Any], driving: bool = True) -> "Plan":
    """The plan of params.yaml under the `overlays` of --configfile and the keys of --config.

    A Snakemake that is not `driving` but was started by a driver for one job keeps to the plan of that driver.
    Snakemake's own merging of these files cannot replace a block whose `from` changes. On bad settings one line on
    standard error and exit code 2.
    """
    try:
        if not driving and (plan := handed_on()):
            return Plan(settings.validate(plan["settings"]), plan["codes"])
        return Plan(settings.load("params.yaml", *overlays, above=dict(config)))
    except UserError as error:
        print(f"clearbox: {error}", file=sys.stderr)
        sys.exit(2)


def growing(amount: int) -> Callable[[Any, int], int]:
    """Resource function: `amount` at the first attempt, twice as much at the second, and so on."""
    return lambda wildcards, attempt: amount * attempt


class Plan:
    """The settings as files and jobs. Methods that take wildcards `w` serve rules as input and params functions."""

    def __init__(self, settings: "Settings", codes: Mapping[str, str] | None = None) -> None:
        """`codes` are the fingerprints, by modules, that were planned already."""
        self.settings = settings
        self.codes = dict(codes or {})
        self.root = settings.run.root
        self.studies = {name: Study(study_slice(settings, name)) for name in settings.studies}

    def hand_on(self, jobs: Iterable[Any]) -> None:
        """Let the `jobs` that this driver is about to start keep to this plan, wherever and whenever they start."""
        for job in jobs:
            job.params  # noqa: B018  (asks for the fingerprint of the job's code)
        hand_on({"settings": self.settings.slice(), "codes": self.codes})

    def fingerprint(self, code: Code) -> str:
        """The fingerprint of `code` by this plan, whatever stands in the files by now."""
        modules = " ".join(code.modules)
        if modules not in self.codes:
            self.codes[modules] = code.digest
        return self.codes[modules]

    def all(self, kind: str) -> list[str]:
        """Files of one kind (tables, masks, models, explanations, evaluations) over all studies."""
        return list(dict.fromkeys(path for study in self.studies.values() for path in getattr(study, kind)()))

    def of_page(self, kind: str) -> Callable[[Any], list[str]]:
        """Input function: files of one kind over the studies on a page."""
        return lambda w: [path for study in self.on_page(w.page) for path in getattr(study, kind)()]

    def of_study(self, kind: str) -> Callable[[Any], list[str]]:
        """Input function: files of one kind of the study in the wildcards."""
        return lambda w: getattr(self.studies[w.study], kind)()

    def on_page(self, page: str) -> list[Study]:
        return list(self.studies.values()) if page == INDEX else [self.studies[page]]

    def base_model(self, w: Any) -> list[str]:
        """Checkpoint that a method starts from, if it names one."""
        base = self.settings.methods[w.method].base
        return [layout.model(self.root, w.dataset, base, w.seed)] if base else []

    def pretrained(self, w: Any) -> list[str]:
        """File of weights that a method without base starts from, if it names one."""
        method = self.settings.methods[w.method]
        return [method.network.pretrained_file] if method.network.pretrained_file and not method.base else []

    def watched(self, w: Any) -> list[str]:
        """Table of the test images for a method that records its accuracy on them."""
        return [layout.dataset(self.root, w.dataset, "test")] if self.settings.methods[w.method].watch_test else []

    def annotator_model(self, w: Any) -> list[str]:
        """Checkpoint that draws masks; none where all are human."""
        if self.settings.annotators[w.annotator].share == 1:
            return []
        return [layout.annotator(self.root, w.dataset, w.annotator, w.seed)]

    def masks(self, w: Any) -> list[str]:
        """Table of the masks that a method trains with, if it names an annotator."""
        annotator = self.settings.methods[w.method].masks_by
        return [layout.masks(self.root, w.dataset, annotator, w.seed)] if annotator else []

    def evaluation_data(self, w: Any) -> list[str]:
        evaluation = self.settings.evaluations[w.evaluation]
        return [layout.dataset(self.root, evaluation.measured_on or w.dataset, split) for split in evaluation.splits]

    def evaluation_maps(self, w: Any) -> list[str]:
        explainers = self.settings.evaluations[w.evaluation].explainers
        return [layout.explanation(self.root, w.dataset, w.method, name, w.seed) for name in explainers]

    def slice(self, noun: str) -> Callable[[Any], str]:
        """Params function: settings of the wildcards' instance of `noun` as JSON."""
        return lambda w: json.dumps(getattr(self.settings, f"{noun}s")[getattr(w, noun)].slice())

    def study_slice(self, w: Any) -> str:
        return json.dumps(self.studies[w.study].slice)

    def page_slice(self, w: Any) -> str:
        return json.dumps([study.slice for study in self.on_page(w.page)])

    def prepare_code(self, w: Any) -> str:
        return self.fingerprint(prepare_code(self.settings.datasets[w.dataset]))

    def annotator_code(self, w: Any) -> str:
        return self.fingerprint(annotator_code(self.settings.annotators[w.annotator]))

    def train_code(self, w: Any) -> str:
        return self.fingerprint(train_code(self.settings.methods[w.method]))

    def explain_code(self, w: Any) -> str:
        network = self.settings.methods[w.method].network
        return self.fingerprint(explain_code(self.settings.explainers[w.explainer], network))

    def evaluate_code(self, w: Any) -> str:
        network = self.settings.methods[w.method].network
        return self.fingerprint(evaluate_code(self.settings.evaluations[w.evaluation], network))

    def figure_code(self, w: Any) -> str:
        return self.fingerprint(figure_code(w.figure))

    def claims_code(self, w: Any) -> str:
        return self.fingerprint(claims_code())

    def page_code(self, w: Any) -> str:
        return self.fingerprint(page_code())


def study_slice(settings: "Settings", name: str) -> dict:
    """A study's block with the settings of every instance it names, and the folder of its scale."""
    study = settings.studies[name]
    named = {
        noun: {instance: getattr(settings, noun)[instance].slice() for instance in getattr(study, noun)}
        for noun in ("datasets", "methods", "explainers", "evaluations")
    }
    for instance, block in named["methods"].items():
        block["datasets"] = settings.methods[instance].datasets
    for instance, block in named["explainers"].items():
        block["families"] = settings.explainers[instance].families
    named["annotators"] = _annotators(settings, study)
    for instance, block in named["evaluations"].items():
        block |= {noun: getattr(settings.evaluations[instance], noun) for noun in ("datasets", "methods")}
    return {"study": name, "root": settings.run.root, **study.slice(), **named}


def _annotators(settings: "Settings", study: "StudySettings") -> dict[str, dict]:
    """Slices of the annotators that a study lists, with the datasets on which they work, and of those that its methods
    name, with the datasets of these methods."""
    listed = {name: settings.annotators[name].datasets for name in study.annotators}
    named: dict[str, list[str]] = {}
    for method in (settings.methods[name] for name in study.methods):
        annotator = method.masks_by
        if annotator and annotator not in listed:
            where = [dataset for dataset in study.datasets if dataset in (method.datasets or (dataset,))]
            named[annotator] = list(dict.fromkeys([*named.get(annotator, []), *where]))
    datasets = listed | {name: where for name, where in named.items() if where}
    return {name: settings.annotators[name].slice() | {"datasets": where} for name, where in datasets.items()}


# The code behind each stage: its job, and the modules that the settings name.


def prepare_code(dataset: "Dataset") -> Code:
    drawing = (module("miniature", dataset.kind),) if dataset.drawn else ()
    return Code(("pipeline.datasets.job", module("dataset", dataset.kind), *drawing))


def annotator_code(annotator: "Annotator") -> Code:
    return Code(("pipeline.annotators.job", module("annotator", annotator.kind)))


def train_code(method: "Method") -> Code:
    return Code(("pipeline.training.job", module("method", method.kind), module("network", method.network.kind)))


def explain_code(explainer: "Explainer", network: "AnyNetwork") -> Code:
    return Code(("pipeline.explainers.job", module("explainer", explainer.kind), module("network", network.kind)))


def evaluate_code(evaluation: "Evaluation", network: "AnyNetwork") -> Code:
    explainer = getattr(evaluation, "explainer", None)
    parts = [module("explainer", explainer.kind)] if explainer else []
    parts += [module("attack", attack.kind) for attack in getattr(evaluation, "attacks", {}).values()]
    own = module("evaluation", evaluation.kind)
    return Code(("pipeline.evaluations.job", own, module("network", network.kind), *parts))


def figure_code(figure: str) -> Code:
    return Code(("pipeline.report.draw", module("figure", figure)))


def claims_code() -> Code:
    return Code(("pipeline.report.claims",))


def page_code() -> Code:
    """The page shows the headers of the figures' modules as their captions: there even a docstring counts."""
    report = Path(__file__).parent / "report"
    files = (report / "page.html.j2", report / "page.css", *sorted(report.glob("figures/*.py")))
    return Code(("pipeline.report.page",), files)
