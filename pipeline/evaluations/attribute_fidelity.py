"""How well single quantised features match attributes that training never saw (intersection.md section 5).

Features of the test images are quantised within the range of the training images. The maximum over many binary features
is optimistic and has a floor, so its variants stand beside it: without complements, over attributes that occur, what a
constant reaches, with features chosen on the training images, and against attributes that were dealt out anew.
"""

from typing import TYPE_CHECKING

import torch

from pipeline.evaluations.subject import Row, Subject
from pipeline.metrics.attribute_fidelity import (
    best_features,
    code_range,
    fidelity_of,
    floor,
    present,
    quantise,
)
from pipeline.training.streams import stream

if TYPE_CHECKING:
    from pipeline.settings.evaluations import AttributeFidelity


def evaluate(subject: Subject, settings: "AttributeFidelity") -> list[Row]:
    """Metrics, means of F1 over the attributes: `attribute_fidelity`, its `_plain` without complements, `_present` over
    those that occur, `_floor` of a constant, `_held_out` chosen on the training images, `_null` of permuted images.

    `n` counts attributes; of `attribute_fidelity` of one, subset "attribute=i", test images.
    """
    features = {split: subject.features(split) for split in ("train", "test")}
    generator = stream(subject.seed, "evaluate", "attribute_fidelity")
    low, high = code_range(features["train"][torch.randperm(len(features["train"]), generator=generator)])
    train, test = (quantise(features[split], low, high, settings.bits) for split in ("train", "test"))
    known, attributes = (subject.splits[split].attributes() for split in ("train", "test"))
    levels = 2**settings.bits
    best, plain = best_features(test, attributes, levels)
    chosen, _ = best_features(train, known, levels)
    null, _ = best_features(test, attributes[torch.randperm(len(attributes), generator=generator)], levels)
    return [
        Row.mean("attribute_fidelity", best.f1),
        Row.mean("attribute_fidelity_plain", plain.f1),
        Row.mean("attribute_fidelity_present", present(best.f1, attributes)),
        Row.mean("attribute_fidelity_floor", floor(attributes)),
        Row.mean("attribute_fidelity_held_out", fidelity_of(chosen, test, attributes)),
        Row.mean("attribute_fidelity_null", null.f1),
        *(
            Row("attribute_fidelity", value, len(test), subset=f"attribute={i}")
            for i, value in enumerate(best.f1.tolist())
        ),
    ]
