"""What a dataset module hands over: a description of the whole, and for each split the way to its samples, one by one.

A sample is read only when its turn comes, so that a set of any size passes through bounded memory, and so that one
that cannot be used can be left out without losing the rest.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.errors import UserError

#: What ImageNet-trained networks subtract and divide by, on the scale 0..1.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class BadSample(UserError):
    """One sample that cannot be used; its text names the file. `on_error: skip` leaves such samples out."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One image with what is known about it. All coordinates are pixels of `image`, x to the right, y down."""

    sample_id: str
    """Unique within the dataset."""
    image: np.ndarray
    """H×W×1 (grey) or H×W×3 (RGB) uint8."""
    label: int
    """Index into the class names."""
    source: str | None = None
    """The raw file that it was read from, relative to run.raw_dir."""
    group: str | None = None
    """Samples of one group belong on one side of a split: the same photograph, the same person."""
    mask: np.ndarray | None = None
    """The object: H×W bool, or uint8 relevance 0..255."""
    bbox: tuple[float, float, float, float] | None = None
    """Box around the object: x, y of its upper left corner, width, height."""
    parts: Mapping[int, tuple[float, float]] | None = None
    """Place (x, y) of each visible part, by its index into the part names."""
    attributes: np.ndarray | None = None
    """0 or 1 for each of the attribute names."""
    gaze: np.ndarray | None = None
    """Where people looked: H×W uint8, 255 at the photograph's maximum."""
    segments: Sequence[tuple[int, np.ndarray]] | None = None
    """One pair an object in the picture: index into the segment names, H×W bool."""
    factors: Mapping[str, str | int | float] | None = None
    """What a generator drew for this sample; the same keys in every sample."""


#: Reads one sample; raises `BadSample` if it cannot be used.
Read = Callable[[], Sample]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A dataset ready to be written. The splits are gone through once, in order."""

    class_names: Sequence[str]
    mean: Sequence[float]
    """What networks subtract, a number a channel, on the scale 0..1."""
    std: Sequence[float]
    """What networks divide by."""
    train: Iterable[Read]
    test: Iterable[Read]
    columns: tuple[str, ...] = ()
    """Fields of `Sample` besides id, image and label that become columns; a sample that lacks one has an empty cell."""
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Names behind the indices in the columns `parts`, `attributes` and `segments`."""
    notices: Sequence[str] = ()
    """What a reader of results on this data has to know."""
    official: Mapping[str, int] | None = None
    """Official number of images by split under these settings, where it is not the module's `OFFICIAL`."""


def given(samples: Iterable[Sample]) -> Iterable[Read]:
    """Ways to samples that exist already."""
    return ((lambda sample=sample: sample) for sample in samples)


def of_arrays(
    splits: Mapping[str, tuple[np.ndarray, np.ndarray]],
    class_names: Sequence[str],
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Prepared:
    """A dataset in memory: of "train" and "test" the images, N×H×W or N×H×W×C uint8, and N labels.

    Ids are split and row. `mean` and `std` are those of the grey training images where none are given.
    """
    pixels = splits["train"][0]

    def reads(split: str) -> Iterable[Read]:
        images, labels = splits[split]
        images = images[..., None] if images.ndim == 3 else images
        return given(
            Sample(sample_id=f"{split}-{row:05d}", image=image, label=int(label))
            for row, (image, label) in enumerate(zip(images, labels, strict=True))
        )

    return Prepared(
        class_names=class_names,
        mean=[float(pixels.mean() / 255)] if mean is None else mean,
        std=[float(pixels.std() / 255)] if std is None else std,
        train=reads("train"),
        test=reads("test"),
    )


def present(class_names: Sequence[str], labels: Iterable[int]) -> tuple[list[str], dict[int, int], list[str]]:
    """The classes that occur in a copy that may be a subset: their names in official order, their new index by the
    official one, and a notice if some do not occur."""
    kept = sorted(set(labels))
    notices = []
    if len(kept) < len(class_names):
        notices.append(f"{len(kept)} of {len(class_names)} classes occur in the files; labels count those only")
    return [class_names[label] for label in kept], {label: index for index, label in enumerate(kept)}, notices
