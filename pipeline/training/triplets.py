"""The triplet loss with semi-hard negatives (Schroff et al. 2015, FaceNet, section 3), and batches that have any."""

import torch
from torch import Tensor
from torch.nn.functional import normalize


def identity_batches(labels: Tensor, identities: int, images_each: int, generator: torch.Generator) -> list[Tensor]:
    """Row numbers of an epoch's batches, in which images with the same of the `labels` N come in groups.

    A batch has `identities` groups, the last one the rest. A class's images are dealt into groups of `images_each` and
    a few more where they do not come out even; a smaller class is one group, one of a single image is left out. Every
    other image is in one batch.
    """
    order = torch.randperm(len(labels), generator=generator)
    by_class, places = labels[order].sort(stable=True)
    sizes = by_class.unique_consecutive(return_counts=True)[1].tolist()
    classes = [rows for rows in order[places].split(sizes) if len(rows) > 1]
    groups = [group for rows in classes for group in rows.tensor_split(max(1, len(rows) // images_each))]
    dealt = torch.randperm(len(groups), generator=generator).split(identities)
    return [torch.cat([groups[number] for number in numbers.tolist()]) for numbers in dealt]


def triplet_losses(embeddings: Tensor, labels: Tensor, margin: float) -> Tensor:
    """J of each image of a batch as anchor a, B ≥ 0: mean of max(0, |a − p|² − |a − n|² + margin) over its positives p.

    `embeddings` B×E are normalised to length 1 before. Positives are the other images with the anchor's label; n is the
    negative next behind p or, where none is farther than p, the farthest. An anchor without a positive or a negative
    has a loss of 0.
    """
    unit = normalize(embeddings)
    distances = 2 - 2 * unit @ unit.T
    same = labels[:, None] == labels
    negatives = distances.masked_fill(same, torch.inf)
    # A×P×N: every negative beside every positive of an anchor.
    behind = negatives[:, None].where(distances[:, None] > distances[:, :, None], torch.inf).amin(2)
    farthest = distances.masked_fill(same, -torch.inf).amax(1, keepdim=True)
    chosen = behind.where(behind.isfinite(), farthest)
    pairs = same & chosen.isfinite()
    pairs.fill_diagonal_(False)
    hinges = (distances - chosen + margin).clamp_min(0).where(pairs, 0)
    return hinges.sum(1) / pairs.sum(1).clamp_min(1)
