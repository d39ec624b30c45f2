"""Methods of reff.md, which train with masks of the relevant region."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from pipeline.settings.base import Name
from pipeline.settings.networks import AttentionBranch
from pipeline.settings.training import Method, Training

Norm = Literal["squared_l2", "l2", "l1"]


class Masked(Method, Training):
    needs_masks: ClassVar[bool] = True
    shares_batches: ClassVar[bool] = True

    annotator: Name | None = None
    """Annotator instance whose masks the method trains with, on the same dataset and seed; null takes the dataset's."""
    masks: Literal["given", "shuffled"] = "given"
    """shuffled: each image has the mask of another one in its batch, a control that must not help."""

    @property
    def masks_by(self) -> str | None:
        return self.annotator

    @model_validator(mode="after")
    def _has_others(self) -> "Masked":
        if self.masks == "shuffled" and self.batch_size < 2:
            raise ValueError("masks: shuffled needs another image in a batch; raise batch_size to 2 or more")
        return self


class Explained(Masked):
    """Which Grad-CAM a penalty is on (reff.md sections 3.1 to 3.3)."""

    layers: Literal["all", "last"] | Annotated[tuple[str, ...], Field(min_length=1)] = "all"
    """Stages of the network behind which the maps are taken: all but the first, the last, or those named."""
    score: Literal["raw", "centred"] = "raw"
    """What is explained: a class's logit, or that less the mean of all logits, which leaves no loophole (3.3)."""
    cam_class: Literal["label", "pred"] = "label"
    """Whose score: the label's, or that of the class that is predicted."""
    cam_bn_eval: bool = False
    """Take the maps from a second forward pass with the running statistics of batch normalisation (3.5)."""


class Reff(Explained):
    """Relevant feature focusing (reff.md section 3.2)."""

    kind: Literal["reff"] = Field(alias="from")
    weight: NonNegativeFloat = 1.0
    """λ of the penalty, whose maps are multiplied by their size, so that it means the same for large and small ones."""
    norm: Norm = "squared_l2"
    """Norm of the masked map, as a mean over its places."""


class MapError(Explained):
    """ReFF(L1) and ReFF(L2): the error between a map and its mask (reff.md section 3.4)."""

    kind: Literal["map_error"] = Field(alias="from")
    weight: NonNegativeFloat = 1.0
    """λ of the error."""
    norm: Norm = "l2"
    """Norm of the difference, as a mean over the places of the map."""


class Rrr(Masked):
    """Right for the right reasons: input gradients outside the mask (reff.md section 3.4)."""

    kind: Literal["rrr"] = Field(alias="from")
    weight: NonNegativeFloat = 0.01
    """λ1 of the sum over pixels and colours; it should begin of the same order as the cross-entropy."""


class Abn(Masked):
    """Attention branch network whose attention map is drawn to the mask (reff.md section 3.4)."""

    kind: Literal["abn"] = Field(alias="from")
    network: AttentionBranch = AttentionBranch()
    weight: PositiveFloat = 1.0
    """γ of the distance between attention map and mask."""


class Gain(Explained):
    """Guided attention inference with extra supervision: Grad-CAM drawn to the mask, and attention mining (3.4)."""

    kind: Literal["gain"] = Field(alias="from")
    layers: Literal["last"] = "last"
    """Stage of the network behind which the maps are taken."""
    weight: NonNegativeFloat = 10.0
    """λ of the mean square between a map over its maximum and the mask."""
    mining: NonNegativeFloat = 1.0
    """α of the label's probability once the places that the map looks at are gone."""
    steepness: PositiveFloat = 10.0
    """ω of the soft threshold that takes them away."""
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.5
    """σ, in parts of a map's maximum."""


class Backgrounds(Masked):
    """Backgrounds of other images in place of an image's own: a control of what masks are good for (3.4)."""

    kind: Literal["backgrounds"] = Field(alias="from")
