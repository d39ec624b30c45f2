"""`annotators`: a class per `from:`. They draw masks of training images, having seen a share of the human ones."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator

from pipeline.settings.base import PerDataset, PositiveShare
from pipeline.settings.training import Adam, AnyOptimiser, Path, Steps

#: Side at which the last two convolutions of the discriminator, which take a pixel each, still leave four logits.
SMALLEST = 4


class Annotator(PerDataset):
    share: PositiveShare = 0.1
    """Share of the training images whose human masks are known, at least ten images. With 1 nothing is left to draw:
    the masks are the human ones and no network is trained."""
    masks: Literal["hard", "soft"] = "hard"
    """Drawn masks as stored: 0 or 255, split at one half, or the network's output in 0..255."""
    hold_out: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of the annotated images that are not trained on: the network with the smallest mean absolute error
    there is kept. 0 trains on all of them and keeps the last."""
    hold_out_from: PositiveInt = 50
    """Hold none out where fewer images than this are annotated."""


class Pix2pix(Annotator, Path):
    """Conditional adversarial network from image to mask (Isola et al. 2017; reff.md section 4)."""

    kind: Literal["pix2pix"] = Field(alias="from")
    optimiser: AnyOptimiser = Adam(learning_rate=2e-4, betas=(0.5, 0.999))
    """Of generator and discriminator, each its own."""
    schedule: Steps = Steps(milestones=())
    size: PositiveInt = 256
    """Side in pixels at which the networks work: images are brought to it, and masks back."""
    levels: Annotated[int, Field(ge=2)] = 8
    """Convolutions of stride 2 on the way down; `size` is a multiple of 2 to that power."""
    base_channels: PositiveInt = 64
    """Filters of the first convolution of the generator; they double with each one, up to eight times as many."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Share that is dropped in the widest blocks on the way up, up to three above the innermost; only in training."""
    discriminator_channels: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (64, 128, 256, 512)
    """Filters of its convolutions before the last, which has one; all but the last of these have stride 2."""
    l1: NonNegativeFloat = 100.0
    """Weight of the mean absolute error beside the adversarial loss."""
    steps: PositiveInt = 20_000
    """Steps of the generator, each after one of the discriminator, whatever the share."""
    batch_size: PositiveInt = 16
    """Images in a step; images come again within one where fewer are annotated."""
    check_every: PositiveInt = 100
    """Steps between two rows of the history, of which there is a whole number, and between two looks at the held-out
    images."""
    jitter: NonNegativeFloat = 30 / 256
    """Enlarge each training image by this share and crop back at a random place: 286 to 256 pixels, as published."""
    mirror: bool = True
    """Mirror half of the training images left and right; no good for digits."""
    patience: NonNegativeInt = 20
    """Stop after so many looks at held-out images in a row without a smaller error; 0 never stops early."""

    clock: ClassVar[bool] = False
    """Seconds of training are not recorded."""

    @property
    def epochs(self) -> int:
        """What the training counts as epochs: rounds of `check_every` steps."""
        return self.steps // self.check_every

    @property
    def steps_per_epoch(self) -> int:
        return self.check_every

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.steps % self.check_every:
            raise ValueError(f"steps {self.steps} must be a multiple of check_every {self.check_every}")
        if self.size % 2**self.levels:
            raise ValueError(f"size {self.size} must be a multiple of {2**self.levels}, 2 to the power of levels")
        if self.size // 2 ** (len(self.discriminator_channels) - 1) < SMALLEST:
            raise ValueError(
                f"discriminator_channels: {len(self.discriminator_channels)} convolutions leave nothing of {self.size} "
                f"pixels; name fewer or raise size"
            )
        return self


AnyAnnotator = Pix2pix
