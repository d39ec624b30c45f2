"""`methods`: a class per `from:`, and `training`, the defaults that every gradient-trained method starts from."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from pipeline.settings.base import Name, PerDataset, Section


class Network(Section):
    @property
    def pretrained_file(self) -> str | None:
        """File of weights from which training starts, if the settings name one."""
        return None


class ResnetCifar(Network):
    """Residual network for small images (He et al. 2016, section 4.2) of 6·blocks + 2 layers: blocks 3 is ResNet-20."""

    kind: Literal["resnet_cifar"] = Field("resnet_cifar", alias="from")
    blocks: PositiveInt = 3
    """Residual blocks in each of the three stages."""
    channels: tuple[PositiveInt, PositiveInt, PositiveInt] = (16, 32, 64)
    """Filters of the three stages; the last number is K, the number of filters that gates choose from."""


class Resnet(Network):
    """Residual network of ImageNet as torchvision has it (He et al. 2016), for colour images of 32 pixels and more."""

    kind: Literal["resnet"] = Field("resnet", alias="from")
    depth: Literal[18, 34, 50, 101, 152] = 18
    """Layers; the last stage has 512 filters up to 34, and 2048 from 50."""
    pretrained: Annotated[str, Field(pattern=r"^(none|auto|.+\.(pth|pt|safetensors))$")] = "none"
    """Where training starts without a base: none is random weights; a path names a file of weights in torchvision's
    format, .pth, .pt or .safetensors; auto takes the ImageNet-1k V1 weights from torch's cache or downloads them, and
    without a connection starts from random weights, which the checkpoint then notes."""


    @property
    def pretrained_file(self) -> str | None:
        return None if self.pretrained in ("none", "auto") else self.pretrained


class AlexnetCifar(Network):
    """AlexNet for small images, without global average pooling (csg.md section 3)."""

    kind: Literal["alexnet_cifar"] = Field("alexnet_cifar", alias="from")
    channels: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt, PositiveInt] = (64, 192, 384, 256, 256)
    """Filters of the five convolutions; the last number is K, the number of filters that gates choose from."""
    hidden: PositiveInt = 2048
    """Neurons of the two hidden linear layers."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.6
    """Share of the inputs of these layers that is dropped while training."""


AnyNetwork = Annotated[ResnetCifar | Resnet | AlexnetCifar, Field(discriminator="kind")]


class Sgd(Section):
    kind: Literal["sgd"] = Field("sgd", alias="from")
    learning_rate: PositiveFloat = 0.1
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: NonNegativeFloat = 1e-4
    nesterov: bool = False


class Adam(Section):
    """Adam (Kingma and Ba 2015), with betas of 0.9 and 0.999."""

    kind: Literal["adam"] = Field("adam", alias="from")
    learning_rate: PositiveFloat = 1e-3
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
    base: Name | None = None
    """Method instance whose trained network is the start; null starts from random weights."""


class Std(Method, Training):
    """Ordinary training with cross-entropy: the baseline of csg.md section 2.7."""

    kind: Literal["std"] = Field(alias="from")


class FixedGates(Section):
    """Gate matrix made by hand (csg.md section 2.8): exclusive filters for each class, the others for all."""

    exclusive: PositiveInt | None = None
    """m1: filters that each class has for itself; null means as many as there are, filters over classes rounded down.
    What is left, m2, serves all classes: 6 and 4 of 64 filters for ten classes, 25 and 6 of 256, are the paper's."""


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


AnyMethod = Annotated[Std | Csg, Field(discriminator="kind")]
