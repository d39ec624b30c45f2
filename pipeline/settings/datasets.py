"""`datasets`: a class per `from:`. Shapes are height × width; pixel values are on the scale 0..1."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from pipeline.settings.base import Section


class Augment(Section):
    """Random changes to each training image; the test images are never changed."""

    crop_padding: NonNegativeInt = 0
    """Pad by this many pixels on each side with zeros and crop back to the image's size at a random place."""
    flip: bool = False
    """Mirror left and right with probability one half."""
    shift: NonNegativeInt = 0
    """Move by up to this many pixels along each axis, around the edge."""


class Dataset(Section):
    augment: Augment = Augment()
    limit_train: PositiveInt | None = None
    """Keep only the first so many training images."""
    limit_test: PositiveInt | None = None
    """Keep only the first so many test images."""


class Digits(Dataset):
    """Handwritten digits that ship with scikit-learn: 1797 real scans, 8×8, 10 classes (csg.md section 10.2)."""

    kind: Literal["digits"] = Field(alias="from")
    size: PositiveInt = 16
    """Side in pixels after bilinear enlargement."""
    noise: NonNegativeFloat = 0.0
    """Standard deviation of fixed Gaussian noise, on the scale 0..1."""
    train: PositiveInt = 1297
    """Training images; the rest of the 1797 are the test images."""


class Mnist(Dataset):
    """MNIST: 60,000 + 10,000 handwritten digits, 28×28 grey."""

    kind: Literal["mnist"] = Field(alias="from")


class FashionMnist(Dataset):
    """Fashion-MNIST: 60,000 + 10,000 articles of clothing, 28×28 grey."""

    kind: Literal["fashion_mnist"] = Field(alias="from")


class Cifar10(Dataset):
    """CIFAR-10: 50,000 + 10,000 photographs, 32×32 RGB, 10 classes."""

    kind: Literal["cifar10"] = Field(alias="from")


AnyDataset = Annotated[Digits | Mnist | FashionMnist | Cifar10, Field(discriminator="kind")]
