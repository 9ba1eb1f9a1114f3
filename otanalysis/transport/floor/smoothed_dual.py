r"""The Lagrangian bound made smooth, compiled: what the dual ascent maximises.

In the bound of :mod:`otanalysis.transport.floor.lagrangian` every kept token takes its :math:`q` cheapest
entries, and the :math:`k` cheapest tokens are kept. Both choices jump, and following the jumps is slow. With
:math:`\tau, \sigma > 0` let instead

.. math:: \rho_j = \min_{0 \leq h \leq 1, \sum_i h_i = q} \sum_i h_i r_{ij} + \tfrac\tau2 h_i^2, \qquad
          \min_{0 \leq y \leq 1, \sum_j y_j = k} \sum_j y_j \rho_j + \tfrac\sigma2 y_j^2 .

Both minima have the form ``clip((t - r) / tau, 0, 1)`` with one threshold ``t``, the value is concave and has
the gradient that one expects of the fractional plan :math:`y_j h_{ij}` (Nesterov, 2005). It lies above
the bound, so what is found here counts only once :func:`~otanalysis.transport.floor.lagrangian.evaluate` has
seen it. Where tokens have sizes :math:`s_i`, every term of the sums over :math:`i` has that factor.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from otanalysis.arrays import BoolArray, FloatArray, IntArray
from otanalysis.transport.floor.cuts import distinct_columns

Int32Array = npt.NDArray[np.int32]

_ROUNDS = 100  # halvings of a threshold's interval at most; Newton's steps need three or four


class ShortList(NamedTuple):
    """The cheapest tokens to serve by some tokens, if they are kept, and the cuts that each pair is in.

    Pairs that are in the same cuts form a block: there are some hundred blocks for some ten thousand pairs.
    """

    tokens: IntArray
    """[n, p]"""
    cost: FloatArray
    """[n, p]"""
    block: Int32Array
    """[n, p]"""
    starts: Int32Array
    """Where the cuts of every block start in ``cuts`` [number of blocks + 1]."""
    cuts: Int32Array
    own_cuts: Int32Array
    """The cuts of which each keeper is one [n, c], the first ``own_number`` of them."""
    own_number: Int32Array
    """[n]"""


def short_list(
    tokens: IntArray,
    cost: FloatArray,
    served: BoolArray,
    keepers: BoolArray,
) -> ShortList:
    """Return the list for given tokens [n, p] and costs [n, p], and groups of the cuts [c, m] and [c, n]."""
    first_token, token_kind = distinct_columns(served)
    first_keeper, keeper_kind = distinct_columns(keepers)
    block, first = _blocks(keeper_kind[:, None] * len(first_token) + token_kind[tokens])
    of_keepers, of_tokens = np.divmod(first, len(first_token))
    both = keepers[:, first_keeper[of_keepers]] & served[:, first_token[of_tokens]]
    starts = np.zeros(len(first) + 1, np.int32)
    np.cumsum(both.sum(axis=0), out=starts[1:])
    cuts = np.nonzero(both.T)[1].astype(np.int32)
    own_cuts = np.argsort(~keepers.T, axis=1, kind="stable").astype(np.int32)
    own_number = keepers.sum(axis=0, dtype=np.int32)
    # Of one layout whatever their shapes: what is compiled is so for each layout that comes.
    as_laid = np.ascontiguousarray
    return ShortList(as_laid(tokens), as_laid(cost), block, starts, cuts, own_cuts, own_number)


def _blocks(kinds: IntArray) -> tuple[Int32Array, IntArray]:
    """Return the number of the kind of every pair [n, p], as they are met, and the kinds in that order."""
    known, first, block = np.unique(kinds.ravel(), return_index=True, return_inverse=True)
    met = np.argsort(first)
    rank = np.empty(len(known), np.int32)
    rank[met] = np.arange(len(known))
    return rank[block].reshape(kinds.shape), known[met]


_FAST = {"nsz", "arcp", "contract", "reassoc"}


@numba.njit(cache=True, error_model="numpy", inline="always")
def _size(sizes, i):  # type: ignore[no-untyped-def]
    """Return the size of one entry; one where there are none."""
    return sizes[i] if len(sizes) > 0 else 1.0


@numba.njit(cache=True, error_model="numpy", fastmath=_FAST)
def _threshold(values, sizes, width, total, guess):  # type: ignore[no-untyped-def]
    """Return the t with ``sum(sizes * clip((t - values) / width, 0, 1)) == total``, by safeguarded Newton."""
    low, high = values[0], values[0]
    for value in values:
        low, high = min(low, value), max(high, value)
    high += width
    t = min(max(guess, low), high)
    for _ in range(_ROUNDS):
        filled, sloped = 0.0, 0.0  # that sum, and its slope times the width
        if len(sizes) == 0:
            for value in values:
                x = (t - value) / width
                filled += min(max(x, 0.0), 1.0)
                sloped += 1.0 if 0.0 < x < 1.0 else 0.0
        else:
            for e in range(len(values)):
                x = (t - values[e]) / width
                filled += sizes[e] * min(max(x, 0.0), 1.0)
                sloped += sizes[e] if 0.0 < x < 1.0 else 0.0
        missing = total - filled
        if abs(missing) <= 1e-10 * total:
            break
        if missing > 0.0:
            low = t
        else:
            high = t
        step = t + missing * width / sloped if sloped > 0.0 else low
        t = step if low < step < high else 0.5 * (low + high)
    return t


@numba.njit(cache=True, error_model="numpy", inline="always")
def _fill(short, capacity, rest, tokens, cut_prices, sizes, width, thresholds, shares, totals):  # type: ignore[no-untyped-def]
    """Write the smooth fill of every keeper [n, p], its cost [n] and its threshold [n]."""
    n, p = short.tokens.shape
    rows, surcharge = np.empty(p), np.empty(len(short.starts) - 1)
    amounts = np.empty(p if len(sizes) > 0 else 0)
    for b in range(len(surcharge)):
        surcharge[b] = 0.0
        for x in range(short.starts[b], short.starts[b + 1]):
            surcharge[b] += cut_prices[short.cuts[x]]
    for j in range(n):
        for e in range(p):
            rows[e] = short.cost[j, e] - tokens[short.tokens[j, e]] + surcharge[short.block[j, e]]
        for e in range(len(amounts)):
            amounts[e] = sizes[short.tokens[j, e]]
        thresholds[j] = t = _threshold(rows, amounts, width, capacity, thresholds[j])
        total = 0.0
        for e in range(p):
            share = min(max((t - rows[e]) / width, 0.0), 1.0)
            shares[j, e] = share
            total += _size(amounts, e) * (share * (rows[e] + 0.5 * width * share))
        for x in range(short.own_number[j]):
            c = short.own_cuts[j, x]
            total -= capacity * rest[c] * cut_prices[c]
        totals[j] = total


@numba.njit(cache=True, error_model="numpy")
def smooth_bound(  # type: ignore[no-untyped-def]
    short, keep, rest, limit, tokens, cut_prices, sizes, widths, thresholds, shares, kept, slope
):
    """Return the smooth bound times m, and write thresholds [n + 1], shares [n, p], kept [n], slope [m + c].

    ``rest`` and ``limit`` [c] are those of the cuts, ``tokens`` [m] and ``cut_prices`` [c] the prices,
    ``sizes`` [m] those of the tokens, or [0] where each is one, ``widths`` tau and sigma. ``thresholds``
    holds guesses before.
    """
    (n, p), m = short.tokens.shape, len(tokens)
    capacity = m / keep
    totals, served = np.empty(n), np.empty(len(short.starts) - 1)
    _fill(short, capacity, rest, tokens, cut_prices, sizes, widths[0], thresholds, shares, totals)
    thresholds[n] = t = _threshold(totals, sizes[:0], widths[1], float(keep), thresholds[n])
    worth, limits = 0.0, 0.0
    for i in range(m):
        slope[i] = _size(sizes, i)
        worth += slope[i] * tokens[i]
    for c in range(len(limit)):
        slope[m + c] = -limit[c]
        limits += limit[c] * cut_prices[c]
    value = worth - limits
    for b in range(len(served)):
        served[b] = 0.0
    for j in range(n):
        kept[j] = y = min(max((t - totals[j]) / widths[1], 0.0), 1.0)
        if y == 0.0:
            continue
        value += y * (totals[j] + 0.5 * widths[1] * y)
        for e in range(p):
            amount = y * shares[j, e] * _size(sizes, short.tokens[j, e])
            slope[short.tokens[j, e]] -= amount
            served[short.block[j, e]] += amount
        for x in range(short.own_number[j]):
            c = short.own_cuts[j, x]
            slope[m + c] -= y * capacity * rest[c]
    for b in range(len(served)):
        for x in range(short.starts[b], short.starts[b + 1]):
            slope[m + short.cuts[x]] += served[b]
    return value
