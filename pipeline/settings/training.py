"""What methods have in common: optimisers, schedules, the course of a training. `training` holds their defaults."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from pipeline.settings.base import Name, PerDataset, Section
from pipeline.settings.networks import AnyNetwork, ResnetCifar


class Sgd(Section):
    kind: Literal["sgd"] = Field("sgd", alias="from")
    learning_rate: PositiveFloat = 0.1
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: NonNegativeFloat = 1e-4
    nesterov: bool = False


class Adam(Section):
    """Adam (Kingma and Ba 2015)."""

    kind: Literal["adam"] = Field("adam", alias="from")
    learning_rate: PositiveFloat = 1e-3
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.999)
    """What the running means of the gradient and of its square keep from step to step."""
    weight_decay: NonNegativeFloat = 0.0


AnyOptimiser = Annotated[Sgd | Adam, Field(discriminator="kind")]


class Steps(Section):
    """Learning rate × `factor` at each milestone."""

    kind: Literal["steps"] = Field("steps", alias="from")
    milestones: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = (0.5, 0.75)
    """As fractions of the epochs, so that they follow when the number of epochs changes."""
    factor: Annotated[float, Field(gt=0, le=1)] = 0.1


class Path(Section):
    """What is trained, and how."""

    optimiser: AnyOptimiser = Sgd()
    schedule: Steps = Steps()
    trainable: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Stages of the network that are trained, such as layer4 and head; the others stay as they are. Null means all."""
    freeze_batch_norm: bool = False
    """Keep the running statistics of stages that are not trained, too."""


class Course(Section):
    """How long a network is trained, and what is recorded on the way."""

    network: AnyNetwork = ResnetCifar()
    epochs: PositiveInt = 200
    """Passes over the training images."""
    watch_test: bool = False
    """Record the accuracy on the test images after every epoch, for curves: nothing is chosen by it."""
    clock: bool = False
    """Record the seconds of training, too; histories of two runs then differ."""


class Training(Course, Path):
    batch_size: PositiveInt = 256
    """Images in a step; the last, smaller batch of an epoch is left out."""


class Method(PerDataset):
    backpropagates: ClassVar[bool] = True
    """Whether `training` in params.yaml holds its defaults."""

    base: Name | None = None
    """Method instance whose trained network is the start; null starts from random weights."""


class UsesMasks(Section):
    """What a method that trains with object masks has besides."""

    annotator: Name | None = None
    """Annotator instance whose masks the method trains with, on the same dataset and seed; null takes the dataset's."""


Loss = Literal["cross_entropy", "squared_error"]
