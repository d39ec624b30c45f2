"""Bilinear enlargement of many small grids at once, as two products of matrices."""

import numpy as np


def enlarge(grids: np.ndarray, size: int, nodes: np.ndarray | int | None = None) -> np.ndarray:
    """…×size×size float64 from …×N×N: values lie in the middle of their cells and go on unchanged to the border.

    That is the convention of half-pixel centres, PyTorch's `align_corners=False`. With `nodes` n, an integer or one for
    each grid as …×1×1, only the first n×n values of a grid count and fill the whole size.
    """
    nodes = grids.shape[-1] if nodes is None else nodes
    place = ((np.arange(size)[:, None] + 0.5) * nodes / size - 0.5).clip(0, nodes - 1)
    weights = (1 - np.abs(place - np.arange(grids.shape[-1]))).clip(0)
    return weights @ grids @ weights.swapaxes(-2, -1)
