"""Mutual information of filters and classes (csg.md E1)."""

import numpy as np
from sklearn.feature_selection import mutual_info_classif


def mutual_information_matrix(
    features: np.ndarray, labels: np.ndarray, classes: int, neighbours: int = 3
) -> np.ndarray:
    """M of shape K×C in nats, M_kc = MI(a_k(x); 1[y = c]), estimated from k nearest neighbours (Ross 2014).

    `features` is N×K real, `labels` N integers below `classes`. Values are ≥ 0 and, up to the noise of the estimate,
    at most the entropy of 1[y = c]. A class without images has no information: its column is 0.
    """
    columns = [
        mutual_info_classif(features, labels == c, n_neighbors=neighbours, random_state=0)
        if 0 < (labels == c).sum() < len(labels)
        else np.zeros(features.shape[1])
        for c in range(classes)
    ]
    return np.stack(columns, axis=1)


def mutual_information_score(matrix: np.ndarray) -> float:
    """MIS = mean over filters of the largest entry of their row of the K×C `matrix`, in nats."""
    return float(matrix.max(axis=1).mean())
