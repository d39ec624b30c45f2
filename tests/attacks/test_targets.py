"""How the targets of targeted attacks are dealt."""

from collections import Counter

import pytest
import torch

from pipeline.attacks.targets import other_classes


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_targets_are_other_classes_dealt_evenly(classes):
    labels = torch.randint(0, classes, (400,), generator=torch.Generator().manual_seed(classes))
    targets = other_classes(labels, classes, torch.Generator().manual_seed(0))
    assert (targets != labels).all() and targets.min() >= 0 and targets.max() < classes
    for label in range(classes):
        of_class = targets[labels == label].tolist()
        for start in range(0, len(of_class) - classes + 2, classes - 1):
            run = of_class[start : start + classes - 1]
            assert sorted(run) == [other for other in range(classes) if other != label]
    counts = Counter(targets.tolist()).values()
    assert max(counts) - min(counts) <= 400 / classes
    again, other = (other_classes(labels, classes, torch.Generator().manual_seed(seed)) for seed in (0, 1))
    assert torch.equal(targets, again) and (classes == 2 or not torch.equal(targets, other))


def test_classes_without_images_are_targets_too():
    targets = other_classes(torch.zeros(6, dtype=torch.long), 4, torch.Generator().manual_seed(0))
    assert Counter(targets.tolist()) == {1: 2, 2: 2, 3: 2}
