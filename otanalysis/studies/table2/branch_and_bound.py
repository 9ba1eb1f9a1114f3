"""Exact search for the best subset of a spectral objective, with a bound wherever it stops."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray

from otanalysis.arrays import IntArray
from otanalysis.studies.table2.spectral_relaxation import SpectralObjective, Tangent, best_tangent

OPTIMALITY_GAP = 1e-9
"""A subset counts as optimal once no other can be better by more than this share of its value: a thousand
times the rounding allowance of the bounds, and a million times finer than any number that is reported."""

ROOT_STEPS = 20
"""Steps before branching: on 30 to 1000 tokens of the laws here, 40 more move the bound by 0.03 to 3 %."""

NODE_STEPS = 5
"""Steps at a node: it starts from its parent's weights."""


@dataclass(frozen=True, eq=False)
class SubsetSearch:
    """The best subset found, and what none can exceed.

    Attributes
    ----------
    kept : ndarray [k]
        Positions, ascending.
    value : float
        Score of that subset.
    bound : float
        No subset of this size scores more.
    nodes : int
        Nodes of the search tree that were opened.
    """

    kept: IntArray
    value: float
    bound: float
    nodes: int

    @property
    def exact(self) -> bool:
        """Whether the subset is proved optimal, up to :data:`OPTIMALITY_GAP`."""
        return self.bound <= self.value + OPTIMALITY_GAP * abs(self.value)


@dataclass
class _Incumbent:
    """The best subset so far; sees every candidate."""

    score: Callable[[IntArray], float]
    kept: IntArray
    value: float = -np.inf

    def offer(self, kept: IntArray) -> bool:
        """Take the subset if it is better."""
        ascending = np.sort(kept)  # so that one subset has one value, to the last bit
        value = self.score(ascending)
        if better := value > self.value:
            self.kept, self.value = ascending, value
        return better

    @property
    def enough(self) -> float:
        """Bounds up to this one leave nothing to find."""
        return self.value + OPTIMALITY_GAP * abs(self.value)


def best_subset(
    objective: SpectralObjective,
    candidates: Iterable[IntArray],
    *,
    node_limit: int,
    score: Callable[[IntArray], float] | None = None,
) -> SubsetSearch:
    """Search the subset with the largest score, best bound first.

    Every node keeps some tokens and drops some. Its bound is the best plane of the relaxation
    (:mod:`~otanalysis.studies.table2.spectral_relaxation`); the plane also says what it would cost to force a
    token in or out, which settles tokens without branching. Then the token whose weight is nearest to one
    half is branched on.

    Parameters
    ----------
    objective : SpectralObjective
        Bounds the score from above.
    candidates : iterable of ndarray [k]
        Good subsets to start from; at least one.
    node_limit : int
        Most nodes to open. One gives the bound of the relaxation alone.
    score : callable, optional
        The score itself, where the objective is only a bound of it.

    Returns
    -------
    SubsetSearch
    """
    m = len(objective.vectors)
    best = _Incumbent(score or objective.value, np.arange(objective.keep))
    starts = tuple(candidates)
    for kept in starts:
        best.offer(kept)
    root = np.zeros(m, dtype=np.int64)
    tangent = best_tangent(
        objective, root, start=np.full(m, objective.keep / m), enough=best.enough, steps=ROOT_STEPS
    )
    best.offer(_rounded(tangent, root, objective.keep))
    if tangent.bound(root, objective.keep) > best.enough and node_limit > 1:
        for kept in starts:
            _descend(kept, best, m)
    order = count()
    heap = [(-tangent.bound(root, objective.keep), next(order), root, tangent)]
    nodes = 1
    while heap and -heap[0][0] > best.enough and nodes < node_limit:
        _, _, state, tangent = heapq.heappop(heap)
        settled = _settled(tangent, state, objective.keep, best.enough)
        for child in _children(settled, tangent, objective.keep):
            nodes += 1
            if not (child == 0).any():
                best.offer(np.flatnonzero(child == 1))
                continue
            found = best_tangent(objective, child, start=tangent.point, enough=best.enough, steps=NODE_STEPS)
            best.offer(_rounded(found, child, objective.keep))
            if (bound := found.bound(child, objective.keep)) > best.enough:
                heapq.heappush(heap, (-bound, next(order), child, found))
    left = -heap[0][0] if heap else best.value
    return SubsetSearch(best.kept, best.value, max(best.value, left), nodes)


def _rounded(tangent: Tangent, state: IntArray, keep: int) -> IntArray:
    """Return the subset that agrees with ``state`` and has the largest slopes."""
    preferred = np.where(state == 1, np.inf, np.where(state == -1, -np.inf, tangent.slopes))
    return np.argsort(-preferred, kind="stable")[:keep]


def _descend(start: IntArray, best: _Incumbent, m: int) -> None:
    """Exchange one kept token for another as long as that helps, from a start of its own."""
    local = _Incumbent(best.score, start)
    local.offer(start)
    improved = True
    while improved:
        improved = False
        for out in local.kept.copy():
            for into in np.setdiff1d(np.arange(m), local.kept):
                if local.offer(np.append(local.kept[local.kept != out], into)):
                    improved = True
                    break
    best.offer(local.kept)


def _settled(tangent: Tangent, state: IntArray, keep: int, enough: float) -> IntArray:
    """Return the state with the tokens added that no better subset can keep, or drop."""
    free = np.flatnonzero(state == 0)
    left = keep - int(np.sum(state == 1))
    order = free[np.argsort(-tangent.slopes[free], kind="stable")]
    last_in, first_out = tangent.slopes[order[left - 1]], tangent.slopes[order[left]]
    bound = tangent.bound(state, keep)
    settled = state.copy()
    inside, outside = order[:left], order[left:]
    settled[inside[bound - (tangent.slopes[inside] - first_out) <= enough]] = 1
    settled[outside[bound - (last_in - tangent.slopes[outside]) <= enough]] = -1
    return settled


def _children(state: IntArray, tangent: Tangent, keep: int) -> list[IntArray]:
    """Return the states of the two halves of a node that still hold a choice, or the one subset left."""
    free = np.flatnonzero(state == 0)
    if free.size == 0:
        return []
    branch = free[int(np.argmin(np.abs(tangent.point[free] - 0.5)))]
    halves = []
    for side in (1, -1):
        half = state.copy()
        half[branch] = side
        if (full := _completed(half, keep)) is not None:
            halves.append(full)
    return halves


def _completed(state: NDArray[np.int64], keep: int) -> IntArray | None:
    """Return the state with the forced rest filled in; None if no subset of this size agrees with it."""
    kept, free = int(np.sum(state == 1)), int(np.sum(state == 0))
    if kept > keep or kept + free < keep:
        return None
    full = state.copy()
    if kept == keep:
        full[state == 0] = -1
    elif kept + free == keep:
        full[state == 0] = 1
    return full
