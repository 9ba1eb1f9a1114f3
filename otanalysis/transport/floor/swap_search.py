"""Swap search: exchange kept tokens one at a time, with the exact distance after each.

Two kinds of exchange. Tokens that a fractional plan keeps often come for kept ones whose tokens find other
places: this finds how many to keep of every cluster. Then kept tokens give way to tokens nearby, in the order
of what the exchange would cost if nothing else moved; each promises little, but one in ten is a gain.

What is tried is compiled; what happens seldom, as the order of exchanges and a gain, is NumPy's.
"""

from __future__ import annotations

import numba
import numpy as np

from otanalysis.arrays import BoolArray, FloatArray, IntArray
from otanalysis.transport.floor.flow import Flow, clone_flow, restore_flow, solve_flow, swap_keeper

# For costs of about one: below this a move gains no more than rounding.
_LEAST_GAIN = 1e-12
# An exchange that is worse than the best set by more than this share is not searched from.
_PROMISING, _PROMISING_NEARBY = 1.04, 1.005
_MOVE_ROUNDS = 3
_SHORT_LIST = 300  # exchanges nearby that are put in order at once


def improve_by_moves(
    cost: FloatArray, kept: IntArray, weights: IntArray, capacity: int
) -> tuple[IntArray, float]:
    """Return the kept set [k] after every keeper has moved to its best place, and its cost.

    Parameters as for :func:`improve_by_swaps`.
    """
    flow, total = _moved(cost, kept, weights, capacity)
    return flow.kept, total


def improve_by_swaps(
    cost: FloatArray,
    kept: IntArray,
    weights: IntArray,
    capacity: int,
    columns: IntArray,
    tokens: IntArray,
    nearby: int,
) -> tuple[IntArray, float]:
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
    flow, least = _moved(cost, kept, weights, capacity)
    best = clone_flow(flow)
    while len(tokens):
        tried, total = _first_gain(cost, flow, best, columns, tokens, least, _PROMISING)
        if total < least:
            best, least = clone_flow(flow), total
        columns, tokens = columns[tried:], tokens[tried:]
    return _swap_nearby(cost, flow, best, least, nearby)


def _moved(cost: FloatArray, kept: IntArray, weights: IntArray, capacity: int) -> tuple[Flow, float]:
    """Return the plan to a kept set after every keeper has moved to its best place, and its cost."""
    flow, total = solve_flow(cost, kept, weights, capacity)
    return flow, _move_keepers(cost, flow, total)


def _swap_nearby(
    cost: FloatArray, flow: Flow, best: Flow, least: float, trials: int
) -> tuple[IntArray, float]:
    """Return the best kept set [k] met when tokens give way to others nearby, and its cost."""
    before, known = np.inf, np.zeros(cost.shape, np.bool_)
    while trials > 0 and least < before:
        columns, tokens = _least_disturbing(cost, flow, known)
        columns, tokens, before = columns[:trials], tokens[:trials], least
        tried, total = _first_gain(cost, flow, best, columns[:, None], tokens, least, _PROMISING_NEARBY)
        known[best.kept[columns[:tried]], tokens[:tried]] = True
        trials -= tried
        if total < least:
            best, least = clone_flow(flow), total
    return best.kept, least


def _least_disturbing(cost: FloatArray, flow: Flow, known: BoolArray) -> tuple[IntArray, IntArray]:
    """Return column and token of the exchanges that would cost the least if nothing else moved."""
    members = [own[:number] for own, number in zip(flow.members, flow.number, strict=True)]
    served = np.array([(flow.amount[own, a, None] * cost[own]).sum(axis=0) for a, own in enumerate(members)])
    columns, tokens = np.nonzero(~flow.used & ~known[flow.kept])
    more = served[columns, tokens] - served[columns, flow.kept[columns]]
    if len(more) > _SHORT_LIST:
        low = more <= np.partition(more, _SHORT_LIST - 1)[_SHORT_LIST - 1]
        more, columns, tokens = more[low], columns[low], tokens[low]
    order = np.argsort(more, kind="stable")
    return columns[order], tokens[order]


@numba.njit(cache=True, error_model="numpy")
def _first_gain(cost, flow, best, columns, tokens, least, promising):  # type: ignore[no-untyped-def]
    """Try exchanges until one is a gain; return how many were tried, and the cost then.

    After a gain the flow is that of the new set, else what it was before.
    """
    for trial in range(len(tokens)):
        token = tokens[trial]
        if flow.used[token]:
            continue
        column = _easiest_to_close(cost, flow, columns[trial], token)
        total = swap_keeper(cost, flow, column, token, least, promising * least)
        if total < np.inf:
            total = _move_keepers(cost, flow, total)
        if total < least - _LEAST_GAIN * len(cost):
            return trial + 1, total
        restore_flow(flow, best)
    return len(tokens), least


@numba.njit(cache=True, error_model="numpy")
def _move_keepers(cost, flow, total):  # type: ignore[no-untyped-def]
    """Move every keeper to the cheapest free token for what it serves, as long as one moves."""
    m, k = flow.cost.shape
    served = np.empty(m)
    for _ in range(_MOVE_ROUNDS):
        moved = False
        for a in range(k):
            if not flow.stale[a]:
                continue
            flow.stale[a] = False
            for j in range(m):
                served[j] = 0.0
            for place in range(flow.number[a]):
                t = flow.members[a, place]
                amount = float(flow.amount[t, a])
                for j in range(m):
                    served[j] += amount * cost[t, j]
            best = flow.kept[a]
            for j in range(m):
                if served[j] < served[best] - _LEAST_GAIN * k and not flow.used[j]:
                    best = j
            if best != flow.kept[a]:
                moved, total = True, swap_keeper(cost, flow, a, best, total, np.inf)
        if not moved:
            break
    return total


@numba.njit(cache=True, error_model="numpy", inline="always")
def _easiest_to_close(cost, flow, columns, token):  # type: ignore[no-untyped-def]
    """Return the column whose tokens find the cheapest other places, were there room there."""
    least, which = np.inf, columns[0]
    for candidate in range(len(columns)):
        a, more = columns[candidate], 0.0
        for place in range(flow.number[a]):
            t = flow.members[a, place]
            nearest = cost[t, token]
            for b in range(len(flow.kept)):
                if b != a:
                    nearest = min(nearest, flow.cost[t, b])
            more += flow.amount[t, a] * (nearest - flow.cost[t, a])
        if more < least:
            least, which = more, a
    return which
