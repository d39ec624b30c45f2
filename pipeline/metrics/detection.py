"""Whether adversarial images can be told from clean ones by their features (csg.md E10).

The paper names no detector; a random forest on the pooled features is our choice (csg.md 8.23).
"""

from collections.abc import Sequence

import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from torch import Tensor


def detection_scores(
    clean: Tensor,
    adversarial: Tensor,
    test_clean: Tensor,
    test_adversarial: Tensor,
    *,
    trees: int,
    seeds: Sequence[int],
) -> Tensor:
    """What forests think of M test images: F×2×M probabilities of being adversarial, of clean and of changed features.

    One forest of `trees` a seed in 0..2³²−1, fitted on N×K `clean` and `adversarial` features of the same N images; the
    features of the M test images are M×K. Without test images F×2×0. Raises `ValueError` for features that are not
    finite, which would spoil every forest, and without training images.
    """
    _check(clean, adversarial, test_clean, test_adversarial)
    if not len(clean):
        raise ValueError("a detector needs images to be trained on")
    features = torch.cat([clean, adversarial]).cpu().numpy()
    marks = torch.arange(2).repeat_interleave(len(clean)).numpy()
    tests = torch.cat([test_clean, test_adversarial]).cpu().numpy()
    scores = torch.zeros(len(seeds), len(tests), dtype=torch.float64)
    if len(tests):
        for forest, seed in enumerate(seeds):
            fitted = RandomForestClassifier(n_estimators=trees, random_state=seed).fit(features, marks)
            scores[forest] = torch.from_numpy(fitted.predict_proba(tests)[:, 1])
    return scores.unflatten(1, (2, len(test_clean)))


def detection_error(scores: Tensor) -> Tensor:
    """Share of wrong answers of each of F detectors, 0..1, from `scores` F×2×M of clean and of adversarial images.

    The answer is "adversarial" above one half, so that a detector that knows nothing is wrong on half. NaN without
    images, and where a score is NaN.
    """
    found = (scores > 0.5).double()
    wrong = torch.stack([found[:, 0], 1 - found[:, 1]], dim=1)
    return wrong.where(~scores.isnan(), torch.nan).mean(dim=(1, 2))


def detection_auc(scores: Tensor) -> Tensor:
    """Area under the ROC curve of each of F detectors, 0..1, ½ by chance, from `scores` F×2×M as above.

    NaN without images, and where a score is NaN.
    """
    marks = torch.arange(2).repeat_interleave(scores.shape[2]).numpy()
    known = scores.shape[2] > 0
    areas = [
        roc_auc_score(marks, row.numpy()) if known and not row.isnan().any() else torch.nan
        for row in scores.flatten(1).cpu()
    ]
    return torch.tensor(areas, dtype=torch.float64)


def _check(clean: Tensor, adversarial: Tensor, test_clean: Tensor, test_adversarial: Tensor) -> None:
    for part, changed in ((clean, adversarial), (test_clean, test_adversarial)):
        if part.ndim != 2 or part.shape != changed.shape or part.shape[1:] != clean.shape[1:]:
            raise ValueError(
                f"clean and adversarial features must be N×K of the same images, found {tuple(part.shape)} and "
                f"{tuple(changed.shape)}"
            )
        if not (part.isfinite().all() and changed.isfinite().all()):
            raise ValueError("features hold values that are not finite")
