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
    unions, violation = _grow_unions(
        served, members @ kept, amounts, graph.overlap, graph.near, capacity, _LARGEST_UNION, _LEAST_VIOLATION
    )
    chosen: dict[bytes, BoolArray] = {}
    for row in np.argsort(-violation, kind="stable"):
        joined = graph.clusters[unions[row][unions[row] >= 0]].any(axis=0)
        chosen.setdefault(joined.tobytes(), joined)
        if len(chosen) == most:
            break
    groups = np.array(list(chosen.values())) if chosen else np.zeros((0, m), dtype=np.bool_)
    return violated_cuts(groups, shares, kept, most, sizes)


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


@numba.njit(cache=True, error_model="numpy")
def _best_neighbour(served, number, sizes, sums, kept, near, excluded, union, capacity):  # type: ignore[no-untyped-def]
    """Return the neighbour that raises the violation of the union the most, and that; -1 for none."""
    best, most = -1, -np.inf
    for a in union:
        for b in near[a]:
            if b < 0 or excluded[b]:
                continue
            value = _violation(sums, served[b], kept + number[b], sizes, capacity)
            if value > most:
                best, most = b, value
    return best, most


@numba.njit(cache=True, error_model="numpy")
def _grow_unions(served, number, sizes, overlap, near, capacity, depth, least):  # type: ignore[no-untyped-def]
    """Return the violated unions met [n, depth], filled with -1, and their violations [n]."""
    count, m = served.shape
    unions, violations, found = np.full((count * depth, depth), -1), np.empty(count * depth), 0
    for first in range(count):
        union = np.full(depth, -1)
        sums, kept, excluded = np.zeros(m), 0.0, np.zeros(count, np.bool_)
        best, value = first, _violation(np.zeros(m), served[first], number[first], sizes, capacity)
        for size in range(depth):
            union[size] = best
            if value > least:
                unions[found], violations[found] = union, value
                found += 1
            sums += served[best]
            kept += number[best]
            excluded |= overlap[best]
            if size + 1 < depth:
                best, value = _best_neighbour(
                    served, number, sizes, sums, kept, near, excluded, union[: size + 1], capacity
                )
            if best < 0:
                break
    return unions[:found], violations[:found]
