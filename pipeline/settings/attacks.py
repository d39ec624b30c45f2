"""Attacks that evaluations run, a class per `from:`. Images have values in 0..1 and stay there."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from pipeline.settings.base import PositiveShare, Section


class Bounded(Section):
    """Attacks within a ball of the maximum norm."""

    epsilon: PositiveFloat = 0.031
    """Radius: no pixel value changes by more."""


class Fgsm(Bounded):
    """One step along the sign of the gradient (Goodfellow et al. 2015)."""

    kind: Literal["fgsm"] = Field(alias="from")


class Pgd(Bounded):
    """Projected gradient descent (Madry et al. 2018)."""

    kind: Literal["pgd"] = Field(alias="from")
    step: PositiveFloat = 2 / 255
    """Length of a step."""
    steps: PositiveInt = 7
    random_start: bool = False
    """Start at a random point of the ball, not at the image."""


class MiFgsm(Bounded):
    """Steps of epsilon / steps along the sign of an accumulated gradient (Dong et al. 2018)."""

    kind: Literal["mi_fgsm"] = Field(alias="from")
    steps: PositiveInt = 7
    decay: NonNegativeFloat = 1.0
    """μ: share of the accumulated gradient that the next step keeps."""


class CarliniWagner(Section):
    """Smallest Euclidean change found by optimisation (Carlini and Wagner 2017)."""

    kind: Literal["carlini_wagner"] = Field(alias="from")
    steps: PositiveInt = 100
    """Steps of Adam for each weight of the misclassification term."""
    searches: PositiveInt = 5
    """Weights that the binary search tries."""
    learning_rate: PositiveFloat = 0.01
    confidence: NonNegativeFloat = 0.0
    """Margin of the logits that counts as success."""


class OnePixel(Section):
    """Differential evolution over the place and colour of one pixel (Su et al. 2019); sees probabilities only."""

    kind: Literal["one_pixel"] = Field(alias="from")
    population: Annotated[int, Field(ge=5)] = 400
    """Candidates of a generation."""
    generations: PositiveInt = 75


class LocalSearch(Section):
    """Greedy search over single pixels (Narodytska and Kasiviswanathan 2017); sees probabilities only."""

    kind: Literal["local_search"] = Field(alias="from")
    rounds: PositiveInt = 150
    """R: rounds at most."""
    magnitude: PositiveFloat = 10.0
    """p: what a probed pixel is set to, times its sign."""
    factor: PositiveFloat = 1.5
    """r: what a chosen pixel is multiplied by."""
    chosen: PositiveInt = 5
    """t: pixels changed in a round."""
    distance: PositiveInt = 5
    """d: how far from a chosen pixel the next round looks."""
    start: PositiveShare = 0.1
    """Share of the pixels that the first round looks at."""
    probes: PositiveInt = 128
    """Pixels that a round looks at, at most."""


AnyAttack = Annotated[
    Fgsm | Pgd | MiFgsm | CarliniWagner | OnePixel | LocalSearch,
    Field(discriminator="kind"),
]
