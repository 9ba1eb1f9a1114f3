"""Subsets of one size: random ones, and all of them by their number."""

from __future__ import annotations

from math import comb

import numpy as np

from otanalysis.arrays import IntArray


def random_subsets(generator: np.random.Generator, m: int, keep: int, count: int) -> IntArray:
    """Draw ``count`` subsets [count, keep] of ``m`` positions, independent and uniform; positions ascending.

    Examples
    --------
    >>> random_subsets(np.random.default_rng(0), 5, 2, 1000).shape
    (1000, 2)
    """
    places = np.broadcast_to(np.arange(m), (count, m))
    return np.sort(generator.permuted(places, axis=1)[:, :keep], axis=1)


def numbered_subsets(first: int, count: int, m: int, keep: int) -> IntArray:
    r"""Return the subsets with the numbers ``first`` to ``first + count - 1``, positions ascending.

    The number of :math:`c_1 < \dots < c_k` is :math:`\sum_j \binom{c_j}{j}`, from 0 to :math:`\binom mk - 1`
    (the combinatorial number system).

    Parameters
    ----------
    first, count : int
        Which ones; all below the number of subsets.
    m, keep : int
        Of how many positions, and how many.

    Returns
    -------
    ndarray [count, keep]

    Examples
    --------
    >>> numbered_subsets(0, 6, 4, 2).tolist()
    [[0, 1], [0, 2], [1, 2], [0, 3], [1, 3], [2, 3]]
    """
    left = np.arange(first, first + count)
    subsets = np.empty((count, keep), dtype=np.int64)
    every = comb(m, keep)
    for size in range(keep, 0, -1):
        before = np.array([min(comb(place, size), every) for place in range(m)])
        subsets[:, size - 1] = np.searchsorted(before, left, side="right") - 1
        left = left - before[subsets[:, size - 1]]
    return subsets
