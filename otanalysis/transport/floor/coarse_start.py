"""A coarse warm start for the dual ascent: the linear relaxation over clusters in place of tokens."""

from __future__ import annotations

from typing import Any

import numpy as np

from otanalysis.arrays import BoolArray, FloatArray, IntArray
from otanalysis.transport.floor.cuts import CapacityCuts
from otanalysis.transport.floor.lagrangian import Prices

_CLUSTERS = 64


def coarse_prices(cost: FloatArray, linkage: FloatArray, cuts: CapacityCuts, keep: int) -> Prices:
    """Return the optimal prices of the relaxation in which clusters of tokens act as one.

    The clusters' distances are the mean squared distances of their members. Any prices give a valid bound, so
    nothing depends on how good this picture is; it spares the ascent some hundred steps.

    Parameters
    ----------
    cost : ndarray [m, m]
        Squared distances.
    linkage : ndarray [m - 1, 4]
        From :func:`~otanalysis.transport.floor.cuts.dendrogram`.
    cuts : CapacityCuts
        Cuts to be priced; those whose groups are no unions of clusters get the price zero.
    keep : int
        Number of kept tokens.

    Returns
    -------
    Prices
        Zero if the linear program was not solved.
    """
    from scipy.optimize import linprog

    m = len(cost)
    label = _labels(linkage, _CLUSTERS)
    member = np.zeros((m, int(label.max()) + 1))
    member[np.arange(m), label] = 1.0
    number = member.sum(axis=0)
    weighted = member if cuts.sizes is None else cuts.sizes[:, None] * member
    size = weighted.sum(axis=0)
    # A cluster without weight has nothing to be served, at whatever cost.
    mean_cost = (weighted.T @ cost @ member) / np.outer(np.where(size > 0.0, size, 1.0), number)
    inside_served = cuts.served @ member
    inside_keepers = cuts.keepers @ member
    usable = np.flatnonzero(
        ((inside_served == 0) | (inside_served == number)).all(axis=1)
        & ((inside_keepers == 0) | (inside_keepers == number)).all(axis=1)
    )
    objective, equal, equal_to, below, below_to = _program(
        mean_cost, size, keep, inside_served[usable] > 0, inside_keepers[usable] > 0, cuts.take(usable)
    )
    limits = np.zeros((objective.size, 2))
    limits[:, 1] = np.concatenate([np.full(size.size**2, np.inf), number])
    # The published types of linprog do not know sparse matrices; SciPy takes them.
    solve: Any = linprog
    found = solve(
        objective, A_ub=below, b_ub=below_to, A_eq=equal, b_eq=equal_to, bounds=limits, method="highs-ds"
    )
    cut_prices = np.zeros(len(cuts))
    if found.status != 0:
        return Prices(np.zeros(m), cuts, cut_prices)
    cut_prices[usable] = np.maximum(-found.ineqlin.marginals[size.size**2 :], 0.0)
    return Prices(np.asarray(found.eqlin.marginals[: size.size])[label], cuts, cut_prices)


def _labels(linkage: FloatArray, most: int) -> IntArray:
    """Return the cluster of every token [m], counted from 0, for at most so many of them.

    SciPy's own criterion ``maxclust`` is not used: before SciPy 1.15 it gave one or two too few where
    ``most`` was the number of tokens or one less, and so other prices.
    """
    from scipy.cluster.hierarchy import fcluster

    m = len(linkage) + 1
    if m <= most:
        return np.arange(m)
    height = linkage[m - most - 1, 2]  # of the last merger that is needed
    return np.asarray(fcluster(linkage, height, "distance"), dtype=np.int64) - 1


def _program(
    mean_cost: FloatArray,
    size: FloatArray,
    keep: int,
    served: BoolArray,
    keepers: BoolArray,
    cuts: CapacityCuts,
) -> tuple[FloatArray, Any, FloatArray, Any, FloatArray]:
    """Return objective, equalities and inequalities over the flows [n * n] and the kept numbers [n]."""
    from scipy import sparse

    n = size.size
    one, row, capacity = sparse.eye_array(n), np.ones((1, n)), cuts.capacity
    flows = sparse.vstack(
        [
            sparse.hstack([sparse.kron(one, row), sparse.csr_array((n, n))]),
            sparse.hstack([sparse.kron(row, one), -capacity * one]),
            sparse.hstack([sparse.csr_array((1, n * n)), sparse.csr_array(row)]),
        ]
    )
    linking = sparse.hstack([sparse.eye_array(n * n), -sparse.kron(size[:, None], one)])
    pairs = np.einsum("ci,cj->cij", served, keepers).reshape(len(cuts), n * n)
    numbers = -capacity * cuts.rest[:, None] * keepers
    groups = sparse.hstack([sparse.csr_array(pairs * 1.0), sparse.csr_array(numbers)])
    return (
        np.concatenate([mean_cost.ravel(), np.zeros(n)]),
        sparse.csr_array(flows),
        np.concatenate([size, np.zeros(n), [float(keep)]]),
        sparse.csr_array(sparse.vstack([linking, groups])),
        np.concatenate([np.zeros(n * n), cuts.limit]),
    )
