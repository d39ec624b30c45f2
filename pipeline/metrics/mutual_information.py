"""Mutual information of filters and classes (csg.md E1).

The estimator is that of Ross 2014, "Mutual information between discrete and continuous data sets", equation 2, with the
preparation of scikit-learn's `mutual_info_classif`. For a point i of label d let D_i be the distance to its k-th
nearest neighbour of the same label, and m_i the number of all points nearer than D_i, itself included. Then

    MI = ψ(N) + mean ψ(k) − mean ψ(N_d) − mean ψ(m)        and 0 where that is negative.

Each filter is sorted once for all classes, and little is left to do for a class. Of the points outside class c, only
those with a member of c among their k nearest neighbours have another D_i than without labels: at most k classes a
point, however many there are. So time grows with N·K, hardly with the number of classes.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from scipy.special import digamma
from sklearn.preprocessing import scale

#: Points that are worked on at once: their arrays stay in a core's cache.
BLOCK = 1 << 15


def mutual_information_matrix(
    features: np.ndarray, labels: np.ndarray, classes: int, neighbours: int = 3, threads: int = 1
) -> np.ndarray:
    """M of shape K×C in nats, M_kc = MI(a_k(x); 1[y = c]), estimated from the `neighbours` nearest neighbours.

    `features` is N×K real, `labels` N integers below `classes`. Values are ≥ 0 and, up to the noise of the estimate,
    at most the entropy of 1[y = c]. They are those of `mutual_info_classif(features, labels == c, random_state=0)` up
    to rounding, as long as class and rest have more than 2·neighbours + 1 images each; scikit-learn finds neighbours of
    smaller groups by a formula that cancels digits, here their distances are exact.

    The column of a class is 0 if it or the rest has fewer than two images: then one label is left. A filter that is
    constant knows nothing; a filter with NaN or infinite values has a row of NaN. Raises `ValueError` for shapes or
    labels that do not fit.
    """
    features, labels = np.asarray(features), np.asarray(labels)
    if features.ndim != 2 or labels.shape != features.shape[:1]:
        raise ValueError(f"features {features.shape} and labels {labels.shape} must be N×K and N")
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(f"labels must lie in 0..{classes - 1}, found {labels.min()}..{labels.max()}")
    known = np.isfinite(features).all(axis=0)
    matrix = np.where(known[:, None], 0.0, np.full(classes, np.nan))
    counts = np.bincount(labels, minlength=classes)
    found, filters = np.flatnonzero((counts >= 2) & (len(labels) - counts >= 2)), np.flatnonzero(known)
    if not len(found) or not len(filters):
        return matrix
    prepared = _prepared(np.where(known, features, 0))
    step = max(1, BLOCK // len(labels))
    blocks = [filters[start : start + step] for start in range(0, len(filters), step)]
    with ThreadPoolExecutor(threads) as pool:
        rows = pool.map(lambda block: _informations(prepared[:, block].T, labels, counts, neighbours), blocks)
        matrix[np.ix_(filters, found)] = np.concatenate(list(rows))[:, found]
    return matrix


def mutual_information_score(matrix: np.ndarray) -> float:
    """MIS = mean over filters of the largest entry of their row of the K×C `matrix`, in nats.

    Filters with NaN are left out; NaN if no filter remains.
    """
    best = matrix.max(axis=1)
    return float(best[~np.isnan(best)].mean()) if not np.isnan(best).all() else float("nan")


def _prepared(features: np.ndarray) -> np.ndarray:
    """Columns over their standard deviation, with noise of relative size 1e-10 against ties, as in scikit-learn."""
    values = scale(features.astype(np.float64), with_mean=False, copy=False)
    sizes = 1e-10 * np.maximum(1, np.abs(values).mean(axis=0))
    generator = np.random.RandomState(0)
    rows = max(1, BLOCK // values.shape[1])
    for start in range(0, len(values), rows):
        part = values[start : start + rows]
        part += sizes * generator.standard_normal(part.shape)
    return values


class _Sorted(NamedTuple):
    """Filters, each sorted, in rows of `width` that are laid one after another, so that a point is one index.

    Values `x` and labels `y` of a row stand between k sentinels at either end, infinitely far away and without a class.
    So the points around a point are those with the indices around its own, and no row runs into the next.
    """

    x: np.ndarray
    y: np.ndarray
    width: int
    points: np.ndarray

    def sums(self, points: np.ndarray, classes: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
        """Sums F×count of `values` by the filter of a point and by `classes`."""
        filters = len(self.x) // self.width
        into = points // self.width * count + classes
        return np.bincount(into, values, minlength=filters * count).reshape(filters, count)


def _informations(columns: np.ndarray, labels: np.ndarray, counts: np.ndarray, k: int) -> np.ndarray:
    """Estimates F×C for F filters `columns` F×N; meaningless for classes with fewer than two images in or out of them.

    `counts` are the images of each class.
    """
    size, classes = len(labels), len(counts)
    rows = _sorted(columns, labels, k)
    psi = digamma(np.arange(size + 1))

    # Σ ψ(m) over the rest of each class: as if no point had a label, then put right where that matters.
    near, taken = _within(rows, rows.points, [rows.points - a for a in _to(k)], [rows.points + a for a in _to(k)])
    unlabelled = rows.sums(rows.points, rows.y.take(rows.points), psi.take(near), classes)
    number, other = _strangers(rows, taken, k)
    points = rows.points.take(number)
    changed = psi.take(_within(rows, points, *_skipping(rows.y, points, other, k))[0]) - psi.take(near.take(number))
    rest = unlabelled.sum(axis=1, keepdims=True) - unlabelled + rows.sums(points, other, changed, classes)

    members, left, right = _of_one_class(rows, counts, k)
    own = rows.sums(members, rows.y.take(members), psi.take(_within(rows, members, left, right)[0]), classes)

    inside, outside = np.maximum(counts, 2), np.maximum(size - counts, 2)
    y = rows.y.reshape(-1, rows.width)
    for c in np.flatnonzero((counts >= 2) & (inside <= k)):
        own[:, c] = psi[_within_few(rows, y == c)].sum(axis=1)
    for c in np.flatnonzero((size - counts >= 2) & (outside <= k)):
        rest[:, c] = psi[_within_few(rows, (y != c) & (y >= 0))].sum(axis=1)
    labelled = sum(n * (digamma(np.minimum(k, n - 1)) - digamma(n)) for n in (inside, outside)) / size
    return np.maximum(0, digamma(size) + labelled - (own + rest) / size)


def _to(k: int) -> range:
    return range(1, k + 1)


def _sorted(columns: np.ndarray, labels: np.ndarray, k: int) -> _Sorted:
    filters, size = columns.shape
    width = size + 2 * k
    order = np.argsort(columns, axis=1)
    x, y = np.full((filters, width), np.inf), np.full((filters, width), -1)
    x[:, :k] = -np.inf
    x[:, k:-k], y[:, k:-k] = np.take_along_axis(columns, order, axis=1), labels[order]
    points = np.arange(filters)[:, None] * width + np.arange(k, k + size)
    return _Sorted(x.ravel(), y.ravel(), width, points.ravel())


def _within(
    rows: _Sorted, points: np.ndarray, left: list[np.ndarray], right: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """m of each of the `points`, and how many of its k nearest neighbours lie to its left.

    `left[a]` and `right[a]` are its (a+1)-th neighbours to either side of those that count for the distance D; for m
    all points count, of which some may lie between these neighbours. Distances are differences of floating-point
    numbers and "nearer than D" means at most the next smaller number, as in scikit-learn: where D is 0, equal points
    are counted.
    """
    k = len(left)
    value = rows.x.take(points)
    before, after = [value - rows.x.take(index) for index in left], [rows.x.take(index) - value for index in right]
    distance, taken = before[-1], np.full(len(points), k)
    for a in range(k):
        largest = np.maximum(before[a - 1], after[k - 1 - a]) if a else after[-1]
        np.copyto(taken, a, where=largest < distance)
        distance = np.minimum(distance, largest)
    radius = np.nextafter(distance, 0)
    first = _last_inside(rows.x, points, radius, left, before, lambda: points - points % rows.width)
    last = _last_inside(rows.x, points, radius, right, after, lambda: points - points % rows.width + rows.width - 1)
    return last - first + 1, taken


def _last_inside(
    x: np.ndarray,
    points: np.ndarray,
    radius: np.ndarray,
    indices: list[np.ndarray],
    distances: list[np.ndarray],
    end: Callable[[], np.ndarray],
) -> np.ndarray:
    """Index of the last value on one side that is at most `radius` from that of its point, by bisection.

    The neighbours at `indices`, ascending in `distances`, and beyond them the `end` of the row bracket it.
    """
    inside, outside = points.copy(), indices[0].copy()
    for a, (index, distance) in enumerate(zip(indices, distances, strict=True)):
        near = distance <= radius
        if not near.any():
            break
        np.copyto(inside, index, where=near)
        np.copyto(outside, indices[a + 1] if a + 1 < len(indices) else end(), where=near)
    todo = np.flatnonzero(np.abs(outside - inside) > 1)
    low, high, value, radius = inside.take(todo), outside.take(todo), x.take(points.take(todo)), radius.take(todo)
    while len(todo):
        middle = (low + high) >> 1
        near = np.abs(x.take(middle) - value) <= radius
        low, high = np.where(near, middle, low), np.where(near, high, middle)
        inside[todo] = low
        wide = np.flatnonzero(np.abs(high - low) > 1)
        todo, low, high, value, radius = (part.take(wide) for part in (todo, low, high, value, radius))
    return inside


def _strangers(rows: _Sorted, taken: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of points with other classes that occur among their k nearest neighbours, and these classes.

    `taken` of a point's neighbours lie to its left. A pair of point and class occurs once.
    """
    seen = [rows.y.take(rows.points)]
    numbers, others = [], []
    for a in range(k):
        label = rows.y.take(rows.points - taken + a + (a >= taken))
        new = np.flatnonzero(np.logical_and.reduce([label >= 0, *(label != earlier for earlier in seen)]))
        numbers.append(new)
        others.append(label.take(new))
        seen.append(label)
    return np.concatenate(numbers), np.concatenate(others)


