"""Linear probes: whether attributes can be read off frozen features (admm.md section 4.3)."""

from typing import NamedTuple

import torch
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from torch import Tensor


class Probe(NamedTuple):
    """For each of d attributes the share of test images, 0..1, that `accuracy` the probe gets right, and `majority`
    whoever always gives the more frequent answer of the training images.
    """

    accuracy: Tensor
    majority: Tensor


def linear_probe(
    features: Tensor, attributes: Tensor, test_features: Tensor, test_attributes: Tensor, regularisation: float = 1.0
) -> Probe:
    """A linear support vector machine an attribute, fitted on N×K `features` standardised by their own mean and std.

    `attributes` N×d are 0 or 1; `test_features` M×K and `test_attributes` M×d are what is scored. `regularisation` is C
    of the machine; classes are not weighted. Read accuracy beside the majority rate, which is large for rare ones. An
    attribute of which training shows one class only has no probe: accuracy NaN, while the majority rate is that of its
    class, 1 if the test images have no other. Where both classes are equally frequent the majority says 0. Constant
    features do not matter. Raises `ValueError` for features that are not finite, which would spoil every attribute.
    """
    _check(features, attributes, test_features, test_attributes)
    scaler = StandardScaler().fit(features.double().cpu().numpy())
    train, test = (scaler.transform(part.double().cpu().numpy()) for part in (features, test_features))
    truth, answers = attributes.cpu().numpy(), test_attributes.cpu().numpy()
    accuracy = torch.full(truth.shape[1:], torch.nan, dtype=torch.float64)
    for i in range(len(accuracy)):
        if 0 < truth[:, i].sum() < len(truth):
            machine = LinearSVC(C=regularisation, dual="auto", random_state=0, max_iter=10_000)
            accuracy[i] = (machine.fit(train, truth[:, i]).predict(test) == answers[:, i]).mean()
    frequent = attributes.double().mean(0) > 0.5
    return Probe(accuracy, (test_attributes == frequent).double().mean(0).cpu())


def _check(features: Tensor, attributes: Tensor, test_features: Tensor, test_attributes: Tensor) -> None:
    for part, marks in ((features, attributes), (test_features, test_attributes)):
        if part.ndim != 2 or marks.ndim != 2 or len(part) != len(marks) or not len(part):
            raise ValueError(f"features {tuple(part.shape)} and attributes {tuple(marks.shape)} must be N×K and N×d")
        if not part.isfinite().all():
            raise ValueError("features hold values that are not finite")
    if features.shape[1] != test_features.shape[1] or attributes.shape[1] != test_attributes.shape[1]:
        raise ValueError("training and test images must have as many features, and as many attributes, as each other")
