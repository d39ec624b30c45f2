"""Splits and orders that depend on names and a seed alone: not on the file system, and hardly on what else is there."""

import hashlib
import math
import os
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import zip_longest
from typing import TypeVar

Item = TypeVar("Item")


def train_count(count: int, test_share: float) -> int:
    """How many of `count` are training samples: floor((1 - test_share) · count), of two or more neither all nor none.

    Reckoned with the decimal number as written: in binary, 1 - 0.9 is less than 0.1, and 10 images would lose one.
    """
    return min(max(math.floor((1 - Fraction(str(test_share))) * count), 1), count - 1)


def random_split(groups: Sequence[str], test_share: float, seed: int) -> tuple[list[int], list[int]]:
    """Indices of the training and of the test samples, each in random order; `groups` names the group of each sample.

    Groups stay on one side. If every sample is a group of its own, `train_count` of them are training samples, else as
    many more as it takes to keep the last group whole. A group's place in the order is the hash of seed and name, so
    that further groups leave the order of these as it is.
    """
    members: dict[str, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    wanted = train_count(len(groups), test_share)
    train: list[int] = []
    test: list[int] = []
    for group in sorted(members, key=lambda group: hashlib.sha256(os.fsencode(f"{seed} {group}")).digest()):
        (train if len(train) < wanted else test).extend(members[group])
    return train, test


def interleaved(classes: Iterable[Iterable[Item]]) -> list[Item]:
    """One sample of each class in turn, so that the first few of a list that is kept by class are of all classes."""
    return [item for turn in zip_longest(*classes, fillvalue=None) for item in turn if item is not None]
