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
    # Of one layout whatever their shapes: what is compiled is so for each layout that comes.
    groups = (np.ascontiguousarray(one) for one in (served[:, first_token], keepers[:, first_keeper]))
    block, starts, cuts = _blocks(token_kind[tokens], keeper_kind, *groups)
    pairs = (np.ascontiguousarray(one) for one in (tokens, cost))
    return ShortList(*pairs, block, starts, cuts, *_own_cuts(np.ascontiguousarray(keepers)))


@numba.njit(cache=True, error_model="numpy")
def _blocks(token_kind, keeper_kind, served, keepers):  # type: ignore[no-untyped-def]
    """Return the number of the pair of kinds of every pair [n, p], and the cuts of each pair of kinds."""
    n, p = token_kind.shape
    known = np.full((keepers.shape[1], served.shape[1]), -1, np.int32)
    block, number = np.empty((n, p), np.int32), 0
    kinds = np.empty((min(n * p, known.size), 2), np.int64)
    for j in range(n):
        for e in range(p):
            mine, its = keeper_kind[j], token_kind[j, e]
            if known[mine, its] < 0:
                known[mine, its] = number
                kinds[number] = mine, its
                number += 1
            block[j, e] = known[mine, its]
    starts = np.zeros(number + 1, np.int32)
    for b in range(number):
        starts[b + 1] = starts[b] + (keepers[:, kinds[b, 0]] & served[:, kinds[b, 1]]).sum()
    cuts = np.empty(starts[number], np.int32)
    for b in range(number):
        cuts[starts[b] : starts[b + 1]] = np.flatnonzero(keepers[:, kinds[b, 0]] & served[:, kinds[b, 1]])
    return block, starts, cuts


@numba.njit(cache=True, error_model="numpy")
def _own_cuts(keepers):  # type: ignore[no-untyped-def]
    """Return the cuts of which each keeper is one [n, c], and how many [n]."""
    number, n = keepers.shape
    own_cuts, own_number = np.zeros((n, number), np.int32), np.zeros(n, np.int32)
    for cut in range(number):
        for j in range(n):
            if keepers[cut, j]:
                own_cuts[j, own_number[j]] = cut
                own_number[j] += 1
    return own_cuts, own_number


@numba.njit(cache=True, error_model="numpy")
def _size(sizes, i):  # type: ignore[no-untyped-def]
    """Return the size of one entry; compiled apart for None, where each is one and costs nothing."""
    if sizes is None:
        return 1.0
    return sizes[i]


@numba.njit(cache=True, error_model="numpy")
def _sizes_of(sizes, tokens):  # type: ignore[no-untyped-def]
    """Return the sizes of some tokens; None where each is one."""
    if sizes is None:
        return None
    return sizes[tokens]


@numba.njit(cache=True, error_model="numpy", fastmath={"nsz", "arcp", "contract", "reassoc"})
def _filled(values, sizes, width, t):  # type: ignore[no-untyped-def]
    """Return ``sum(sizes * clip((t - values) / width, 0, 1))`` and its slope times the width."""
    filled, sloped = 0.0, 0.0
    if sizes is None:
        for value in values:
            x = (t - value) / width
            filled += min(max(x, 0.0), 1.0)
            sloped += 1.0 if 0.0 < x < 1.0 else 0.0
    else:
        for value, size in zip(values, sizes):  # noqa: B905
            x = (t - value) / width
            filled += size * min(max(x, 0.0), 1.0)
            sloped += size if 0.0 < x < 1.0 else 0.0
    return filled, sloped


@numba.njit(cache=True, error_model="numpy", fastmath={"nsz", "arcp", "contract", "reassoc"})
def _threshold(values, sizes, width, total, guess):  # type: ignore[no-untyped-def]
    """Return the t with ``sum(sizes * clip((t - values) / width, 0, 1)) == total``, by safeguarded Newton."""
    low, high = values.min(), values.max() + width
    t = min(max(guess, low), high)
    for _ in range(_ROUNDS):
        filled, sloped = _filled(values, sizes, width, t)
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


@numba.njit(cache=True, error_model="numpy")
def _fill(short, capacity, rest, tokens, cut_prices, sizes, width, thresholds, shares, totals):  # type: ignore[no-untyped-def]
    """Write the smooth fill of every keeper [n, p], its cost [n] and its threshold [n]."""
    n, p = short.tokens.shape
    rows, surcharge = np.empty(p), np.zeros(len(short.starts) - 1)
    for b in range(len(surcharge)):
        for x in range(short.starts[b], short.starts[b + 1]):
            surcharge[b] += cut_prices[short.cuts[x]]
    for j in range(n):
        for e in range(p):
            rows[e] = short.cost[j, e] - tokens[short.tokens[j, e]] + surcharge[short.block[j, e]]
        amounts = _sizes_of(sizes, short.tokens[j])
        thresholds[j] = t = _threshold(rows, amounts, width, capacity, thresholds[j])
        total = 0.0
        for e in range(p):
            share = min(max((t - rows[e]) / width, 0.0), 1.0)
            shares[j, e] = share
            total += _size(amounts, e) * (share * (rows[e] + 0.5 * width * share))
        for c in short.own_cuts[j, : short.own_number[j]]:
            total -= capacity * rest[c] * cut_prices[c]
        totals[j] = total


@numba.njit(cache=True, error_model="numpy")
def smooth_bound(  # type: ignore[no-untyped-def]
    short, keep, rest, limit, tokens, cut_prices, sizes, widths, thresholds, shares, kept, slope
):
    """Return the smooth bound times m, and write thresholds [n + 1], shares [n, p], kept [n], slope [m + c].

    ``rest`` and ``limit`` [c] are those of the cuts, ``tokens`` [m] and ``cut_prices`` [c] the prices,
    ``sizes`` [m] those of the tokens or None, ``widths`` tau and sigma. ``thresholds`` holds guesses before.
    """
    (n, p), m = short.tokens.shape, len(tokens)
    capacity = m / keep
    totals, served = np.empty(n), np.zeros(len(short.starts) - 1)
    _fill(short, capacity, rest, tokens, cut_prices, sizes, widths[0], thresholds, shares, totals)
    thresholds[n] = t = _threshold(totals, None, widths[1], float(keep), thresholds[n])
    worth = tokens.sum() if sizes is None else (sizes * tokens).sum()
    value = worth - (limit * cut_prices).sum()
    for i in range(m):
        slope[i] = _size(sizes, i)
    slope[m:] = -limit
    for j in range(n):
        kept[j] = y = min(max((t - totals[j]) / widths[1], 0.0), 1.0)
        if y == 0.0:
            continue
        value += y * (totals[j] + 0.5 * widths[1] * y)
        for e in range(p):
            amount = y * shares[j, e] * _size(sizes, short.tokens[j, e])
            slope[short.tokens[j, e]] -= amount
            served[short.block[j, e]] += amount
        for c in short.own_cuts[j, : short.own_number[j]]:
            slope[m + c] -= y * capacity * rest[c]
    for b in range(len(served)):
        for x in range(short.starts[b], short.starts[b + 1]):
            slope[m + short.cuts[x]] += served[b]
    return value
