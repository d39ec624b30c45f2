"""Which module stands behind the `from:` of a settings block. Literal tables; imports nothing heavy.

A new dataset, network, method, explainer, evaluation or figure is one file and one line here. The module is imported
only by the stage that needs it, so that reading the settings and planning the workflow stay fast.
"""

from importlib import import_module
from typing import Any

from pipeline.errors import unknown

TABLES: dict[str, dict[str, str]] = {
    "dataset": {
        "cifar10": "pipeline.datasets.cifar10:prepare",
        "digits": "pipeline.datasets.digits:prepare",
        "fashion_mnist": "pipeline.datasets.mnist:prepare_fashion",
        "mnist": "pipeline.datasets.mnist:prepare",
    },
    "network": {
        "resnet_cifar": "pipeline.models.resnet_cifar:build",
    },
    "method": {
        "csg": "pipeline.methods.csg:fit",
        "std": "pipeline.methods.std:fit",
    },
    "explainer": {
        "input_gradient": "pipeline.explainers.input_gradient:explain",
    },
    "evaluation": {
        "accuracy": "pipeline.evaluations.accuracy:evaluate",
        "gate_density": "pipeline.evaluations.gate_density:evaluate",
        "mutual_information": "pipeline.evaluations.mutual_information:evaluate",
        "sparsity": "pipeline.evaluations.sparsity:evaluate",
    },
    "figure": {
        "explanations": "pipeline.report.figures.explanations:draw",
        "gates_and_weights": "pipeline.report.figures.gates_and_weights:draw",
        "metrics": "pipeline.report.figures.metrics:draw",
        "training_curves": "pipeline.report.figures.training_curves:draw",
    },
}


def module(noun: str, name: str) -> str:
    """Dotted module name behind `from: name`; raises `UserError` for a name that is not in the table."""
    if name not in TABLES[noun]:
        raise unknown("pipeline/registry.py", noun, name, TABLES[noun])
    return TABLES[noun][name].partition(":")[0]


def load(noun: str, name: str) -> Any:
    """The function behind `from: name`, importing its module."""
    return getattr(import_module(module(noun, name)), TABLES[noun][name].partition(":")[2])
