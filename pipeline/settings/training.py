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


class AdamW(Section):
    """Adam whose weight decay is apart from its gradient (Loshchilov and Hutter 2019), with betas of 0.9 and 0.999."""

    kind: Literal["adamw"] = Field("adamw", alias="from")
    learning_rate: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 1e-2


AnyOptimiser = Annotated[Sgd | Adam | AdamW, Field(discriminator="kind")]


class Steps(Section):
    """Learning rate × `factor` at each milestone."""

    kind: Literal["steps"] = Field("steps", alias="from")
    milestones: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = (0.5, 0.75)
    """As fractions of the epochs, so that they follow when the number of epochs changes."""
    factor: Annotated[float, Field(gt=0, le=1)] = 0.1


class OneCycle(Section):
    """From a small learning rate up to that of the optimiser and down again, step by step (Smith and Topin 2018)."""

    kind: Literal["one_cycle"] = Field("one_cycle", alias="from")
    rise: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """Share of the steps after which the rate is highest."""
    start_divisor: PositiveFloat = 25.0
    """The highest rate over that of the first step."""
    end_divisor: PositiveFloat = 1e4
    """The rate of the first step over that of the last."""


AnySchedule = Annotated[Steps | OneCycle, Field(discriminator="kind")]


class Path(Section):
    """What is trained, and how."""

    optimiser: AnyOptimiser = Sgd()
    schedule: AnySchedule = Steps()
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
    needs_masks: ClassVar[bool] = False
    """Whether batches come with masks."""
    shares_batches: ClassVar[bool] = False
    """Whether several processes can train it: each step is `session.step` on a mean over the images of a batch."""

    base: Name | None = None
    """Method instance whose trained network is the start; null starts from random weights."""

    @property
    def masks_by(self) -> str | None:
        """Annotator instance whose masks the method trains with, if it names one."""
        return None


Loss = Literal["cross_entropy", "squared_error"]