def _skipping(y: np.ndarray, points: np.ndarray, skipped: np.ndarray, k: int) -> tuple[list, list]:
    """Indices of the k neighbours on the left and on the right whose class is not `skipped`, nearest first."""
    starts = np.flatnonzero(np.diff(y, prepend=-2))
    run = np.cumsum(np.diff(y, prepend=y[0]) != 0)
    left, right = [], []
    for found, beyond, step in ((left, starts - 1, -1), (right, np.append(starts[1:], len(y)), 1)):
        index = points
        for _ in range(k):
            index = index + step
            index = np.where(y.take(index) == skipped, beyond.take(run.take(index)), index)
            found.append(index)
    return left, right


def _of_one_class(rows: _Sorted, counts: np.ndarray, k: int) -> tuple[np.ndarray, list, list]:
    """All points, by row and class, and their k neighbours of the same class on the left and right, nearest first.

    Where there are fewer, sentinels.
    """
    y = rows.y.reshape(-1, rows.width)
    first = np.arange(len(y))[:, None] * rows.width
    members = first + np.argsort(y, axis=1, kind="stable")[:, 2 * k :]
    rank, size = np.concatenate([np.arange(n) for n in counts]), np.repeat(counts, counts)
    left = [np.where(rank >= a, np.roll(members, a, axis=1), first) for a in _to(k)]
    right = [np.where(rank < size - a, np.roll(members, -a, axis=1), first + rows.width - 1) for a in _to(k)]
    return members.ravel(), [index.ravel() for index in left], [index.ravel() for index in right]


def _within_few(rows: _Sorted, group: np.ndarray) -> np.ndarray:
    """m of a group of at most k points a row, F×n where `group` is true: D is the distance to the farthest of them."""
    values = rows.x.reshape(group.shape)
    members = values[group].reshape(len(group), -1)
    distance = np.maximum(members - members.min(axis=1, keepdims=True), members.max(axis=1, keepdims=True) - members)
    radius = np.nextafter(distance, 0)
    return (np.abs(values[:, None] - members[:, :, None]) <= radius[:, :, None]).sum(axis=2)
