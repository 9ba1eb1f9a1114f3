"""Cut separation: capacity cuts that a fractional plan violates, over unions of neighbouring clusters.

One cluster's cut knows what the cluster lacks or has left over. Two clusters can still promise each other, in
fractions, what neither has: one kept token in 7/8 of the cases each, and in the other eighth served by the
other's left-over. The cut of their union forbids it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from otanalysis.arrays import BoolArray, FloatArray, IntArray
from otanalysis.transport.floor.cuts import CapacityCuts, violated_cuts

_LEAST_PERSISTENCE = 1.1  # of a cluster worth joining with others
_NEIGHBOURS = 8
_LARGEST_UNION = 3  # clusters
_LEAST_VIOLATION = 0.02  # tokens


@dataclass(frozen=True, eq=False)
class ClusterGraph:
    """Clusters, and which of them are close to each other.

    Attributes
    ----------
    clusters : ndarray [b, m], bool
        The groups that may be joined.
    overlap : ndarray [b, b], bool
        Which clusters share tokens.
    near : ndarray [b, n]
        The closest clusters of each, by mean squared distance; -1 where there are fewer.
    """

    clusters: BoolArray
    overlap: BoolArray
    near: IntArray


def cluster_graph(cost: FloatArray, groups: BoolArray, persistence: FloatArray) -> ClusterGraph:
    """Return the graph of the clusters that stand out.

    Parameters
    ----------
    cost : ndarray [m, m]
        Squared distances.
    groups, persistence
        From :func:`~otanalysis.transport.floor.cuts.dendrogram`.
    """
    clusters = groups[persistence >= _LEAST_PERSISTENCE]
    members = clusters.astype(np.float32)
    size = members.sum(axis=1)
    distance = (members @ cost.astype(np.float32) @ members.T) / np.outer(size, size)
    overlap = members @ members.T > 0.0
    distance[overlap] = np.inf
    near = np.argsort(distance, axis=1, kind="stable")[:, :_NEIGHBOURS].copy()  # compiled for one layout
    near[np.isinf(np.take_along_axis(distance, near, axis=1))] = -1
    return ClusterGraph(clusters, overlap, near)


def separate_union_cuts(
    graph: ClusterGraph, shares: FloatArray, kept: FloatArray, most: int, sizes: FloatArray | None = None
) -> CapacityCuts:
    """Return cuts that a fractional plan violates, with unions of up to three clusters as keepers.

    Every cluster is joined greedily with the neighbour that raises the violation the most.

    Parameters
    ----------
    graph : ClusterGraph
    shares, kept
        The plan, as for :func:`~otanalysis.transport.floor.cuts.violated_cuts`.
    most : int
        Number of cuts returned at most.
    sizes : ndarray [m], optional
        Of the tokens, as in :class:`~otanalysis.transport.floor.cuts.CapacityCuts`.
    """
    m = len(kept)
    members = graph.clusters.astype(np.float64)
    alive = np.flatnonzero(kept > 0.0)
    served = np.ascontiguousarray(members[:, alive] @ shares[:, alive].T)
    capacity = m / float(kept.sum())
    amounts = np.ones(m) if sizes is None else sizes
    unions, violation = grow_unions(graph, served, members @ kept, amounts, capacity)
    chosen: dict[bytes, BoolArray] = {}
    for row in np.argsort(-violation, kind="stable"):
        joined = graph.clusters[unions[row][unions[row] >= 0]].any(axis=0)
        chosen.setdefault(joined.tobytes(), joined)
        if len(chosen) == most:
            break
    groups = np.array(list(chosen.values())) if chosen else np.zeros((0, m), dtype=np.bool_)
    return violated_cuts(groups, shares, kept, most, sizes)


def grow_unions(
    graph: ClusterGraph, served: FloatArray, number: FloatArray, sizes: FloatArray, capacity: float
) -> tuple[IntArray, FloatArray]:
    """Join every cluster with neighbours that raise the violation of its worst cut the most.

    Parameters
    ----------
    graph : ClusterGraph
    served : ndarray [b, m]
        Share of every token that each cluster serves.
    number : ndarray [b]
        Kept tokens in each cluster.
    sizes : ndarray [m]
        Of the tokens.
    capacity : float
        Tokens that one kept token serves.

    Returns
    -------
    unions : ndarray [n, 3]
        The violated unions met, of up to three clusters, filled with -1.
    violations : ndarray [n]
    """
    most = len(served) * _LARGEST_UNION
    unions, violations = np.full((most, _LARGEST_UNION), -1), np.empty(most)
    settings = (graph.overlap, graph.near, capacity, _LEAST_VIOLATION)
    found = _grow_unions(served, number, sizes, *settings, unions, violations)
    return unions[:found], violations[:found]


@numba.njit(cache=True, error_model="numpy")
def _violation(served, more, number, sizes, capacity):  # type: ignore[no-untyped-def]
    """Return the violation of the worst cut of a group that keeps ``number`` and serves both sums [m]."""
    whole = np.floor(number)
    if whole < 1.0:
        return -np.inf
    part, total, size = number - whole, 0.0, 0.0
    for i in range(len(served)):
        excess = served[i] + more[i] - part
        if excess > 0.0:
            total += sizes[i] * excess
            size += sizes[i]
    fits = whole * capacity < size < (whole + 1.0) * capacity
    return total - capacity * whole * (1.0 - part) if fits else -np.inf


@numba.njit(cache=True, error_model="numpy", inline="always")
def _best_neighbour(served, number, sizes, sums, kept, near, excluded, union, size, capacity):  # type: ignore[no-untyped-def]
    """Return the neighbour that raises the violation of the union the most, and that; -1 for none."""
    best, most = -1, -np.inf
    for place in range(size):
        for neighbour in range(near.shape[1]):
            b = near[union[place], neighbour]
            if b >= 0 and not excluded[b]:
                value = _violation(sums, served[b], kept + number[b], sizes, capacity)
                if value > most:
                    best, most = b, value
    return best, most


@numba.njit(cache=True, error_model="numpy")
def _grow_unions(served, number, sizes, overlap, near, capacity, least, unions, violations):  # type: ignore[no-untyped-def]
    """Write the violated unions met [n, depth] and their violations [n]; return how many there are."""
    (count, m), depth, found = served.shape, unions.shape[1], 0
    union, sums, excluded = np.empty(depth, np.int64), np.empty(m), np.empty(count, np.bool_)
    for first in range(count):
        for i in range(m):
            sums[i] = 0.0
        for b in range(count):
            excluded[b] = False
        kept, best = 0.0, first
        value = _violation(sums, served[first], number[first], sizes, capacity)
        for size in range(depth):
            union[size] = best
            if value > least:
                for place in range(size + 1):
                    unions[found, place] = union[place]
                violations[found] = value
                found += 1
            for i in range(m):
                sums[i] += served[best, i]
            kept += number[best]
            for b in range(count):
                excluded[b] = excluded[b] or overlap[best, b]
            if size + 1 < depth:
                best, value = _best_neighbour(
                    served, number, sizes, sums, kept, near, excluded, union, size + 1, capacity
                )
            if best < 0:
                break
    return found
