"""`methods`: a class per `from:`, and `training`, the defaults that every gradient-trained method starts from."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from pipeline.settings.base import Name, Section


class ResnetCifar(Section):
    """Residual network for small images (He et al. 2016, section 4.2) of 6·blocks + 2 layers: blocks 3 is ResNet-20."""

    kind: Literal["resnet_cifar"] = Field("resnet_cifar", alias="from")
    blocks: PositiveInt = 3
    """Residual blocks in each of the three stages."""
    channels: tuple[PositiveInt, PositiveInt, PositiveInt] = (16, 32, 64)
    """Filters of the three stages; the last number is K, the number of filters that gates choose from."""


AnyNetwork = ResnetCifar


class Sgd(Section):
    kind: Literal["sgd"] = Field("sgd", alias="from")
    learning_rate: PositiveFloat = 0.1
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: NonNegativeFloat = 1e-4
    nesterov: bool = False


class Steps(Section):
    """Learning rate × `factor` at each milestone."""

    kind: Literal["steps"] = Field("steps", alias="from")
    milestones: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = (0.5, 0.75)
    """As fractions of the epochs, so that they follow when the number of epochs changes."""
    factor: Annotated[float, Field(gt=0, le=1)] = 0.1


class Training(Section):
    network: AnyNetwork = ResnetCifar()
    epochs: PositiveInt = 200
    """Passes over the training images."""
    batch_size: PositiveInt = 256
    """Images in a step; the last, smaller batch of an epoch is left out."""
    optimiser: Sgd = Sgd()
    schedule: Steps = Steps()


class Method(Section):
    base: Name | None = None
    """Method instance whose trained network is the start; null starts from random weights."""


class Std(Method, Training):
    """Ordinary training with cross-entropy: the baseline of csg.md section 2.7."""

    kind: Literal["std"] = Field(alias="from")


class FixedGates(Section):
    """Gate matrix made by hand (csg.md section 2.8): exclusive · classes + shared is the number of filters."""

    exclusive: PositiveInt
    """m1: filters that each class has for itself."""
    shared: NonNegativeInt
    """m2: last filters, which serve all classes."""


class Csg(Method, Training):
    """Class-specific gates (csg.md section 2)."""

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
        return self

    @model_validator(mode="after")
    def _has_csg_epochs(self) -> "Csg":
        if self.csg_min >= self.period:
            raise ValueError(f"csg_min {self.csg_min} must be below period {self.period}, else no epoch uses the gates")
        return self


AnyMethod = Annotated[Std | Csg, Field(discriminator="kind")]
