"""Dual ascent: good prices for the Lagrangian bound, and the fractional plan that they come from.

A deflected subgradient method with Polyak's step (Camerini, Fratta and Maffioli, 1975). Most steps look at a
short list of the cheapest entries of the cheapest columns only; the lists are made anew from all entries
every few steps. What is returned is evaluated on all entries by the caller, so the lists cost no validity.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from otanalysis.transport.capacity import CapacityCuts
from otanalysis.transport.cost import FloatArray
from otanalysis.transport.lagrangian import Prices, cheapest_fill, evaluate, reduced_cost

__all__ = ["Climb", "climb"]

IntArray = npt.NDArray[np.int64]
_Served = tuple[IntArray, IntArray, FloatArray]
"""Served tokens [k, p], their keepers [k], and how much of each [k, p]."""

_REFRESH = 25  # steps between two looks at all entries
_DEFLECTION = 0.15  # weight of the newest subgradient in the direction
_PATIENCE = 12  # steps without a better value before the step length shrinks
_SHRINK = 0.75
_MEMORY = 100  # last steps that the fractional plan averages
_LENGTH = 3.0  # length of the first short lists, in tokens that one kept token serves


@dataclass(frozen=True, eq=False)
class Climb:
    """Where an ascent ended.

    Attributes
    ----------
    prices : Prices
        The best met.
    kept : ndarray [m]
        Share of the last steps in which each token was kept; sums to ``keep``.
    shares : ndarray [m, m]
        Average share of token ``i`` that ``j`` served in them.
    """

    prices: Prices
    kept: FloatArray
    shares: FloatArray


@dataclass(frozen=True, eq=False)
class _ShortList:
    """The cheapest tokens [m, p] to serve by each token, if it is kept."""

    tokens: IntArray
    cost: FloatArray
    of_cut: sparse.csr_array
    """Which entries are in a cut [c, n * p]."""
    of_entry: sparse.csc_array
    """The same, transposed."""


def climb(
    cost: FloatArray, keep: int, start: Prices, *, target: float, steps: int, reach: float = 0.7
) -> Climb:
    """Raise the Lagrangian bound from the given prices.

    Parameters
    ----------
    cost : ndarray [m, m]
        Squared distances.
    keep : int
        Number of kept tokens.
    start : Prices
        Where to begin.
    target : float
        What the bound may reach at most: the squared distance of some kept set.
    steps : int
        Number of subgradient steps.
    reach : float
        Share of Polyak's step at the beginning; shrinks when nothing is gained.
    """
    m, cuts = len(cost), start.cuts
    # A cut's subgradient grows with its group; this brings all coordinates to one scale.
    scale = np.sqrt(np.maximum(cuts.served.sum(axis=1), 1.0))
    point = np.concatenate([start.tokens, start.cut_prices * scale])
    direction = np.zeros_like(point)
    best, best_point, idle = -np.inf, point, 0
    sure, sure_point = -np.inf, point
    length = min(m, int(_LENGTH * m / keep) + 10)
    trail: deque[_Served] = deque(maxlen=_MEMORY)
    for step in range(steps):
        if step % _REFRESH == 0:
            if best_point is not sure_point or not np.isfinite(sure):
                best = m * evaluate(cost, keep, _prices(best_point, cuts, scale))
            if best < sure:
                # The short lists promised what does not hold on all entries: back, with longer ones.
                point = best_point = sure_point
                best, length = sure, min(m, 2 * length)
            sure, sure_point = best, best_point
            short = _short_list(cost, _prices(point, cuts, scale), length)
        value, slope, served = _oracle(short, keep, _prices(point, cuts, scale))
        if value > best:
            best, best_point, idle = value, point, 0
        else:
            idle += 1
            if idle >= _PATIENCE:
                reach, idle = reach * _SHRINK, 0
        trail.append(served)
        slope[m:] /= scale
        slope[m:][(point[m:] <= 0.0) & (slope[m:] < 0.0)] = 0.0
        direction = _DEFLECTION * slope + (1.0 - _DEFLECTION) * direction
        square = max(float(direction @ direction), 0.3 * float(slope @ slope))
        if square == 0.0:
            break
        point = point + reach * max(target * m - value, 0.0) / square * direction
        point[m:] = np.maximum(point[m:], 0.0)
    if m * evaluate(cost, keep, _prices(best_point, cuts, scale)) < sure:
        best_point = sure_point
    return Climb(_prices(best_point, cuts, scale), *_average(trail, m))


def _prices(point: FloatArray, cuts: CapacityCuts, scale: FloatArray) -> Prices:
    m = cuts.served.shape[1]
    return Prices(point[:m], cuts, point[m:] / scale)


def _short_list(cost: FloatArray, prices: Prices, length: int) -> _ShortList:
    m, cuts = len(cost), prices.cuts
    rows = reduced_cost(cost, prices)
    cheapest = np.argpartition(rows, length - 1, axis=1)[:, :length]
    inside = [
        np.flatnonzero(served[cheapest] & keepers[:, None])
        for served, keepers in zip(cuts.served, cuts.keepers, strict=True)
    ]
    ends = np.concatenate([[0], np.cumsum([len(entries) for entries in inside])])
    entries = np.concatenate(inside) if inside else np.zeros(0, dtype=np.int64)
    of_cut = sparse.csr_array((np.ones(entries.size), entries, ends), shape=(len(cuts), cheapest.size))
    return _ShortList(cheapest, cost[cheapest, np.arange(m)[:, None]], of_cut, of_cut.T)


def _oracle(short: _ShortList, keep: int, prices: Prices) -> tuple[float, FloatArray, _Served]:
    """Return the value (times m), a subgradient [m + c], and who served whom how much."""
    tokens, cuts, cut_prices = prices.tokens, prices.cuts, prices.cut_prices
    m = len(tokens)
    rows = short.cost - tokens[short.tokens]
    if len(cuts):
        rows = rows + (short.of_entry @ cut_prices).reshape(rows.shape)
    fill = cheapest_fill(rows, m / keep)
    totals = fill.totals - cuts.rebate(cut_prices)
    chosen = np.argpartition(totals, keep - 1)[:keep]
    value = float(tokens.sum() - cuts.limit @ cut_prices + totals[chosen].sum())
    positions, weights = fill.positions[chosen], fill.weights[chosen]
    served = np.take_along_axis(short.tokens[chosen], positions, axis=1)
    slope = np.empty(m + len(cuts))
    slope[:m] = 1.0 - np.bincount(served.ravel(), weights.ravel(), minlength=m)
    if len(cuts):
        taken = np.zeros_like(rows)
        taken[chosen[:, None], positions] = weights
        inside = short.of_cut @ taken.ravel()
        number = np.count_nonzero(cuts.keepers[:, chosen], axis=1)
        slope[m:] = inside - cuts.capacity * cuts.rest * number - cuts.limit
    return value, slope, (served, chosen, weights)


def _average(trail: deque[_Served], m: int) -> tuple[FloatArray, FloatArray]:
    """Return how often each token was kept [m] and who served whom [m, m], averaged over the steps."""
    kept = np.bincount(np.concatenate([keepers for _, keepers, _ in trail]), minlength=m)
    entries = np.concatenate([(served * m + keepers[:, None]).ravel() for served, keepers, _ in trail])
    weights = np.concatenate([weights.ravel() for *_, weights in trail])
    shares = np.bincount(entries, weights, minlength=m * m).reshape(m, m)
    return kept / len(trail), shares / len(trail)
