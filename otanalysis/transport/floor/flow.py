"""An optimal plan between all tokens and the kept ones that can be changed and kept optimal, compiled.

With one keeper exchanged most of an optimal plan stays optimal: only what the old keeper served must find
another place. Every such token travels along a cheapest path of reassignments to the room that the new keeper
brings (successive shortest paths over the ``k`` kept tokens, found by Dijkstra's algorithm on reduced prices;
Edmonds and Karp, 1972; Ahuja, Magnanti and Orlin, 1993, section 9.7). That is far less work than a new solve.
Amounts are whole: of uniform weights a token weighs ``k / g`` and a keeper has room for ``m / g``, with ``g``
the greatest common divisor.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from otanalysis.arrays import BoolArray, FloatArray, IntArray


class Flow(NamedTuple):
    """An optimal plan, and what reassignments cost."""

    kept: IntArray
    """[k]"""
    used: BoolArray
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
    residual: IntArray
    """Capacity left in every column [k]."""
    price: FloatArray
    """Dual prices of the columns [k]: no move costs less than its target's price above its origin's."""
    changed: BoolArray
    """Whether a column is another than when the flow was last equal to its copy [k]."""
    stale: BoolArray
    """Whether a column has changed since its keeper was last looked at [k]."""


def solve_flow(cost: FloatArray, kept: IntArray, weights: IntArray, capacity: int) -> tuple[Flow, float]:
    """Return an optimal plan and its cost.

    Parameters
    ----------
    cost : ndarray [m, m]
        Squared distances, symmetric.
    kept : ndarray [k]
        The kept tokens.
    weights : ndarray [m], int64
        Units that every token weighs.
    capacity : int
        Units that a keeper has room for; ``weights.sum() == k * capacity``.
    """
    m, k = len(cost), len(kept)
    used = np.zeros(m, np.bool_)
    used[kept] = True
    flow = Flow(
        kept.copy(),
        used,
        np.ascontiguousarray(cost[kept].T),
        np.zeros((m, k), np.int32),
        np.zeros((k, min(m, capacity) + 1), np.int32),
        np.zeros(k, np.int32),
        np.full((k, k), np.inf),
        np.full((k, k), -1, np.int32),
        np.full(k, capacity, np.int64),
        np.zeros(k),
        np.ones(k, np.bool_),
        np.ones(k, np.bool_),
    )
    return flow, place_units(flow, np.arange(m), weights, np.zeros(m), 0.0, np.inf)


def clone_flow(flow: Flow) -> Flow:
    """Return a copy; from now on ``changed`` says what differs from it."""
    flow.changed[:] = False
    return Flow._make(one.copy() for one in flow)


@numba.njit(cache=True, error_model="numpy", inline="always")
def _shortest_path(flow, token, distance, before, reduced, final):  # type: ignore[no-untyped-def]
    """Return the column with room that the token reaches at the least cost, -1 for none; raise the prices.

    Dijkstra's algorithm: less its price, no distance falls along a move, but for rounding. What is written is
    the way there.
    """
    k, goal, last = len(flow.kept), -1, 0.0
    for a in range(k):
        distance[a], before[a], final[a] = flow.cost[token, a], -1, False
        reduced[a] = distance[a] - flow.price[a]
    for _ in range(k):
        a, last = -1, np.inf
        for b in range(k):
            if reduced[b] < last and not final[b]:
                a, last = b, reduced[b]
        if a < 0:
            break
        final[a] = True
        if flow.residual[a] > 0:
            goal = a
            break
        for b in range(k):
            way = distance[a] + flow.move[a, b]
            if way < distance[b] and not final[b]:
                distance[b], before[b], reduced[b] = way, a, way - flow.price[b]
    if goal >= 0:
        for a in range(k):
            if final[a]:
                flow.price[a] += reduced[a] - last
    return goal


@numba.njit(cache=True, error_model="numpy", inline="always")
def _update_move(flow, a, b):  # type: ignore[no-untyped-def]
    least, which = np.inf, -1
    for place in range(flow.number[a]):
        t = flow.members[a, place]
        price = flow.cost[t, b] - flow.cost[t, a]
        if price < least:
            least, which = price, t
    flow.move[a, b], flow.mover[a, b] = least, which


@numba.njit(cache=True, error_model="numpy", inline="always")
def _enter(flow, a, token, amount):  # type: ignore[no-untyped-def]
    flow.changed[a] = flow.stale[a] = True
    if flow.amount[token, a] == 0:
        flow.members[a, flow.number[a]] = token
        flow.number[a] += 1
        for b in range(len(flow.kept)):
            price = flow.cost[token, b] - flow.cost[token, a]
            if price < flow.move[a, b]:
                flow.move[a, b], flow.mover[a, b] = price, token
    flow.amount[token, a] += amount


@numba.njit(cache=True, error_model="numpy", inline="always")
def _leave(flow, a, token, amount):  # type: ignore[no-untyped-def]
    flow.changed[a] = flow.stale[a] = True
    flow.amount[token, a] -= amount
    if flow.amount[token, a] == 0:
        last = flow.number[a] - 1
        for place in range(last):
            if flow.members[a, place] == token:
                flow.members[a, place] = flow.members[a, last]
                break
        flow.number[a] = last
        for b in range(len(flow.kept)):
            if flow.mover[a, b] == token:
                _update_move(flow, a, b)


@numba.njit(cache=True, error_model="numpy")
def place_units(flow, tokens, units, nearest, total, limit):  # type: ignore[no-untyped-def]
    """Place the units of tokens [n] one by one, others giving way; return ``total`` and what that costs.

    It is infinite where there is no room, or once it is above the limit even if every token that is left went
    to the nearest column, at the cost ``nearest`` [n].
    """
    k, ahead = len(flow.kept), 0.0
    distance, before, reduced, final = np.empty(k), np.empty(k, np.int64), np.empty(k), np.empty(k, np.bool_)
    for place in range(len(tokens)):
        ahead += nearest[place]
    for place in range(len(tokens)):
        token, left, more = tokens[place], units[place], 0.0
        ahead -= nearest[place]
        while left > 0:
            goal = _shortest_path(flow, token, distance, before, reduced, final)
            if goal < 0:
                return np.inf
            amount, b = min(left, flow.residual[goal]), goal
            while before[b] >= 0:
                amount = min(amount, flow.amount[flow.mover[before[b], b], before[b]])
                b = before[b]
            flow.residual[goal] -= amount
            b = goal
            while b >= 0:
                a, entering = before[b], token
                if a >= 0:
                    entering = np.int64(flow.mover[a, b])
                    _leave(flow, a, entering, amount)
                _enter(flow, b, entering, amount)
                b = a
            more += amount * distance[goal]
            left -= amount
        total += more
        if total + ahead > limit:
            return np.inf
    return total


@numba.njit(cache=True, error_model="numpy")
def swap_keeper(cost, flow, a, token, total, limit):  # type: ignore[no-untyped-def]
    """Give column ``a`` the keeper ``token``; return the new cost, infinity once it is above the limit."""
    k, number = len(flow.kept), flow.number[a]
    tokens, units, nearest = np.empty(number, np.int64), np.empty(number, np.int64), np.empty(number)
    released = 0
    for place in range(number):
        t = flow.members[a, place]
        total -= flow.amount[t, a] * flow.cost[t, a]
        released += flow.amount[t, a]
        # Those that the new keeper is nearest to come first.
        rank = place
        while rank > 0 and cost[token, t] < cost[token, tokens[rank - 1]]:
            tokens[rank], units[rank] = tokens[rank - 1], units[rank - 1]
            rank -= 1
        tokens[rank], units[rank] = t, flow.amount[t, a]
        flow.amount[t, a] = 0
    flow.used[flow.kept[a]], flow.used[token] = False, True
    flow.kept[a], flow.number[a], flow.residual[a] = token, 0, released
    flow.changed[a] = flow.stale[a] = True
    for t in range(len(cost)):
        flow.cost[t, a] = cost[token, t]
    flow.price[a] = np.inf
    for b in range(k):
        flow.move[a, b], flow.mover[a, b] = np.inf, -1
        if b != a:
            _update_move(flow, b, a)
            flow.price[a] = min(flow.price[a], flow.price[b] + flow.move[b, a])
    if k == 1:
        flow.price[a] = 0.0
    for place in range(number):
        least = np.inf
        for b in range(k):
            least = min(least, flow.cost[tokens[place], b])
        nearest[place] = units[place] * least
    return place_units(flow, tokens, units, nearest, total, limit)


@numba.njit(cache=True, error_model="numpy", inline="always")
def restore_flow(flow, copy):  # type: ignore[no-untyped-def]
    """Make the flow equal to its copy again; only what has changed is touched."""
    m, k = flow.cost.shape
    for a in range(k):
        if flow.changed[a]:
            flow.used[flow.kept[a]] = False
            for place in range(flow.number[a]):
                flow.amount[flow.members[a, place], a] = 0
    for a in range(k):
        if flow.changed[a]:
            if flow.kept[a] != copy.kept[a]:
                for t in range(m):
                    flow.cost[t, a] = copy.cost[t, a]
            flow.kept[a], flow.number[a], flow.residual[a] = copy.kept[a], copy.number[a], copy.residual[a]
            flow.used[flow.kept[a]] = True
            for place in range(flow.number[a]):
                t = copy.members[a, place]
                flow.members[a, place], flow.amount[t, a] = t, copy.amount[t, a]
        for b in range(k):
            flow.move[a, b], flow.mover[a, b] = copy.move[a, b], copy.mover[a, b]
        flow.price[a], flow.changed[a], flow.stale[a] = copy.price[a], False, copy.stale[a]
