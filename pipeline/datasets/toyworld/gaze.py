"""Simulated gaze: where a person who tells the classes apart might look."""

from collections.abc import Sequence

import numpy as np

#: Between a look's target and where it lands, in sides of the picture.
_SPREAD = 0.015


def fixations(rng: np.random.Generator, targets: Sequence[tuple[np.ndarray, float]], size: int) -> np.ndarray:
    """F×3, F from 5 to 9: x, y in pixels inside the picture, duration 150..500 ms.

    Each falls on a pixel of one of the `targets`, drawn by their weights (mask size×size, weight), a little off.
    """
    seen = [(np.argwhere(mask), weight) for mask, weight in targets if mask.any()]
    weights = np.array([weight for _, weight in seen])
    count = rng.integers(5, 10)
    places = np.empty((count, 2))
    for row, chosen in enumerate(rng.choice(len(seen), count, p=weights / weights.sum())):
        pixels = seen[chosen][0]
        places[row] = pixels[int(rng.random() * len(pixels)), ::-1] + 0.5
    places += rng.normal(0, _SPREAD * size, places.shape)
    return np.column_stack([np.clip(places, 0, size - 1e-3), rng.uniform(150, 500, count)])
