"""BUILD: the medoids that FasterPAM starts from."""

from __future__ import annotations

from heapq import heapify, heapreplace

import numpy as np

from otanalysis.image import FloatArray

__all__ = ["build_medoids"]


def build_medoids(cost: FloatArray, keep: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    r"""Return medoids picked one by one, each the token that lowers the quantisation error most.

    BUILD of Kaufman and Rousseeuw (1987), pick by pick that of ``kmedoids.pam_build``, which looks at every
    token before every pick. What a token would lower the error by never grows as others are picked, so one
    that would not win with its value of earlier is not looked at again (Minoux, 1978). Rounding keeps the
    order of sums whose terms are ordered: even ties end alike.

    Parameters
    ----------
    cost : ndarray [m, m]
        Squared distances.
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
    medoids = [int(np.argmin(np.add.accumulate(cost, axis=1)[:, -1]))]
    nearest = cost[medoids[0]]
    # Change of the error, token, and the number of medoids that it was computed for; ties go by the token.
    changes = [(_change(cost, nearest, token), token, 1) for token in range(len(cost))]
    heapify(changes)
    while len(medoids) < keep:
        change, token, count = changes[0]
        if count < len(medoids):
            heapreplace(changes, (_change(cost, nearest, token), token, len(medoids)))
        elif change < 0.0:
            medoids.append(token)
            nearest = np.minimum(nearest, cost[token])
        else:
            break
    return np.array(medoids, dtype=np.int64)


def _change(cost: FloatArray, nearest: FloatArray, token: int) -> float:
    """Return the change of the error by one more medoid: its own part first, then the others' in order."""
    terms = np.empty(len(cost) + 1)
    terms[0] = -nearest[token]
    np.minimum(cost[token] - nearest, 0.0, out=terms[1:])
    terms[token + 1] = 0.0
    return float(np.add.accumulate(terms)[-1])
