r"""Price ascent: good prices for the Lagrangian bound of the quantisation error, compiled.

Subgradient ascent on :mod:`otanalysis.transport.floor.coverage_bound` in the relative change of the prices: a
token that no kept one gains by serving raises its price, one that several would serve lowers it. Steps are
those of Polyak (1969) towards an error that a kept set has, along a running mean of the slopes; the same mean
of the kept sets says how often each token is kept (Barahona and Anbil, 2000). Where the bound rises no
further, steps become shorter. A token's entries are looked at from the cheapest on, as far as its price
reaches: some ten, whatever the number of tokens.
"""

from __future__ import annotations

import numba
import numpy as np

_MEMORY = 0.5  # share of the running means that a step leaves
_PATIENCE, _SHORTER = 20, 0.7  # so many steps without a gain make all further ones shorter by this factor
_LEAST_GAIN = 1e-4  # of what is left to the target, for a step to count as one
_SHORTEST = 1e-4  # steps that are not worth taking
_REACHED = 1e-9  # of the target, for a bound that is as good as there


@numba.njit(cache=True, error_model="numpy")
def ascend_prices(near, cost, masses, keep, start, target, steps):  # type: ignore[no-untyped-def]
    """Return the best prices [m] that were met, and the share to which every token [m] was kept in the end.

    Parameters
    ----------
    near : ndarray [m, m]
        The tokens in the order of what it costs that they serve each one (row).
    cost : ndarray [m, m]
        What it costs: squared distances in that order.
    masses : ndarray [m]
        Of the tokens.
    keep : int
        Number of kept tokens.
    start : ndarray [m]
        Where to begin, non-negative; a price of zero stays.
    target : float
        The error of a kept set: no bound is above it.
    steps : int
        Number of steps at most.
    """
    price, best_price, best = start.copy(), start.copy(), -np.inf
    heading, shares = np.zeros(len(price)), np.zeros(len(price))
    factor, idle = 1.0, 0
    for _ in range(steps):
        value, kept = _bound(near, cost, masses, keep, price)
        idle = 0 if value > best + _LEAST_GAIN * (target - best) else idle + 1
        if value > best:
            best, best_price = value, price.copy()
        if idle >= _PATIENCE:
            factor, idle, price = _SHORTER * factor, 0, best_price.copy()
        missing, length = target - value, 0.0
        for i in range(len(price)):
            heading[i] = _MEMORY * heading[i] + (1.0 - _MEMORY) * _slope(near[i], cost[i], price[i], kept)
            shares[i] = _MEMORY * shares[i] + (1.0 - _MEMORY) * kept[i]
            length += masses[i] * start[i] * heading[i] ** 2
        if missing <= _REACHED * target or length == 0.0 or factor < _SHORTEST:
            break
        for i in range(len(price)):
            step = factor * missing / length * start[i] * heading[i]
            price[i] = min(max(price[i] + step, 0.0), cost[i, -1])  # dearer ones change nothing
    return best_price, shares


@numba.njit(cache=True, error_model="numpy")
def _bound(near, cost, masses, keep, price):  # type: ignore[no-untyped-def]
    """Return the bound, and which tokens [m] are kept there."""
    gain, value = np.zeros(len(price)), 0.0
    for i in range(len(price)):
        value += masses[i] * price[i]
        for place in range(len(price)):
            if cost[i, place] >= price[i]:
                break
            gain[near[i, place]] += masses[i] * (price[i] - cost[i, place])
    chosen = np.argsort(-gain)[:keep]
    kept = np.zeros(len(price), np.bool_)
    kept[chosen] = True
    return value - gain[chosen].sum(), kept


@numba.njit(cache=True, error_model="numpy")
def _slope(near, cost, price, kept):  # type: ignore[no-untyped-def]
    """Return how fast the bound grows with a token's price, over its mass: one less the kept ones it pays."""
    slope = 1.0
    for place in range(len(near)):
        if cost[place] >= price:
            break
        if kept[near[place]]:
            slope -= 1.0
    return slope
