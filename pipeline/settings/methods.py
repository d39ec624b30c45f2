"""`methods`: a class per `from:`; those of admm.md are in splitting.py, those of reff.md in focusing.py."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator

from pipeline.settings.base import Section
from pipeline.settings.focusing import Abn, Backgrounds, Gain, MapError, Reff, Rrr
from pipeline.settings.splitting import Admm, BlockAdmm, Decomposition, DeepFacto, Dladmm, Gotmare, Taylor, Zeng
from pipeline.settings.training import Loss, Method, Path, Training


class Std(Method, Training):
    """Ordinary training: the baseline of csg.md section 2.7."""

    shares_batches: ClassVar[bool] = True

    kind: Literal["std"] = Field(alias="from")
    loss: Loss = "cross_entropy"
    """squared_error is 1/2 Σ (z - onehot)² over the classes; both are means over the images of a batch."""


class FixedGates(Section):
    """Gate matrix made by hand (csg.md section 2.8): exclusive filters for each class, the others for all."""

    exclusive: PositiveInt | None = None
    """m1: filters that each class has for itself; null means as many as there are, filters over classes rounded down.
    What is left, m2, serves all classes: 6 and 4 of 64 filters for ten classes, 25 and 6 of 256, are the paper's."""


class Csg(Method, Training):
    """Class-specific gates (csg.md section 2)."""

    shares_batches: ClassVar[bool] = True

    kind: Literal["csg"] = Field(alias="from")
    warmup: NonNegativeInt = 0
    """First epochs, all on the STD path."""
    period: PositiveInt = 3
    """Length in epochs of one cycle of the two paths."""
    csg_min: NonNegativeInt = 2
    """An epoch e ≥ warmup runs on the CSG path if e mod period ≥ csg_min; 2 of 3 means one epoch in three."""
    lambda1: NonNegativeFloat = 1.0
    """Weight of the cross-entropy on the CSG path."""
    lambda2: NonNegativeFloat = 1e-3
    """Weight of the sparsity penalty; short runs need rate / (1 - momentum) · lambda2 · CSG steps at full rate ≥ 2."""
    density_bound: Annotated[float, Field(gt=0, le=1)] = 0.1
    """g / (C·K): the L1-density of the gates above which the penalty acts; at least 1 / C."""
    penalty: Literal["identity", "square", "smooth_l1"] = "identity"
    """Outer function of the penalty on the excess over g."""
    projection: Literal["normalise", "euclid"] = "normalise"
    """How gates return to the allowed set after a step: each column over its maximum, or the nearest point."""
    gate_init: Annotated[float, Field(gt=0, le=1)] = 0.5
    """First value of every gate."""
    share_filters: bool = False
    """Allow more classes than filters, where classes cannot have a filter each."""
    fixed_gates: FixedGates | None = None
    """Gates that stay as they are, instead of learnt ones: lambda2, density_bound, penalty, projection, gate_init and
    share_filters then have no effect."""
    csg_path: Path | None = None
    """Optimiser, schedule and stages of the CSG path, if it has its own (csg.md section 5): each path then counts its
    own epochs. Null means one optimiser for both paths, which counts all epochs."""
    joint_weights: tuple[NonNegativeFloat, NonNegativeFloat] | None = None
    """For fixed gates: weights of the cross-entropies of STD and CSG path, summed in every step (csg.md section 8.29),
    where warmup, period, csg_min and lambda1 then have no effect; null alternates the paths."""

    @model_validator(mode="after")
    def _weighs_paths(self) -> "Csg":
        if self.joint_weights is not None:
            if self.fixed_gates is None:
                raise ValueError("joint_weights need fixed_gates: learnt gates are trained in epochs of their own")
            if not any(self.joint_weights):
                raise ValueError("joint_weights are both 0, which leaves nothing to train on; raise one of them")
            if self.csg_path:
                raise ValueError("joint_weights train both paths in one step, so that csg_path cannot have its own")
        return self

    @model_validator(mode="after")
    def _has_csg_epochs(self) -> "Csg":
        if self.csg_min >= self.period:
            raise ValueError(f"csg_min {self.csg_min} must be below period {self.period}, else no epoch uses the gates")
        return self


AnyMethod = Annotated[
    Std | Csg | BlockAdmm | Gotmare | Admm | Taylor | Zeng | Dladmm | DeepFacto | Decomposition
    | Reff | MapError | Gain | Rrr | Abn | Backgrounds,
    Field(discriminator="kind"),
]
