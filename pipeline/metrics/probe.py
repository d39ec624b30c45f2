"""Linear probes: whether attributes can be read off frozen features (admm.md section 4.3)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from torch import Tensor


class Probe(NamedTuple):
    """For each of d attributes the share of test images, 0..1, that `accuracy` the probe gets right, and `majority`
    whoever always gives the more frequent answer of the training images; `regularisation` is C of the probe.
    """

    accuracy: Tensor
    majority: Tensor
    regularisation: Tensor


class Fold(NamedTuple):
    """Standardised features of training images of which a part is held out, and the numbers of both parts' images."""

    fitted: np.ndarray
    held_out: np.ndarray
    fitted_rows: np.ndarray
    held_out_rows: np.ndarray


def linear_probe(
    features: Tensor,
    attributes: Tensor,
    test_features: Tensor,
    test_attributes: Tensor,
    regularisation: float | Sequence[float] = 1.0,
    groups: Sequence[str] | None = None,
    folds: int = 5,
) -> Probe:
    """A linear support vector machine an attribute, fitted on N×K `features` standardised by their own mean and std.

    `attributes` N×d are 0 or 1; `test_features` M×K and `test_attributes` M×d are what is scored. `regularisation` is C
    of the machine; classes are not weighted. Of several C an attribute gets the one with which most training images
    are right while held out, the smallest of equals: in `folds` parts, with the images of one of the `groups` N in one
    part (admm.md section 4.3: identities). None means that no two images belong together.

    Read accuracy beside the majority rate, which is large for rare ones. An attribute of which training shows one class
    only has no probe: accuracy and C are NaN, while the majority rate is that of its class, 1 if the test images have
    no other. Where both classes are equally frequent the majority says 0. Constant features do not matter. Raises
    `ValueError` for features that are not finite, which would spoil every attribute, and for fewer groups than folds.
    """
    _check(features, attributes, test_features, test_attributes)
    train, test = (part.double().cpu().numpy() for part in (features, test_features))
    truth, answers = attributes.cpu().numpy(), test_attributes.cpu().numpy()
    candidates = [regularisation] if isinstance(regularisation, int | float) else sorted(regularisation)
    parts = _folds(train, groups, folds) if len(candidates) > 1 else []
    fitted, scored = _standardised(train, test)
    accuracy, strength = torch.full((2, truth.shape[1]), torch.nan, dtype=torch.float64)
    for i in range(len(accuracy)):
        if 0 < truth[:, i].sum() < len(truth):
            # max gives the first of equals.
            strength[i] = max(candidates, key=lambda c, i=i: held_out_right(parts, truth[:, i], c))
            accuracy[i] = _right(fitted, truth[:, i], scored, answers[:, i], strength[i].item()) / len(answers)
    frequent = attributes.double().mean(0) > 0.5
    return Probe(accuracy, (test_attributes == frequent).double().mean(0).cpu(), strength)


def held_out_right(folds: Sequence[Fold], marks: np.ndarray, regularisation: float) -> int:
    """How many images have the right one of their `marks` N while held out, with C = `regularisation`.

    Where the images beside the held-out ones show one class only, that class is the answer.
    """
    return sum(
        _right(fold.fitted, marks[fold.fitted_rows], fold.held_out, marks[fold.held_out_rows], regularisation)
        for fold in folds
    )


def _right(
    fitted: np.ndarray, marks: np.ndarray, scored: np.ndarray, answers: np.ndarray, regularisation: float
) -> int:
    if marks.min() == marks.max():
        return int((answers == marks[0]).sum())
    # Of the same optimum, the primal solver is the slower one unless images are several times as many as features.
    dual = len(fitted) < 4 * fitted.shape[1]
    machine = LinearSVC(C=regularisation, dual=dual, random_state=0, max_iter=100_000)
    return int((machine.fit(fitted, marks).predict(scored) == answers).sum())


def _folds(features: np.ndarray, groups: Sequence[str] | None, count: int) -> list[Fold]:
    groups = range(len(features)) if groups is None else groups
    return [
        Fold(*_standardised(features[fitted], features[held_out]), fitted, held_out)
        for fitted, held_out in GroupKFold(count).split(features, groups=groups)
    ]


def _standardised(features: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both by mean and std of the first."""
    scaler = StandardScaler().fit(features)
    return scaler.transform(features), scaler.transform(others)


def _check(features: Tensor, attributes: Tensor, test_features: Tensor, test_attributes: Tensor) -> None:
    for part, marks in ((features, attributes), (test_features, test_attributes)):
        if part.ndim != 2 or marks.ndim != 2 or len(part) != len(marks) or not len(part):
            raise ValueError(f"features {tuple(part.shape)} and attributes {tuple(marks.shape)} must be N×K and N×d")
        if not part.isfinite().all():
            raise ValueError("features hold values that are not finite")
    if features.shape[1] != test_features.shape[1] or attributes.shape[1] != test_attributes.shape[1]:
        raise ValueError("training and test images must have as many features, and as many attributes, as each other")
