"""Whether the features fall into clusters that are the classes, and look like the gates (csg.md E8).

k-means with as many clusters as classes on the pooled features of the training images; a cluster is named after the
most frequent true label of its members, the lowest of equals. The centre of a class is the mean of the centres of the
clusters named after it, weighted by their sizes; a class may have none.
"""

from typing import TYPE_CHECKING

import torch
from sklearn.cluster import KMeans
from torch import Tensor

from pipeline.errors import UserError
from pipeline.evaluations.subject import Row, Subject
from pipeline.metrics.gates import gate_similarity, summary
from pipeline.training.streams import derive

if TYPE_CHECKING:
    from pipeline.settings.evaluations import FeatureClusters


def evaluate(subject: Subject, settings: "FeatureClusters") -> list[Row]:
    """Metric `cluster_accuracy`: the share of test images whose nearest centre has the name of their class.

    `centre_distance` is the mean distance over the `n` pairs of centres at unit length, in 0..√2 as features are ≥ 0;
    pairs with a centre of zero are left out. With gates, `centre_gate_cosine` is the mean cosine of the centre of a
    class and its gates, and with subset "others" that with the gates of other classes; `n` counts the cosines.
    `cluster_centre`, the entries of the centres of classes, has the subset "class=c,filter=k"; `n` are the training
    images of its clusters, and a class without cluster has no rows.
    """
    images = subject.splits["train"]
    if len(images) < images.classes:
        raise UserError(f"{images.path}: {len(images)} training images are too few for {images.classes} clusters")
    found = KMeans(images.classes, n_init=10, max_iter=500, random_state=_seed(subject))
    members = torch.from_numpy(found.fit_predict(subject.features("train").double().numpy())).long()
    centres = torch.from_numpy(found.cluster_centers_)
    names, sizes = named(members, images.labels.cpu(), images.classes)
    nearest = torch.from_numpy(found.predict(subject.features("test").double().numpy())).long()
    correct = names[nearest] == subject.splits["test"].labels.cpu()
    of_classes, counts = class_centres(centres, names, sizes)
    rows = [
        Row.mean("cluster_accuracy", correct),
        Row.mean("centre_distance", torch.pdist(centres / centres.norm(dim=1, keepdim=True))),
    ]
    if "gates" in subject.tensors:
        present = counts.nonzero()[:, 0]
        cosines = summary(gate_similarity(of_classes[present], present, subject.gates.cpu()))
        rows += [
            Row("centre_gate_cosine", cosines.diagonal, cosines.diagonal_count),
            Row("centre_gate_cosine", cosines.off_diagonal, cosines.off_diagonal_count, subset="others"),
        ]
    return rows + [
        Row("cluster_centre", value, count, subset=f"class={c},filter={k}")
        for c, (centre, count) in enumerate(zip(of_classes.tolist(), counts.tolist(), strict=True))
        for k, value in enumerate(centre)
        if count
    ]


def _seed(subject: Subject) -> int:
    """Scikit-learn takes 32 bits."""
    return derive(subject.seed, "evaluate", "feature_clusters") % 2**32


def named(members: Tensor, labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Of each of C = `classes` clusters the most frequent label, the lowest of equals, and its size, C integers each.

    `members` N are the clusters of things with `labels` N. A cluster without members has the name −1.
    """
    counts = (members * classes + labels).bincount(minlength=classes * classes).view(classes, classes)
    sizes = counts.sum(1)
    return counts.argmax(1).where(sizes > 0, -1), sizes


def class_centres(centres: Tensor, names: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor]:
    """C×K mean of the `centres` C×K of the clusters with the same of `names` C, weighted by `sizes` C; and their size.

    NaN, and size 0, for a class that no cluster is named after.
    """
    known = names >= 0
    counts = torch.zeros_like(sizes).index_add_(0, names[known], sizes[known])
    sums = torch.zeros_like(centres).index_add_(0, names[known], (centres * sizes[:, None])[known])
    return sums / counts[:, None], counts
