"""How often attacks on images succeed, and how far they have to go (csg.md E10, E11).

Attacked are the first test images that the network classifies correctly. With `targeted`, each is to become another
class: a class's images are dealt the other classes in turn, in random order, among all test images of the class and
whether or not they are attacked, so that methods and attacks of one seed share an image's target.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from pipeline.attacks import batched
from pipeline.attacks.targets import other_classes
from pipeline.evaluations.by_attack import by_attack
from pipeline.evaluations.subject import Row, Subject
from pipeline.training.streams import stream

if TYPE_CHECKING:
    from pipeline.settings.attacks import AnyAttack
    from pipeline.settings.evaluations import Adversarial

#: A pixel counts as changed from half a grey level on, which an image of 8 bits would show.
VISIBLE = 0.5 / 255


def evaluate(subject: Subject, settings: "Adversarial") -> list[Row]:
    """Metric `attack_success` in 0..1, subset "attack=pgd" and by class of the label "attack=pgd,class=c".

    Means over successful attacks: `attack_distance_l2` and `attack_distance_linf` of images in 0..1, and
    `attack_pixels`, the number of places where a channel changed. NaN without an attacked or a fooled image. Without
    subset stand the means over attacks.
    """
    images = subject.splits["test"]
    labels = images.labels.cpu()
    attacked = (subject.logits("test").argmax(1) == labels).nonzero()[: settings.samples, 0]
    targets = None
    if settings.targeted:
        targets = other_classes(labels, images.classes, stream(subject.seed, "attack", "targets"))[attacked]
    return by_attack({name: _rows(subject, attack, attacked, targets) for name, attack in settings.attacks.items()})


def _rows(subject: Subject, attack: "AnyAttack", attacked: Tensor, targets: Tensor | None) -> list[Row]:
    """Of one attack on the images with the numbers `attacked` N, with `targets` N if it has them."""
    succeeded, changes = _attacked(subject, attack, attacked, targets)
    labels = subject.splits["test"].labels.cpu()[attacked]
    changes = changes[succeeded]
    return [
        Row.mean("attack_success", succeeded),
        *(Row.mean("attack_success", succeeded[labels == c], subset=f"class={c}") for c in labels.unique().tolist()),
        Row.mean("attack_distance_l2", changes.flatten(1).norm(dim=1)),
        Row.mean("attack_distance_linf", changes.abs().amax((1, 2, 3))),
        Row.mean("attack_pixels", (changes.abs() >= VISIBLE).any(1).sum((1, 2))),
    ]


def _attacked(subject: Subject, attack: "AnyAttack", attacked: Tensor, targets: Tensor | None) -> tuple[Tensor, Tensor]:
    """On the CPU: N bool, fooled or not, and N×C×H×W, what changed."""
    images = subject.splits["test"]
    generator = stream(subject.seed, "attack", attack.kind)
    succeeded, changes = [torch.zeros(0, dtype=torch.bool)], [images.floats(slice(0)).cpu()]
    for pixels, found, wrong in batched.attacked(subject.network, images, attacked, targets, attack, generator):
        succeeded.append(wrong.cpu())
        changes.append((found - pixels).cpu())
    return torch.cat(succeeded), torch.cat(changes)
