"""The way to drawn pictures: what subjects there are, and the pictures of a split one after the other."""

from collections.abc import Iterator
from types import ModuleType

import numpy as np

from pipeline.datasets.toyworld import creatures, faces, lesions, rooms
from pipeline.datasets.toyworld.picture import Picture, Subject

_MODULES: dict[str, ModuleType] = {"creatures": creatures, "rooms": rooms, "faces": faces, "lesions": lesions}

SUBJECTS: dict[str, Subject] = {name: module.SUBJECT for name, module in _MODULES.items()}

#: Kinds of background of each subject. With spurious backgrounds the first ones belong to the classes, in their order.
BACKGROUNDS: dict[str, tuple[str, ...]] = {name: module.BACKGROUNDS for name, module in _MODULES.items()}


def pictures(subject: str, split: str, count: int, *, size: int, seed: int, spurious: float = 0.0) -> Iterator[Picture]:
    """The first `count` pictures of a split, `size` pixels a side; see `picture`."""
    return (picture(subject, split, index, size=size, seed=seed, spurious=spurious) for index in range(count))


def picture(subject: str, split: str, index: int, *, size: int, seed: int, spurious: float = 0.0) -> Picture:
    """Picture `index` of a split, `size` pixels a side. What it shows depends on nothing but the arguments, and on
    `size` only in its detail; see `plan` for its class and background."""
    label, background, rng = plan(subject, split, index, seed=seed, spurious=spurious)
    return _MODULES[subject].draw(rng, label, background, size)


def plan(
    subject: str, split: str, index: int, *, seed: int, spurious: float = 0.0
) -> tuple[int, str, np.random.Generator]:
    """Class and kind of background of a picture, and the generator of everything else about it.

    Any C pictures in a row, C the number of classes, show each class once. The background is drawn uniformly; in the
    split "train" it is, with probability `spurious`, the one that belongs to the class.
    """
    stream = [seed, _number(subject), _number(split)]
    classes = len(SUBJECTS[subject].class_names)
    label = int(np.random.default_rng(stream).permutation(classes)[index % classes])
    rng = np.random.default_rng([*stream, index])
    kinds = BACKGROUNDS[subject]
    # Both are drawn in any case, so that `spurious` changes the background and nothing else.
    kind, chance = kinds[rng.integers(len(kinds))], rng.random()
    if split == "train" and chance < spurious:
        kind = kinds[label]
    return label, kind, rng


def _number(name: str) -> int:
    """A name as a number for a generator's seed; other than a hash it is the same in every process."""
    return int.from_bytes(name.encode(), "big")
