"""Whether attributes that training never saw can be read off a network's maps by a linear classifier (admm.md 4.3).

What is read is what each position of the last maps has: DeepFacto's own scores, or, as controls of a network that was
not factorised (E6c), scores of an NMF of its maps, their principal components, or the maps as they are.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from sklearn.decomposition import PCA
from torch import Tensor

from pipeline.artifacts import DATASET, read_annotation, read_schema
from pipeline.errors import UserError
from pipeline.evaluations.subject import Row, Subject
from pipeline.metrics.probe import linear_probe
from pipeline.splitting.nmf import drawn_positions, factorise, rows_of, scores
from pipeline.training.data import Images
from pipeline.training.streams import stream

if TYPE_CHECKING:
    from pipeline.settings.evaluations import LinearProbe

#: Positions P×K of maps to the P×r numbers that are read off them.
Reading = Callable[[Tensor], Tensor]


def evaluate(subject: Subject, settings: "LinearProbe") -> list[Row]:
    """Metrics `probe_accuracy` and beside it `majority_accuracy`, of each attribute as subset "attribute=i".

    The overall rows are means over the attributes of which training shows both values, and `n` counts these; of one
    attribute it counts test images. `probe_regularisation` is C of each attribute's probe; its `n` counts training
    images. Raises `UserError` if these have fewer groups than folds.
    """
    train, test = (subject.splits[split].attributes() for split in ("train", "test"))
    features, test_features = codes(subject, settings)
    choose = isinstance(settings.regularisation, tuple)
    groups = groups_of(subject.splits["train"], settings.folds) if choose else None
    probe = linear_probe(features, train, test_features, test, settings.regularisation, groups, settings.folds)
    probed = ~probe.accuracy.isnan()
    rows = []
    for metric, values in (("probe_accuracy", probe.accuracy), ("majority_accuracy", probe.majority)):
        rows.append(Row.mean(metric, values[probed]))
        rows += [Row(metric, value, len(test), subset=f"attribute={i}") for i, value in enumerate(values.tolist())]
    chosen = enumerate(probe.regularisation.tolist())
    return rows + [Row("probe_regularisation", value, len(train), subset=f"attribute={i}") for i, value in chosen]


def groups_of(images: Images, folds: int) -> list[str]:
    """What no fold divides: the group of each image where the dataset has groups, elsewhere the image itself.

    Raises `UserError` if they are fewer than `folds`.
    """
    grouped = "group" in read_schema(images.path, DATASET).names
    groups = read_annotation(images.path, "group", len(images)) if grouped else images.ids
    # An image without group belongs to no other.
    groups = [image if group is None else group for group, image in zip(groups, images.ids, strict=True)]
    if len(set(groups)) < folds:
        raise UserError(
            f"{images.path}: has {len(set(groups))} groups of images, fewer than the {folds} folds of the evaluation; "
            f"lower its `folds`, or give `regularisation` one number"
        )
    return groups


def codes(subject: Subject, settings: "LinearProbe") -> tuple[Tensor, Tensor]:
    """What probes of training and test images read: N×(h·w·r) of all positions, or N×r pooled over them."""
    if (settings.features, settings.pooling) == ("maps", "mean"):
        # A network's own features, which those without maps have, too.
        return subject.features("train"), subject.features("test")
    maps = [subject.last_maps(split) for split in ("train", "test")]
    reading = reading_of(subject, settings, rows_of(maps[0]))
    values = (reading(rows_of(part)).view(len(part), part[0, 0].numel(), -1) for part in maps)
    train, test = (pooled(part, settings.pooling) for part in values)
    return train, test


def pooled(values: Tensor, pooling: str) -> Tensor:
    """Values N×m×r of m positions, one position after another for "none", else their "mean" or "max"."""
    return {"none": values.flatten(1), "mean": values.mean(1), "max": values.amax(1)}[pooling]


def reading_of(subject: Subject, settings: "LinearProbe", positions: Tensor) -> Reading:
    """How settings.features come from positions; "nmf" and "pca" are fitted on `positions` P×K of training images.

    Both see the positions that the warm start of DeepFacto sees with this seed, and "nmf" is what it finds.
    Raises `UserError` for "scores" of a method without factors, and for more components than channels.
    """
    if settings.features == "maps":
        return lambda rows: rows
    if settings.features == "scores":
        return lambda rows: scores(rows, subject.factors)
    draws = stream(subject.seed, "init", "factors")
    drawn = drawn_positions(positions, settings.positions, draws)
    if settings.features == "nmf":
        factors = factorise(drawn, settings.rank, draws)
        return lambda rows: scores(rows, factors)
    if settings.rank > min(drawn.shape):
        raise UserError(
            f"{subject.path}: its maps have {min(drawn.shape)} principal components, fewer than rank {settings.rank} "
            f"of the evaluation; lower it"
        )
    components = PCA(settings.rank, svd_solver="covariance_eigh").fit(drawn.double().numpy())
    return lambda rows: torch.from_numpy(components.transform(rows.double().numpy()))
