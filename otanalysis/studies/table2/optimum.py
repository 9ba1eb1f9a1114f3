"""The best value of every rung over all subsets of one size: exact where that is affordable, else bounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from otanalysis.arrays import FloatArray, IntArray
from otanalysis.errors import ConvergenceError
from otanalysis.studies.table2.branch_and_bound import best_subset
from otanalysis.studies.table2.rung_objectives import rung_objective
from otanalysis.studies.table2.subsets import numbered_subsets
from otanalysis.surrogate import RUNGS, Ladder, Rung
from otanalysis.surrogate.upper_bound import logdet_upper_bound
from otanalysis.transport import wasserstein2
from otanalysis.transport.floor.bound import wasserstein2_floor

RELATIVE_GAP = 1e-9
"""Gap at which HiGHS may stop, relative to the optimum; its own default of 1e-4 would show in a table."""

FEASIBILITY = 1e-6
"""HiGHS takes constraints as satisfied, and values as whole, up to this; the costs are scaled to at most one,
so its bound may be too high by about as much."""


def capacitated_medoids(cost: FloatArray, keep: int) -> tuple[IntArray, float]:
    r"""Return the ``keep`` tokens with the smallest :math:`W_2^2(P, Q_C)` over all subsets of that size.

    With :math:`y_j \in \{0, 1\}` for "token j is kept" and :math:`x_{ij}` the share of token i that goes
    there, exact transport with uniform weights on both sides is

    .. math:: \min \tfrac1m \sum_{ij} D_{ij} x_{ij} \quad \text{s.t.} \quad \sum_j x_{ij} = 1, \;
              \sum_i x_{ij} = \tfrac{m}{k} y_j, \; 0 \leq x_{ij} \leq y_j, \; \sum_j y_j = k

    a capacitated k-median problem. Solved by branch and cut (HiGHS), so optimal up to HiGHS's tolerances: the
    certificate is not one of exact arithmetic.

    Parameters
    ----------
    cost : ndarray [m, m]
        Squared distances.
    keep : int
        Number of tokens to keep, in ``1..m``.

    Returns
    -------
    kept : ndarray [keep]
        Positions, ascending.
    bound : float
        HiGHS's lower bound of :math:`W_2^2` over all subsets, less its tolerance (squared unit).

    Raises
    ------
    ConvergenceError
        If HiGHS stops without a proof.

    Examples
    --------
    >>> kept, bound = capacitated_medoids(np.array([[0.0, 1.0, 9.0], [1.0, 0.0, 4.0], [9.0, 4.0, 0.0]]), 1)
    >>> kept, round(bound, 4)
    (array([1]), 1.6667)
    """
    m = len(cost)
    scale = float(cost.max()) or 1.0
    shares, giver, taker = np.arange(m * m), np.repeat(np.arange(m), m), np.tile(np.arange(m), m)
    medoids = m * m + np.arange(m)
    one = np.ones(m * m)

    def rows(count: int, *terms: tuple[FloatArray, IntArray, IntArray]) -> csr_array:
        values, row, column = (np.concatenate(part) for part in zip(*terms, strict=True))
        return csr_array((values, (row, column)), shape=(count, m * m + m))

    all_given = rows(m, (one, giver, shares))
    filled = rows(m, (one, taker, shares), (np.full(m, -m / keep), np.arange(m), medoids))
    only_kept = rows(m * m, (one, shares, shares), (-one, shares, medoids[taker]))
    counted = rows(1, (np.ones(m), np.zeros(m, dtype=np.int64), medoids))
    solution = milp(
        np.concatenate([cost.ravel() / (m * scale), np.zeros(m)]),
        constraints=[
            LinearConstraint(all_given, 1.0, 1.0),
            LinearConstraint(filled, 0.0, 0.0),
            LinearConstraint(only_kept, -np.inf, 0.0),
            LinearConstraint(counted, keep, keep),
        ],
        integrality=np.concatenate([np.zeros(m * m), np.ones(m)]),
        bounds=Bounds(0.0, 1.0),
        options={"mip_rel_gap": RELATIVE_GAP},
    )
    if solution.status != 0:
        raise ConvergenceError(
            f"The integer programme of {m} tokens and {keep} kept ones was to be solved to the end, but "
            f"HiGHS stopped ({solution.message}); choose a smaller size."
        )
    kept = np.flatnonzero(solution.x[m * m :] > 0.5)
    return kept, (float(solution.mip_dual_bound) - FEASIBILITY) * scale


ENUMERATED_UP_TO = 20_000
"""Most subsets that are measured one by one: exact transport of that many takes two seconds."""

SEARCHED_UP_TO = 40
"""Most tokens for branching and for the integer programme: at 100 the latter takes seconds to minutes."""

NODE_LIMITS = (30, 300)
"""Nodes of branch and bound on rungs 1 and 2, which stay open at any affordable number (the bound is a sixth
to a third off, and ten times as many nodes change little), and on rungs 3 to 5, most of which close."""

CONTRADICTION = 1e-6
"""A subset that beats a bound by more than this share of it proves the bound wrong: the bounds allow for
their own rounding, and the values are right to about 1e-10."""


@dataclass(frozen=True)
class Optimum:
    """The best value of a rung over all subsets of one size.

    Attributes
    ----------
    best_known : float
        Value of the best subset found.
    bound : float
        No subset is better than this; equal to ``best_known`` where the optimum is known.
    kind : str
        How it is known: "enumerated", "milp", "branch-and-bound"; "certificate" where only the bound is.
    """

    best_known: float
    bound: float
    kind: str


def optimum(
    ladder: Ladder, keep: int, rung: Rung, candidates: Sequence[IntArray], values: FloatArray
) -> Optimum:
    """Return the optimum of a rung.

    Parameters
    ----------
    ladder : Ladder
        The tokens.
    keep : int
        Size of the subsets, smaller than the number of tokens.
    rung : Rung
        Of which.
    candidates : sequence of ndarray [keep]
        Good subsets to start searches from; at least one.
    values : ndarray [n]
        Of the subsets measured so far, candidates and others: the best known is never worse than any.

    Returns
    -------
    Optimum

    Raises
    ------
    ConvergenceError
        If a solver stopped early, or a subset is better than the bound.
    """
    m = len(ladder.tokens)
    if comb(m, keep) <= ENUMERATED_UP_TO:
        found = _enumerated(ladder, keep, rung)
    elif rung.number == 0:
        found = _closest(ladder, keep)
    elif m <= SEARCHED_UP_TO:
        found = _branched(ladder, keep, rung, candidates, NODE_LIMITS[rung.maximised])
    elif rung.number <= 3:
        found = _branched(ladder, keep, rung, candidates, 1)
    else:
        found = _surrogate_ceiling(ladder, keep, rung)
    return _reconciled(found, rung, values)


def _enumerated(ladder: Ladder, keep: int, rung: Rung) -> Optimum:
    """Score every subset; the exact distance only of those that its lower bounds leave in play."""
    m = len(ladder.tokens)
    subsets = numbered_subsets(0, comb(m, keep), m, keep)
    if rung.number:
        scores = rung_objective(ladder, keep, rung.number).scores(subsets)
        best = ladder.values(subsets[int(np.argmax(scores))])[rung.column]
        return Optimum(best, best, "enumerated")
    gelbrich = rung_objective(ladder, keep, 1)
    quantised = ladder.cost[:, subsets].min(axis=2).mean(axis=0)
    floors = np.maximum(gelbrich.rung_value(gelbrich.scores(subsets)), quantised)
    best = np.inf
    for index in np.argsort(floors, kind="stable"):
        if floors[index] >= best:
            break
        best = min(best, wasserstein2(ladder.image, subsets[index]).squared_distance)
    return Optimum(best, best, "enumerated")


def _closest(ladder: Ladder, keep: int) -> Optimum:
    """Search the exact distance: by the integer programme where that is affordable."""
    if len(ladder.tokens) <= SEARCHED_UP_TO:
        kept, bound = capacitated_medoids(ladder.cost, keep)
        return Optimum(ladder.values(kept)[RUNGS[0].column], bound, "milp")
    floor = wasserstein2_floor(ladder.image, keep)
    return Optimum(floor.best.squared_distance, floor.squared_distance, "certificate")


def _branched(
    ladder: Ladder, keep: int, rung: Rung, candidates: Sequence[IntArray], node_limit: int
) -> Optimum:
    objective = rung_objective(ladder, keep, rung.number)
    search = best_subset(objective.objective, candidates, node_limit=node_limit, score=objective.score)
    return Optimum(
        ladder.values(search.kept)[rung.column],
        float(objective.rung_value(search.bound)),
        "branch-and-bound" if search.exact else "certificate",
    )


def _surrogate_ceiling(ladder: Ladder, keep: int, rung: Rung) -> Optimum:
    """Bound a log-determinant over all subsets; the released one sees columns of unit norm."""
    if rung.number == 5:
        bound = logdet_upper_bound(ladder.tokens, keep, gamma=ladder.factor(keep))
    else:
        scale = np.sqrt(ladder.tokens.shape[1]) / (float(np.linalg.norm(ladder.tokens)) or 1.0)
        bound = logdet_upper_bound(ladder.tokens * scale, keep, gamma=ladder.factor(keep), normalise="none")
    return Optimum(bound.greedy, bound.value, "certificate")


def _reconciled(optimum: Optimum, rung: Rung, values: FloatArray) -> Optimum:
    """Return the optimum with what the measured subsets say of it."""
    best = float(values.max() if rung.maximised else values.min())
    best = max(best, optimum.best_known) if rung.maximised else min(best, optimum.best_known)
    excess = (best - optimum.bound) if rung.maximised else (optimum.bound - best)
    if excess > CONTRADICTION * abs(optimum.bound):
        raise ConvergenceError(
            f"No subset was to be better than {optimum.bound:.9g} ({optimum.kind}) on rung {rung.number}, "
            f"but one has {best:.9g}; report the tokens as a bug."
        )
    # What is left within the tolerances of the solvers is no difference.
    closed = optimum.kind != "certificate" or excess >= 0.0
    return Optimum(best, best if closed else optimum.bound, optimum.kind)
