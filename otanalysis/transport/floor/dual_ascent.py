"""Dual ascent: good prices for the Lagrangian bound, and the fractional plan that they come from.

L-BFGS (Byrd, Lu, Nocedal and Zhu, 1995, for the non-negative prices of the cuts) on the smooth form of the
bound, see :mod:`otanalysis.transport.floor.smoothed_dual`. It looks at a short list of the cheapest entries
of every token only. What is returned is evaluated on all entries by the caller, so neither costs validity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from otanalysis.arrays import FloatArray, IntArray
from otanalysis.transport.floor.lagrangian import Prices, cheapest_fill, reduced_cost

_LENGTH = 4.0  # length of the short lists, in tokens that one kept token serves
_SHORTEST = 16  # and this many more
_LARGEST_PRICE = 4.0  # prices stay below this many times the largest cost, whatever the short lists promise
_WANTED_BY = 6  # keepers at least that would serve a token, on the short lists
_MEMORY = 15  # pairs that L-BFGS remembers
_KEEPERS_WIDTH = 2.0  # width of the choice of keepers, in that of the choice of tokens times the capacity


@dataclass(frozen=True, eq=False)
class DualSolution:
    """Where a dual ascent ended, and the fractional plan there.

    Attributes
    ----------
    prices : Prices
        The best of the smooth bound.
    kept : ndarray [m]
        Share to which each token is kept there; sums to ``keep``.
    shares : ndarray [m, m]
        Share of token ``i`` that ``j`` serves there.
    """

    prices: Prices
    kept: FloatArray
    shares: FloatArray


def ascend_dual(
    cost: FloatArray,
    keep: int,
    start: Prices,
    *,
    width: float,
    steps: int,
    choice: float = np.inf,
    breadth: float = 1.0,
) -> DualSolution:
    """Raise the smooth Lagrangian bound from the given prices.

    Parameters
    ----------
    cost : ndarray [m, m]
        Squared distances.
    keep : int
        Number of kept tokens.
    start : Prices
        Where to begin.
    width : float
        Width of the smoothing (squared unit): positive; wide ones converge fast, narrow ones are close to
        the bound.
    steps : int
        Number of steps at most.
    choice : float
        How many tokens are looked at as keepers, in multiples of ``keep``: those that are cheap at ``start``.
    breadth : float
        Factor of the length of the short lists.
    """
    # numba takes half a second to load.
    from otanalysis.transport.floor.smoothed_dual import short_list, smooth_bound

    m, cuts = len(cost), start.cuts
    rows = _with_raised_prices(reduced_cost(cost, start), keep, cuts.sizes)
    length = _list_length(rows, breadth * _LENGTH * m / keep, cuts.sizes)
    keepers, near = _candidates(rows, start, keep, choice, length)
    short = short_list(near, cost[keepers[:, None], near], cuts.served, cuts.keepers[:, keepers])
    # A cut's slope grows with its group; this brings all coordinates to one scale.
    scale = np.concatenate([np.ones(m), np.sqrt(np.maximum(cuts.served.sum(axis=1), 1.0))])
    rest, limit, sizes = cuts.rest, cuts.limit, np.zeros(0) if cuts.sizes is None else cuts.sizes
    widths = np.array([width, _KEEPERS_WIDTH * width * m / keep])
    thresholds, slope = np.zeros(len(keepers) + 1), np.zeros(m + len(cuts))
    kept, shares = np.zeros(len(keepers)), np.zeros(near.shape)
    largest = _LARGEST_PRICE * float(cost.max())

    def negative_bound(point: FloatArray) -> tuple[float, FloatArray]:
        price = point / scale
        value = smooth_bound(
            short, keep, rest, limit, price[:m], price[m:], sizes, widths, thresholds, shares, kept, slope
        )
        return -float(value), -slope / scale

    found = minimize(
        negative_bound,
        np.concatenate([start.tokens, start.cut_prices]) * scale,
        jac=True,
        method="L-BFGS-B",
        bounds=[(-largest, largest)] * m + [(0.0, high) for high in largest * scale[m:]],
        options={"maxiter": steps, "maxcor": _MEMORY, "ftol": 0.0, "gtol": 0.0},
    )
    negative_bound(found.x)
    price = found.x / scale
    plan, every = np.zeros((m, m)), np.zeros(m)
    plan[keepers[:, None], near] = kept[:, None] * shares
    every[keepers] = kept
    return DualSolution(Prices(price[:m], cuts, np.maximum(price[m:], 0.0)), every, plan.T.copy())


def _list_length(rows: FloatArray, capacity: float, sizes: FloatArray | None) -> int:
    """Return how many tokens are on the short lists: some, and as many as fill the capacity of every row."""
    m = len(rows)
    if sizes is None:
        return min(m, int(capacity) + _SHORTEST)
    taken = (cheapest_fill(rows, min(capacity, float(m)), sizes).weights > 0.0).any(axis=0)
    return min(m, int(np.flatnonzero(taken)[-1]) + _SHORTEST)


def _with_raised_prices(rows: FloatArray, keep: int, sizes: FloatArray | None = None) -> FloatArray:
    """Return the reduced costs [m, m] at prices so high that some keepers would serve each token.

    A token that is on nobody's short list could raise its price, and the smooth bound, without end.
    """
    last = cheapest_fill(rows, len(rows) / keep, sizes).highest(rows)
    wanted = min(_WANTED_BY, len(rows)) - 1
    missing = np.partition(rows - last[:, None], wanted, axis=0)[wanted]
    return np.asarray(rows - np.maximum(missing, 0.0))


def _candidates(
    rows: FloatArray, prices: Prices, keep: int, choice: float, length: int
) -> tuple[IntArray, IntArray]:
    """Return the tokens that are cheap to keep [n], in ascending order, and what is cheap to serve [n, p]."""
    m = len(rows)
    most = min(m, round(min(choice * keep, m)) + _SHORTEST)
    totals = cheapest_fill(rows, m / keep, prices.cuts.sizes).totals - prices.cuts.rebate(prices.cut_prices)
    keepers = np.sort(np.argpartition(totals, most - 1)[:most])
    return keepers, np.argpartition(rows[keepers], length - 1, axis=1)[:, :length]
