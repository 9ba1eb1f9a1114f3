"""Swap search: exchange kept tokens one at a time, with the exact distance after each, compiled.

Two kinds of exchange. Tokens that a fractional plan keeps often come for kept ones whose tokens find other
places: this finds how many to keep of every cluster. Then kept tokens give way to tokens nearby, in the order
of what the exchange would cost if nothing else moved; each promises little, but one in ten is a gain.
"""

from __future__ import annotations

import numba
import numpy as np

from otanalysis.transport.floor.flow import clone_flow, restore_flow, solve_flow, swap_keeper

# For costs of about one: below this a move gains no more than rounding.
_LEAST_GAIN = 1e-12
# An exchange that is worse than the best set by more than this share is not searched from.
_PROMISING, _PROMISING_NEARBY = 1.04, 1.005
_MOVE_ROUNDS = 3
_SHORT_LIST = 300  # exchanges nearby that are put in order at once


@numba.njit(cache=True, error_model="numpy")
def improve_by_moves(cost, kept, weights, capacity):  # type: ignore[no-untyped-def]
    """Return the kept set [k] after every keeper has moved to its best place, and its cost.

    Parameters as for :func:`improve_by_swaps`.
    """
    flow, total = solve_flow(cost, kept, weights, capacity)
    total = _move_keepers(cost, flow, total)
    return flow.kept, total


@numba.njit(cache=True, error_model="numpy")
def improve_by_swaps(cost, kept, weights, capacity, columns, tokens, nearby):  # type: ignore[no-untyped-def]
    """Return the best kept set [k] met when one exchange after the other is tried, and its cost.

    Parameters
    ----------
    cost : ndarray [m, m]
        Squared distances, of about one.
    kept : ndarray [k]
        Where to begin.
    weights : ndarray [m], int64
        Units that every token weighs.
    capacity : int
        Units that a keeper has room for.
    columns : ndarray [n, c]
        Which of the ``k`` may go, for every exchange; the one goes whose tokens find the cheapest other
        places.
    tokens : ndarray [n]
        Which token comes; the exchange is skipped if it is kept already.
    nearby : int
        How many exchanges with a token nearby are tried after these.
    """
    flow, least = solve_flow(cost, kept, weights, capacity)
    least = _move_keepers(cost, flow, least)
    best = clone_flow(flow)
    for trial in range(len(columns)):
        if flow.used[tokens[trial]]:
            continue
        column = _easiest_to_close(cost, flow, columns[trial], tokens[trial])
        total = _try_swap(cost, flow, best, column, tokens[trial], least, _PROMISING)
        if total < least:
            best, least = clone_flow(flow), total
    return _swap_nearby(cost, flow, best, least, nearby)


@numba.njit(cache=True, error_model="numpy")
def _swap_nearby(cost, flow, best, least, trials):  # type: ignore[no-untyped-def]
    m = len(cost)
    tried = np.zeros((m, m), np.bool_)
    while trials > 0:
        columns, tokens = _least_disturbing(cost, flow, tried)
        improved = False
        for place in range(min(trials, len(columns))):
            column, token = columns[place], tokens[place]
            tried[flow.kept[column], token] = True
            trials -= 1
            total = _try_swap(cost, flow, best, column, token, least, _PROMISING_NEARBY)
            if total < least:
                best, least, improved = clone_flow(flow), total, True
                break
        if not improved:
            break
    return best.kept, least


@numba.njit(cache=True, error_model="numpy")
def _try_swap(cost, flow, best, column, token, least, promising):  # type: ignore[no-untyped-def]
    """Exchange and move keepers; return the new cost if it is a gain, else undo it and return the old one."""
    total = swap_keeper(cost, flow, column, token, least, promising * least)
    if total < np.inf:
        total = _move_keepers(cost, flow, total)
    if total < least - _LEAST_GAIN * len(cost):
        return total
    restore_flow(flow, best)
    return least


@numba.njit(cache=True, error_model="numpy")
def _move_keepers(cost, flow, total):  # type: ignore[no-untyped-def]
    """Move every keeper to the cheapest free token for what it serves, as long as one moves."""
    for _ in range(_MOVE_ROUNDS):
        moved = False
        for a in range(len(flow.kept)):
            if not flow.stale[a]:
                continue
            flow.stale[a] = False
            served, best = _served(cost, flow, a), flow.kept[a]
            for j in range(len(cost)):
                if served[j] < served[best] - _LEAST_GAIN * len(flow.kept) and not flow.used[j]:
                    best = j
            if best != flow.kept[a]:
                moved, total = True, swap_keeper(cost, flow, a, best, total, np.inf)
        if not moved:
            break
    return total


@numba.njit(cache=True, error_model="numpy")
def _served(cost, flow, a):  # type: ignore[no-untyped-def]
    """Return what it would cost if each token [m] served what column ``a`` serves."""
    served = np.zeros(len(cost))
    for t in flow.members[a, : flow.number[a]]:
        amount, row = float(flow.amount[t, a]), cost[t]
        for j in range(len(cost)):
            served[j] += amount * row[j]
    return served


@numba.njit(cache=True, error_model="numpy")
def _easiest_to_close(cost, flow, columns, token):  # type: ignore[no-untyped-def]
    """Return the column whose tokens find the cheapest other places, were there room there."""
    least, which = np.inf, columns[0]
    for a in columns:
        more = 0.0
        for t in flow.members[a, : flow.number[a]]:
            nearest = cost[t, token]
            for b in range(len(flow.kept)):
                if b != a:
                    nearest = min(nearest, flow.cost[t, b])
            more += flow.amount[t, a] * (nearest - flow.cost[t, a])
        if more < least:
            least, which = more, a
    return which


@numba.njit(cache=True, error_model="numpy")
def _least_disturbing(cost, flow, tried):  # type: ignore[no-untyped-def]
    """Return column and token of the exchanges that would cost the least if nothing else moved."""
    k, m = len(flow.kept), len(cost)
    more, which, number = np.empty(k * m), np.empty(k * m, np.int64), 0
    for a in range(k):
        served = _served(cost, flow, a)
        for j in range(m):
            if not flow.used[j] and not tried[flow.kept[a], j]:
                more[number], which[number] = served[j] - served[flow.kept[a]], a * m + j
                number += 1
    more, which = more[:number], which[:number]
    if number > _SHORT_LIST:
        low = more <= np.partition(more, _SHORT_LIST - 1)[_SHORT_LIST - 1]
        more, which = more[low], which[low]
    which = which[np.argsort(more)]
    return which // m, which % m
