"""`explainers`: a class per `from:`."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from pipeline.settings.base import PositiveShare, Section


class Explainer(Section):
    families: ClassVar[tuple[str, ...]] = ()
    """The only families of networks that it can explain; empty for all. A study leaves out methods with others."""

    samples: PositiveInt = 64
    """Explain the first so many test images."""
    target: Literal["label", "prediction"] = "label"
    """Which logit to explain: the true label's or the predicted one's."""


class PixelExplainer(Explainer):
    """Explainers that give every input value, channel by channel, an attribution."""

    channels: Literal["magnitude", "signed", "norm"] = "magnitude"
    """How colour channels become one map: sum of magnitudes, sum, or Euclidean norm."""


class InputGradient(PixelExplainer):
    """Gradient of the target's logit with respect to the input (Simonyan et al. 2014)."""

    kind: Literal["input_gradient"] = Field(alias="from")


class InputXGradient(PixelExplainer):
    """Input times gradient (Shrikumar et al. 2016)."""

    kind: Literal["input_x_gradient"] = Field(alias="from")


class IntegratedGradients(PixelExplainer):
    """Gradients along the straight way from a baseline, times input minus baseline (Sundararajan et al. 2017)."""

    kind: Literal["integrated_gradients"] = Field(alias="from")
    baseline: Literal["mean", "black"] = "mean"
    """Image where the way begins: the dataset's mean colour, or zeros."""
    steps: PositiveInt = 50
    """Gradients along the way."""


class Noisy(PixelExplainer):
    """Explainers that average over noisy copies of an image."""

    noise: PositiveFloat
    """Standard deviation of the noise as a share of the image's range, largest minus smallest value."""
    draws: PositiveInt = 64
    """Noisy copies."""


class SmoothGrad(Noisy):
    """Mean gradient over noisy copies (Smilkov et al. 2017)."""

    kind: Literal["smooth_grad"] = Field(alias="from")
    noise: PositiveFloat = 0.15


class SparsifiedGradient(PixelExplainer):
    """Gradient of which only the largest entries stay (normat.md section 7)."""

    kind: Literal["sparsified_gradient"] = Field(alias="from")
    keep: PositiveShare = 0.1
    """Share of the entries that stay."""


class SparsifiedSmoothGrad(Noisy):
    """Mean over noisy copies of sparsified gradients (Levine et al. 2019)."""

    kind: Literal["sparsified_smooth_grad"] = Field(alias="from")
    noise: PositiveFloat = 0.1
    keep: PositiveShare = 0.1
    """Share of the entries of each copy that stay."""
    cap: PositiveShare = 0.01
    """Share of the largest entries that count as one."""


class SparseMoreauGrad(Noisy):
    """Proximal gradient of the smoothed logit under an L1 or group penalty (Zhang and Farnia 2023)."""

    kind: Literal["sparse_moreau_grad"] = Field(alias="from")
    noise: PositiveFloat = 0.1
    draws: PositiveInt = 32
    """Fresh noisy copies at every step."""
    steps: PositiveInt = 300
    """Proximal steps."""
    average: PositiveInt = 100
    """Last iterates that are averaged."""
    step: PositiveFloat = 0.1
    """Length of a step."""
    smoothing: PositiveFloat = 1.0
    """λ of the Moreau envelope."""
    sparsity: NonNegativeFloat = 5e-3
    """η: weight of the penalty; for groups the authors take 5e-2."""
    patch: PositiveInt | None = None
    """Side of the square patches that are groups, all channels together; null penalises single entries."""

    @model_validator(mode="after")
    def _converges(self) -> Self:
        if self.average > self.steps:
            raise ValueError(f"average {self.average} must be at most steps {self.steps}")
        if self.step >= 2 * self.smoothing:
            raise ValueError(f"step {self.step} must be below 2 · smoothing {self.smoothing}, else the steps diverge")
        return self


class GradCam(Explainer):
    """Gradient-weighted class activation maps (Selvaraju et al. 2017)."""

    kind: Literal["grad_cam"] = Field(alias="from")
    layers: tuple[str, ...] = ("backbone",)
    """Modules of the network whose outputs are weighted; maps of several are averaged, each over its maximum."""


class Cam(Explainer):
    """Class activation map: the last maps weighted by the target's row of the linear classifier (Zhou et al. 2016)."""

    kind: Literal["cam"] = Field(alias="from")


class Attention(Explainer):
    """Attention map of an attention branch network (Fukui et al. 2019)."""

    families: ClassVar[tuple[str, ...]] = ("abn",)

    kind: Literal["attention"] = Field(alias="from")


class SingleFilter(Explainer):
    """Explainers of one filter of the last stage."""

    filter: NonNegativeInt | None = None
    """Its number; null takes for each image the filter that adds most to the target's logit."""


class ActivationMap(SingleFilter):
    """Activations of one filter: ActivMap (csg.md E9)."""

    kind: Literal["activation_map"] = Field(alias="from")


class FilterGradient(SingleFilter):
    """Gradient of one filter's pooled activation with respect to the input, blurred: GradMap (csg.md E9)."""

    kind: Literal["filter_gradient"] = Field(alias="from")
    blur: PositiveFloat = 5.0
    """Standard deviation of the blur, in pixels of an image of 128 × 128; it grows with the image."""
    truncate: PositiveFloat = 3.0
    """Standard deviations at which the kernel of the blur ends."""


class ExcitationBackprop(Explainer):
    """Winning probabilities of the target's neuron, propagated down (Zhang et al. 2016; xnn.md section 6)."""

    kind: Literal["excitation_backprop"] = Field(alias="from")
    contrastive: bool = True
    """c-MWP: minus the winning probabilities of the neuron with negated weights."""
    start: str | None = None
    """Module in whose output the explained neuron is; null means the logits."""
    neuron: NonNegativeInt | None = None
    """Number of the explained neuron; null means the target, which only logits have."""
    stop: str | None = None
    """Module at whose output the map is read; null means the first ReLU."""

    @model_validator(mode="after")
    def _says_which_neuron(self) -> Self:
        if self.start is not None and self.neuron is None:
            raise ValueError(f"neuron: say which neuron of '{self.start}' is explained")
        return self


AnyExplainer = Annotated[
    InputGradient
    | InputXGradient
    | IntegratedGradients
    | SmoothGrad
    | SparsifiedGradient
    | SparsifiedSmoothGrad
    | SparseMoreauGrad
    | GradCam
    | Cam
    | Attention
    | ActivationMap
    | FilterGradient
    | ExcitationBackprop,
    Field(discriminator="kind"),
]
