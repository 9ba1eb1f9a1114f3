"""K-medoids of a matrix of distances: BUILD, and FasterPAM from any start."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from itertools import repeat

import numpy as np

from otanalysis.arrays import FloatArray, IntArray
from otanalysis.errors import ConvergenceError

_AT_ONCE = 32
"""Tokens whose changes are looked at together: more would not have been looked at one by one."""


def build_medoids(cost: FloatArray, keep: int) -> IntArray:
    r"""Return medoids picked one by one, each the token that lowers the quantisation error most.

    BUILD of Kaufman and Rousseeuw (1987), pick by pick that of ``kmedoids.pam_build``, which looks at every
    token before every pick. What a token would lower the error by never grows as others are picked, so one
    that would not win with its value of earlier is not looked at again (Minoux, 1978). Rounding keeps the
    order of sums whose terms are ordered: even ties end alike.

    Parameters
    ----------
    cost : ndarray [m, m]
        In row ``j`` what every token costs if ``j`` is its medoid: squared distances, times the tokens'
        weights if they have any.
    keep : int
        Number of medoids.

    Returns
    -------
    ndarray [keep]
        In the order picked, distinct; fewer once every token has a duplicate among them.

    Examples
    --------
    >>> from otanalysis.transport import squared_distances
    >>> build_medoids(squared_distances([[0.0], [1.0], [2.0], [8.0]]), 2)
    array([2, 3])
    """
    m = len(cost)
    medoids = [int(np.argmin(_totals(cost)))]
    nearest = cost[medoids[0]]
    # Change of the error, token, and the number of medoids that it was computed for; ties go by the token.
    changes = list(zip(_changes(cost, nearest, range(m)), range(m), repeat(1)))
    heapify(changes)
    while len(medoids) < keep:
        change, token, count = changes[0]
        if count < len(medoids):
            stale = _pop_stale(changes, len(medoids))
            for new, one in zip(_changes(cost, nearest, stale), stale, strict=True):
                heappush(changes, (new, one, len(medoids)))
        elif change < 0.0:
            medoids.append(token)
            nearest = np.minimum(nearest, cost[token])
        else:
            break
    return np.array(medoids, dtype=np.int64)


def _pop_stale(changes: list[tuple[float, int, int]], count: int) -> list[int]:
    """Take the tokens off the heap that come before the first whose change is of so many medoids."""
    stale: list[int] = []
    while changes and changes[0][2] < count and len(stale) < _AT_ONCE:
        stale.append(heappop(changes)[1])
    return stale


def _totals(cost: FloatArray) -> list[float]:
    """Return the sums of the rows, their entries added in order."""
    found: list[float] = []
    for start in range(0, len(cost), _AT_ONCE):
        # NumPy adds rows one after the other, but pairs of a single column: a second one keeps it from that.
        columns = np.zeros((len(cost), len(cost[start : start + _AT_ONCE]) + 1))
        columns[:, :-1] = cost[start : start + _AT_ONCE].T
        found += np.add.reduce(columns, axis=0)[:-1].tolist()
    return found


def _changes(cost: FloatArray, nearest: FloatArray, tokens: Sequence[int]) -> list[float]:
    """Return the changes of the error by one more medoid each: its own part first, then the others'.

    Parts are added in order; those of tokens that stay where they are would add zero, and are left out.
    """
    found: list[float] = []
    for start in range(0, len(tokens), _AT_ONCE):
        some = np.array(tokens[start : start + _AT_ONCE])
        numbers, rows = np.arange(len(some)), cost[some]
        closer = rows < nearest
        closer[numbers, some] = False
        places = np.flatnonzero(closer)
        owner, token = np.divmod(places, len(cost))
        parts = np.concatenate([-nearest[some], rows.ravel()[places] - nearest[token]])
        found += np.bincount(np.concatenate([numbers, owner]), parts).tolist()
    return found


def medoids(cost: FloatArray, keep: int, max_iter: int, masses: FloatArray | None = None) -> IntArray:
    """Return the ``keep`` medoids, ascending and distinct, of the squared distances [m, m] and masses [m].

    Raises
    ------
    ConvergenceError
        If FasterPAM still swaps after ``max_iter`` passes.
    """
    return settle_medoids(cost, build_medoids(_by_medoid(cost, masses), keep), keep, max_iter, masses)


def settle_medoids(
    cost: FloatArray, start: IntArray, keep: int, max_iter: int, masses: FloatArray | None = None
) -> IntArray:
    """Return ``keep`` medoids, ascending and distinct, none of which another token could replace with a gain.

    Parameters
    ----------
    cost : ndarray [m, m]
        Squared distances.
    start : ndarray [n]
        Where FasterPAM begins: distinct, at most ``keep``. Fewer settle among themselves.
    keep : int
        Number of medoids; the lowest other tokens make up the count.
    max_iter : int
        Passes over all tokens before giving up.
    masses : ndarray [m], optional
        Of the tokens; uniform if left out.

    Raises
    ------
    ConvergenceError
        If medoids still move after ``max_iter`` passes.
    """
    # The package loads scikit-learn where it is installed; importing otanalysis must not.
    import kmedoids

    if keep == 1 and masses is not None:
        # The package takes rows for columns where it looks for one medoid; BUILD's is the best there is.
        return build_medoids(_by_medoid(cost, masses), 1)
    # FasterPAM has objects in rows and medoids in columns, BUILD the other way round.
    by_token = cost if masses is None else cost * masses[:, None]
    found = kmedoids.fasterpam(by_token, start, max_iter=max_iter, n_cpu=1)
    if found.n_iter >= max_iter:
        raise ConvergenceError(
            f"FasterPAM was to settle within {max_iter} passes, but medoids still move: raise max_iter."
        )
    is_kept = np.zeros(len(cost), dtype=bool)
    is_kept[found.medoids] = True
    # BUILD stops once every token has a duplicate among the medoids: the lowest others make up the count.
    is_kept[np.flatnonzero(~is_kept)[: keep - int(is_kept.sum())]] = True
    return np.flatnonzero(is_kept)


def _by_medoid(cost: FloatArray, masses: FloatArray | None) -> FloatArray:
    """Return in row ``j`` what every token costs if ``j`` is its medoid."""
    return cost if masses is None else cost * masses
