"""Whether attacks on the network itself show in its features (csg.md E10).

Images of the training split and of the test split are attacked, the first of each class, whether or not the network
classifies them correctly and whether or not the attack succeeds (csg.md 8.24). With `targeted`, the default, an image
is to become another class, dealt as evenly as possible (csg.md 8.22). Random forests then learn on pooled features of
training images, a clean and an adversarial row each, what they are tested on with test images.
"""

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from pipeline.attacks import batched
from pipeline.attacks.targets import other_classes
from pipeline.evaluations.by_attack import by_attack
from pipeline.evaluations.subject import Row, Subject
from pipeline.metrics.detection import detection_auc, detection_error, detection_scores
from pipeline.training.streams import derive, stream

if TYPE_CHECKING:
    from pipeline.settings.attacks import AnyAttack
    from pipeline.settings.evaluations import AdversarialDetection


class Attacked(NamedTuple):
    """Of N images: `ranks` N among the images of their class, features N×K before and after, and N bool, fooled."""

    ranks: Tensor
    clean: Tensor
    adversarial: Tensor
    succeeded: Tensor


def evaluate(subject: Subject, settings: "AdversarialDetection") -> list[Row]:
    """Metrics `detection_error` and `detection_auc` of detectors trained on s images a class, subset
    "attack=pgd,size=s".

    Means over the forests; those of the largest size are "attack=pgd", and their means over attacks have no subset. `n`
    counts test rows, two an image. Single forests have "…,size=s,forest=f", and "…,size=s,successful" are the test
    images on which the attack succeeds. `detection_size` is the mean number of training images of the `n` classes, less
    than s where a class has fewer. `attack_success` is the share of the `n` test images; untargeted, images that were
    wrong before count as successes.
    """
    return by_attack({name: _rows(subject, settings, attack) for name, attack in settings.attacks.items()})


def _rows(subject: Subject, settings: "AdversarialDetection", attack: "AnyAttack") -> list[Row]:
    train = _attacked(subject, settings, attack, "train", max(settings.sizes))
    test = _attacked(subject, settings, attack, "test", settings.test_size)
    seeds = [derive(subject.seed, "evaluate", "adversarial_detection", f) % 2**32 for f in range(settings.forests)]
    classes = subject.splits["train"].classes
    rows = [Row.mean("attack_success", test.succeeded)]
    for size in settings.sizes:
        chosen = train.ranks < size
        parts = (train.clean[chosen], train.adversarial[chosen], test.clean, test.adversarial)
        scores = detection_scores(*parts, trees=settings.trees, seeds=seeds)
        if size == max(settings.sizes):
            rows += _means(scores, None)
        rows += [
            Row("detection_size", len(parts[0]) / classes, classes, subset=f"size={size}"),
            *_means(scores, f"size={size}"),
            *_means(scores[:, :, test.succeeded], f"size={size},successful"),
        ]
        for forest in range(settings.forests):
            rows += _means(scores[[forest]], f"size={size},forest={forest}")
    return rows


def _means(scores: Tensor, subset: str | None) -> list[Row]:
    """Means over the forests of `scores` F×2×M."""
    count = scores.shape[1] * scores.shape[2]
    return [
        Row("detection_error", detection_error(scores).mean().item(), count, subset),
        Row("detection_auc", detection_auc(scores).mean().item(), count, subset),
    ]


def _attacked(
    subject: Subject, settings: "AdversarialDetection", attack: "AnyAttack", split: str, size: int
) -> Attacked:
    """The first `size` images of each class of a split, on the CPU."""
    images, network = subject.splits[split], subject.network
    labels = images.labels.cpu()
    ranks = one_hot(labels, images.classes).cumsum(0).gather(1, labels[:, None])[:, 0] - 1
    attacked = (ranks < size).nonzero()[:, 0]
    targets = None
    if settings.targeted:
        targets = other_classes(labels, images.classes, stream(subject.seed, "attack", "targets", split))[attacked]
    generator = stream(subject.seed, "attack", attack.kind, split)
    found = []
    for pixels, changed, wrong in batched.attacked(network, images, attacked, targets, attack, generator):
        with torch.no_grad():
            found.append((network.features(pixels).cpu(), network.features(changed).cpu(), wrong.cpu()))
    return Attacked(ranks[attacked], *(torch.cat(parts) for parts in zip(*found, strict=True)))
