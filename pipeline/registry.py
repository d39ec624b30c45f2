"""Which module stands behind the `from:` of a settings block. Literal tables; imports nothing heavy.

A new dataset, annotator, network, method, explainer, attack, evaluation or figure is one file and one line here; a
dataset that can be drawn in miniature has a second line. The module is imported only by the stage that needs it, so
that reading the settings and planning the workflow stay fast.
"""

from importlib import import_module
from typing import Any

from pipeline.errors import unknown

TABLES: dict[str, dict[str, str]] = {
    "dataset": {
        "apascal": "pipeline.datasets.apascal:prepare",
        "awa2": "pipeline.datasets.awa2:prepare",
        "ayahoo": "pipeline.datasets.ayahoo:prepare",
        "cells": "pipeline.datasets.cells:prepare",
        "cifar10": "pipeline.datasets.cifar10:prepare",
        "cub": "pipeline.datasets.cub:prepare",
        "digits": "pipeline.datasets.digits:prepare",
        "fashion_mnist": "pipeline.datasets.fashion_mnist:prepare",
        "image_folder": "pipeline.datasets.image_folder:prepare",
        "imagenette": "pipeline.datasets.imagenette:prepare",
        "isic2017": "pipeline.datasets.isic2017:prepare",
        "kmnist": "pipeline.datasets.kmnist:prepare",
        "lfwa": "pipeline.datasets.lfwa:prepare",
        "mnist": "pipeline.datasets.mnist:prepare",
        "oxford_pets": "pipeline.datasets.oxford_pets:prepare",
        "places365": "pipeline.datasets.places365:prepare",
        "places_rooms": "pipeline.datasets.places_rooms:prepare",
        "textured_digits": "pipeline.datasets.textured_digits:prepare",
        "toyworld": "pipeline.datasets.toyworld.dataset:prepare",
        "usps": "pipeline.datasets.usps:prepare",
        "voc_animals": "pipeline.datasets.voc_animals:prepare",
    },
    "miniature": {
        "apascal": "pipeline.datasets.toyworld.trees.apascal:write",
        "awa2": "pipeline.datasets.toyworld.trees.awa2:write",
        "ayahoo": "pipeline.datasets.toyworld.trees.ayahoo:write",
        "cub": "pipeline.datasets.toyworld.trees.cub:write",
        "isic2017": "pipeline.datasets.toyworld.trees.isic2017:write",
        "lfwa": "pipeline.datasets.toyworld.trees.lfwa:write",
        "oxford_pets": "pipeline.datasets.toyworld.trees.oxford_pets:write",
        "places365": "pipeline.datasets.toyworld.trees.places365:write",
        "places_rooms": "pipeline.datasets.toyworld.trees.places_rooms:write",
        "voc_animals": "pipeline.datasets.toyworld.trees.voc_animals:write",
    },
    "annotator": {
        "pix2pix": "pipeline.annotators.pix2pix:fit",
    },
    "network": {
        "abn": "pipeline.models.abn:build",
        "alexnet_cifar": "pipeline.models.alexnet_cifar:build",
        "convnet": "pipeline.models.convnet:build",
        "inception_resnet_v1": "pipeline.models.inception_resnet_v1:build",
        "mlp": "pipeline.models.mlp:build",
        "no_network": "pipeline.models.no_network:build",
        "resnet": "pipeline.models.resnet:build",
        "resnet_cifar": "pipeline.models.resnet_cifar:build",
    },
    "method": {
        "abn": "pipeline.methods.abn:fit",
        "admm": "pipeline.methods.admm:fit",
        "backgrounds": "pipeline.methods.backgrounds:fit",
        "block_admm": "pipeline.methods.block_admm:fit",
        "csg": "pipeline.methods.csg:fit",
        "decomposition": "pipeline.methods.decomposition:fit",
        "deepfacto": "pipeline.methods.deepfacto:fit",
        "dladmm": "pipeline.methods.dladmm:fit",
        "gain": "pipeline.methods.gain:fit",
        "gotmare": "pipeline.methods.gotmare:fit",
        "map_error": "pipeline.methods.map_error:fit",
        "reff": "pipeline.methods.reff:fit",
        "rrr": "pipeline.methods.rrr:fit",
        "std": "pipeline.methods.std:fit",
        "taylor": "pipeline.methods.taylor:fit",
        "zeng": "pipeline.methods.zeng:fit",
    },
    "explainer": {
        "activation_map": "pipeline.explainers.activation_map:explain",
        "attention": "pipeline.explainers.attention:explain",
        "cam": "pipeline.explainers.cam:explain",
        "excitation_backprop": "pipeline.explainers.excitation_backprop:explain",
        "filter_gradient": "pipeline.explainers.filter_gradient:explain",
        "grad_cam": "pipeline.explainers.grad_cam:explain",
        "input_gradient": "pipeline.explainers.input_gradient:explain",
        "input_x_gradient": "pipeline.explainers.input_x_gradient:explain",
        "integrated_gradients": "pipeline.explainers.integrated_gradients:explain",
        "smooth_grad": "pipeline.explainers.smooth_grad:explain",
        "sparse_moreau_grad": "pipeline.explainers.sparse_moreau_grad:explain",
        "sparsified_gradient": "pipeline.explainers.sparsified_gradient:explain",
        "sparsified_smooth_grad": "pipeline.explainers.sparsified_smooth_grad:explain",
    },
    "attack": {
        "carlini_wagner": "pipeline.attacks.carlini_wagner:attack",
        "fgsm": "pipeline.attacks.fgsm:attack",
        "local_search": "pipeline.attacks.local_search:attack",
        "mi_fgsm": "pipeline.attacks.mi_fgsm:attack",
        "one_pixel": "pipeline.attacks.one_pixel:attack",
        "pgd": "pipeline.attacks.pgd:attack",
    },
    "evaluation": {
        "accuracy": "pipeline.evaluations.accuracy:evaluate",
        "adversarial": "pipeline.evaluations.adversarial:evaluate",
        "adversarial_detection": "pipeline.evaluations.adversarial_detection:evaluate",
        "attribute_fidelity": "pipeline.evaluations.attribute_fidelity:evaluate",
        "backgrounds": "pipeline.evaluations.backgrounds:evaluate",
        "decomposition": "pipeline.evaluations.decomposition:evaluate",
        "feature_clusters": "pipeline.evaluations.feature_clusters:evaluate",
        "fidelity": "pipeline.evaluations.fidelity:evaluate",
        "filter_correlation": "pipeline.evaluations.filter_correlation:evaluate",
        "filter_masking": "pipeline.evaluations.filter_masking:evaluate",
        "gates": "pipeline.evaluations.gates:evaluate",
        "gate_similarity": "pipeline.evaluations.gate_similarity:evaluate",
        "learning_curve": "pipeline.evaluations.learning_curve:evaluate",
        "linear_probe": "pipeline.evaluations.linear_probe:evaluate",
        "localisation": "pipeline.evaluations.localisation:evaluate",
        "map_robustness": "pipeline.evaluations.map_robustness:evaluate",
        "mutual_information": "pipeline.evaluations.mutual_information:evaluate",
        "randomisation": "pipeline.evaluations.randomisation:evaluate",
        "score_maps": "pipeline.evaluations.score_maps:evaluate",
        "sparsity": "pipeline.evaluations.sparsity:evaluate",
    },
    "figure": {
        "accuracy_beside_focus": "pipeline.report.figures.accuracy_beside_focus:draw",
        "adversarial_detection": "pipeline.report.figures.adversarial_detection:draw",
        "annotation_quality": "pipeline.report.figures.annotation_quality:draw",
        "annotations": "pipeline.report.figures.annotations:draw",
        "attribute_table": "pipeline.report.figures.attribute_table:draw",
        "black_box": "pipeline.report.figures.black_box:draw",
        "contact_sheets": "pipeline.report.figures.contact_sheets:draw",
        "decomposition": "pipeline.report.figures.decomposition:draw",
        "explanations": "pipeline.report.figures.explanations:draw",
        "feature_clusters": "pipeline.report.figures.feature_clusters:draw",
        "filter_correlation": "pipeline.report.figures.filter_correlation:draw",
        "filter_masking": "pipeline.report.figures.filter_masking:draw",
        "gate_similarity": "pipeline.report.figures.gate_similarity:draw",
        "gates_and_weights": "pipeline.report.figures.gates_and_weights:draw",
        "learning_curves": "pipeline.report.figures.learning_curves:draw",
        "localisation": "pipeline.report.figures.localisation:draw",
        "metrics": "pipeline.report.figures.metrics:draw",
        "mutual_information": "pipeline.report.figures.mutual_information:draw",
        "score_maps": "pipeline.report.figures.score_maps:draw",
        "sweeps": "pipeline.report.figures.sweeps:draw",
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
