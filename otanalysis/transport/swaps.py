"""Exchange kept tokens one at a time, with the exact distance after each, compiled.

With one keeper exchanged most of an optimal plan stays optimal: only what the old keeper served must find
another place. Every such token travels along a cheapest path of reassignments to the room that the new keeper
brings (successive shortest paths over the ``k`` kept tokens; Ahuja, Magnanti and Orlin, 1993, section 9.7),
which takes a tenth of the time of a new solve. Amounts are whole: a token weighs ``k / g``, a keeper has room
for ``m / g``, with ``g`` the greatest common divisor.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from otanalysis.transport.cost import FloatArray

__all__ = ["improve_by_swaps"]

IntArray = npt.NDArray[np.int64]

# For costs of about one: below this a path or a move gains no more than rounding.
_LEAST_GAIN = 1e-12
# An exchange that is worse than the best set by more than this share is not worth settling.
_HOPE = 1.04
_SETTLING_ROUNDS = 3


class _Flow(NamedTuple):
    """An optimal plan, and what reassignments cost."""

    kept: IntArray
    """[k]"""
    used: npt.NDArray[np.bool_]
    """Whether a token is kept [m]."""
    cost: FloatArray
    """[m, k]"""
    amount: npt.NDArray[np.int32]
    """The plan [m, k]."""
    members: npt.NDArray[np.int32]
    """The tokens with an amount in each column [k, n], the first ``number`` of them."""
    number: npt.NDArray[np.int32]
    """[k]"""
    move: FloatArray
    """Cheapest reassignment of a member of one column to another [k, k]."""
    mover: npt.NDArray[np.int32]
    """Which member [k, k]."""
    room: npt.NDArray[np.int64]
    """What is left in every column [k]."""


@numba.njit(cache=True, error_model="numpy")
def _look_for_mover(flow, a, b):  # type: ignore[no-untyped-def]
    least, which = np.inf, -1
    for t in flow.members[a, : flow.number[a]]:
        price = flow.cost[t, b] - flow.cost[t, a]
        if price < least:
            least, which = price, t
    flow.move[a, b], flow.mover[a, b] = least, which


@numba.njit(cache=True, error_model="numpy")
def _enter(flow, a, token, amount):  # type: ignore[no-untyped-def]
    if flow.amount[token, a] == 0:
        flow.members[a, flow.number[a]] = token
        flow.number[a] += 1
        for b in range(len(flow.kept)):
            price = flow.cost[token, b] - flow.cost[token, a]
            if price < flow.move[a, b]:
                flow.move[a, b], flow.mover[a, b] = price, token
    flow.amount[token, a] += amount


@numba.njit(cache=True, error_model="numpy")
def _leave(flow, a, token, amount):  # type: ignore[no-untyped-def]
    flow.amount[token, a] -= amount
    if flow.amount[token, a] > 0:
        return
    last = flow.number[a] - 1
    for place in range(last):
        if flow.members[a, place] == token:
            flow.members[a, place] = flow.members[a, last]
            break
    flow.number[a] = last
    for b in range(len(flow.kept)):
        if flow.mover[a, b] == token:
            _look_for_mover(flow, a, b)


@numba.njit(cache=True, error_model="numpy")
def _paths(flow, token, distance, before):  # type: ignore[no-untyped-def]
    """Write the cheapest way of the token to every column [k], and the column before on it, -1 for none."""
    k = len(flow.kept)
    queue, waiting = np.arange(k), np.ones(k, np.bool_)
    for a in range(k):
        distance[a], before[a] = flow.cost[token, a], -1
    head, size = 0, k
    # Rounding may leave a tiny negative cycle; it must not turn for ever.
    for _ in range(50 * k):
        if size == 0:
            break
        a = queue[head]
        head, size, waiting[a] = (head + 1) % k, size - 1, False
        for b in range(k):
            way = distance[a] + flow.move[a, b]
            if way < distance[b] - _LEAST_GAIN:
                distance[b], before[b] = way, a
                if not waiting[b]:
                    queue[(head + size) % k], waiting[b] = b, True
                    size += 1


@numba.njit(cache=True, error_model="numpy")
def _route(flow, token, units):  # type: ignore[no-untyped-def]
    """Place the units of a token, others giving way; return what it costs, infinity if no way was found."""
    k = len(flow.kept)
    distance, before = np.empty(k), np.empty(k, np.int64)
    total = 0.0
    while units > 0:
        _paths(flow, token, distance, before)
        goal = -1
        for a in range(k):
            if flow.room[a] > 0 and (goal < 0 or distance[a] < distance[goal]):
                goal = a
        if goal < 0:
            return np.inf
        amount, b, length = min(units, flow.room[goal]), goal, 0
        while before[b] >= 0 and length <= k:
            amount = min(amount, flow.amount[flow.mover[before[b], b], before[b]])
            b, length = before[b], length + 1
        if length > k:
            return np.inf
        flow.room[goal] -= amount
        b = goal
        while before[b] >= 0:
            a, moved = before[b], flow.mover[before[b], b]
            _leave(flow, a, moved, amount)
            _enter(flow, b, moved, amount)
            b = a
        _enter(flow, b, token, amount)
        total += amount * distance[goal]
        units -= amount
    return total


@numba.njit(cache=True, error_model="numpy")
def _solve(cost, kept, weight, capacity):  # type: ignore[no-untyped-def]
    """Return an optimal plan and its cost."""
    m, k = len(cost), len(kept)
    used = np.zeros(m, np.bool_)
    used[kept] = True
    flow = _Flow(
        kept.copy(),
        used,
        np.empty((m, k)),
        np.zeros((m, k), np.int32),
        np.zeros((k, min(m, capacity) + 1), np.int32),
        np.zeros(k, np.int32),
        np.full((k, k), np.inf),
        np.full((k, k), -1, np.int32),
        np.full(k, capacity, np.int64),
    )
    total = 0.0
    for i in range(m):
        for a in range(k):
            flow.cost[i, a] = cost[i, kept[a]]
    for i in range(m):
        total += _route(flow, i, weight)
    return flow, total


@numba.njit(cache=True, error_model="numpy")
def _clone(flow):  # type: ignore[no-untyped-def]
    return _Flow(
        flow.kept.copy(),
        flow.used.copy(),
        flow.cost.copy(),
        flow.amount.copy(),
        flow.members.copy(),
        flow.number.copy(),
        flow.move.copy(),
        flow.mover.copy(),
        flow.room.copy(),
    )


@numba.njit(cache=True, error_model="numpy")
def _exchange(cost, flow, a, token, total, limit):  # type: ignore[no-untyped-def]
    """Give column ``a`` the keeper ``token``; return the new cost, infinity once it is above the limit."""
    k, number = len(flow.kept), flow.number[a]
    homeless = flow.members[a, :number].copy()
    units, nearest = np.empty(number, np.int64), np.empty(number)
    for place, t in enumerate(homeless):
        units[place] = flow.amount[t, a]
        total -= units[place] * flow.cost[t, a]
        flow.amount[t, a] = 0
    flow.used[flow.kept[a]], flow.used[token] = False, True
    flow.kept[a], flow.number[a], flow.room[a] = token, 0, units.sum()
    flow.cost[:, a] = cost[:, token]
    for b in range(k):
        flow.move[a, b], flow.mover[a, b] = np.inf, -1
        if b != a:
            _look_for_mover(flow, b, a)
    for place, t in enumerate(homeless):
        nearest[place] = units[place] * flow.cost[t].min()
    ahead = nearest.sum()
    for place in np.argsort(cost[homeless, token]):
        ahead -= nearest[place]
        total += _route(flow, homeless[place], units[place])
        if total + ahead > limit:
            return np.inf
    return total


@numba.njit(cache=True, error_model="numpy")
def _settle(cost, flow, total):  # type: ignore[no-untyped-def]
    """Move every keeper to the cheapest free token for what it serves, as long as one moves."""
    m, served = len(cost), np.empty(len(cost))
    for _ in range(_SETTLING_ROUNDS):
        moved = False
        for a in range(len(flow.kept)):
            served[:] = 0.0
            for t in flow.members[a, : flow.number[a]]:
                for j in range(m):
                    served[j] += flow.amount[t, a] * cost[t, j]
            best = flow.kept[a]
            for j in range(m):
                if served[j] < served[best] - _LEAST_GAIN * flow.amount.shape[1] and not flow.used[j]:
                    best = j
            if best != flow.kept[a]:
                moved, total = True, _exchange(cost, flow, a, best, total, np.inf)
        if not moved:
            break
    return total


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
def improve_by_swaps(cost, kept, weight, capacity, columns, tokens):  # type: ignore[no-untyped-def]
    """Return the best kept set [k] met when one exchange after the other is tried, and its cost.

    Parameters
    ----------
    cost : ndarray [m, m]
        Squared distances, of about one.
    kept : ndarray [k]
        Where to begin.
    weight, capacity : int
        Units that a token weighs, and that a keeper has room for.
    columns : ndarray [n, c]
        Which of the ``k`` may go, for every exchange; the one goes whose tokens find the cheapest other
        places.
    tokens : ndarray [n]
        Which token comes; the exchange is skipped if it is kept already.
    """
    flow, total = _solve(cost, kept, weight, capacity)
    best, least = _clone(flow), total
    total = _settle(cost, flow, total)
    for trial in range(len(columns) + 1):
        if total < least - _LEAST_GAIN * len(cost):
            best, least = _clone(flow), total
        elif total != least:
            flow = _clone(best)
        if trial == len(columns) or flow.used[tokens[trial]]:
            continue
        column = _easiest_to_close(cost, flow, columns[trial], tokens[trial])
        total = _exchange(cost, flow, column, tokens[trial], least, _HOPE * least)
        if total < np.inf:
            total = _settle(cost, flow, total)
    return best.kept, least
