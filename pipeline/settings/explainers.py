"""`explainers`: a class per `from:`."""

from typing import Literal

from pydantic import Field, PositiveInt

from pipeline.settings.base import Section


class Explainer(Section):
    samples: PositiveInt = 64
    """Explain the first so many test images."""
    target: Literal["label", "prediction"] = "label"
    """Which logit to explain: the true label's or the predicted one's."""


class InputGradient(Explainer):
    """Gradient of the target's logit with respect to the input (Simonyan et al. 2014)."""

    kind: Literal["input_gradient"] = Field(alias="from")


AnyExplainer = InputGradient
