"""Local search for kept sets with a small exact distance: round a fractional plan, move medoids."""

from __future__ import annotations

import numpy as np

from otanalysis.arrays import FloatArray, IntArray
from otanalysis.transport.exact import ExactTransport, solve_exact

# Relative to what a column carries: its sum has no negative term, so it is exact to about m ulps.
_LEAST_GAIN = 1e-12
# A token that the fractional plan never keeps can still be drawn.
_LEAST_WEIGHT = 1e-3


def move_medoids(cost: FloatArray, transport: ExactTransport) -> IntArray:
    """Return the kept tokens [k] after one round: each at the cheapest free token for its plan column."""
    from scipy.sparse import csr_array

    # A plan has no more than m + k - 1 entries that are not zero, and the cost is symmetric.
    served = np.asarray(csr_array(transport.plan.T) @ cost)
    kept = transport.indices.copy()
    free = np.ones(len(cost), dtype=bool)
    free[kept] = False
    for column, current in enumerate(kept):
        best = int(np.argmin(np.where(free, served[column], np.inf)))
        # A move must gain more than rounding, or duplicates would change places for ever.
        if free[best] and served[column, best] < (1.0 - _LEAST_GAIN) * served[column, current]:
            free[current], free[best] = True, False
            kept[column] = best
    return kept


def local_search(
    cost: FloatArray, kept: IntArray, rounds: int, masses: FloatArray | None = None
) -> ExactTransport:
    """Move medoids until nothing moves, or ``rounds`` times; the distance never grows.

    Parameters
    ----------
    cost : ndarray [m, m]
        Squared distances.
    kept : ndarray [k]
        Where to begin.
    rounds : int
        Rounds at most; each costs one exact solve.
    masses : ndarray [m], optional
        Of the tokens; uniform if left out.

    Raises
    ------
    ConvergenceError
        If an exact distance could not be certified.
    """
    transport = solve_exact(cost, kept, masses=masses)
    for _ in range(rounds):
        moved = move_medoids(cost, transport)
        if np.array_equal(moved, transport.indices):
            break
        transport = solve_exact(cost, moved, masses=masses)
    return transport


def sample_systematically(
    order: IntArray, weights: FloatArray, keep: int, generator: np.random.Generator
) -> IntArray:
    """Draw ``keep`` tokens with given chances so that every run of ``order`` gets its share, up to one.

    Systematic sampling: along the leaves of a dendrogram every cluster gets the whole number below or above
    the sum of its chances.

    Parameters
    ----------
    order : ndarray [m]
        The tokens, neighbours close to each other.
    weights : ndarray [m]
        Chances in proportion, non-negative, not all zero; capped at one.
    keep : int
        Number of tokens to draw.
    generator : numpy.random.Generator
        Draws one number.
    """
    chance = weights + _LEAST_WEIGHT * weights.mean()
    chance = chance * (keep / chance.sum())
    # Capping one chance raises the others; the excess shrinks by a constant factor each time.
    while chance.max() > 1.0 + 1e-9:
        full = chance >= 1.0
        chance[full] = 1.0
        chance[~full] *= (keep - full.sum()) / chance[~full].sum()
    ends = np.cumsum(chance[order])
    places = np.searchsorted(ends * (keep / ends[-1]), generator.random() + np.arange(keep))
    kept = np.unique(order[np.minimum(places, len(order) - 1)])
    # Rounding at a border may hit one token twice: the likeliest others make up the count.
    others = np.setdiff1d(order[np.argsort(-chance[order], kind="stable")], kept, assume_unique=True)
    return np.sort(np.concatenate([kept, others[: keep - kept.size]]))
