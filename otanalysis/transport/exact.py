"""Exact 2-Wasserstein distance between all tokens and the kept ones, with its dual certificate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from otanalysis.arrays import (
    Array,
    FloatArray,
    IntArray,
    Normalisation,
    check_indices,
    check_weights,
)
from otanalysis.image import Image, rescaled, rescaled_number
from otanalysis.scalars import check_choice
from otanalysis.transport.marginals import Marginals, UniformMarginals, WeightedMarginals
from otanalysis.transport.neighbour import Neighbour
from otanalysis.transport.quantisation import mean_over
from otanalysis.transport.simplex import Solution, solve_uniform, solve_weighted

# Pivots of the network simplex. 576 x 115 tokens need some thousands; the cap only has to be out of the way.
MAX_PIVOTS = 10_000_000


@dataclass(frozen=True, eq=False)
class ExactTransport:
    r"""What :func:`wasserstein2` returns: an optimal transport to the kept tokens, and the proof that it is.

    Attributes
    ----------
    distance : float
        :math:`W_2(P, Q_C)`, in the unit of the tokens.
    squared_distance : float
        :math:`W_2^2(P, Q_C)`: the primal value, squared unit.
    plan : ndarray [m, k]
        Optimal plan; rows sum to ``weights``, columns to ``kept_weights``. Columns in the order of
        ``indices``.
    potentials : tuple of ndarray [m] and ndarray [k]
        Dual potentials ``u`` and ``v`` (squared unit), ``u_i + v_j <= c_ij``, with ``v`` of mean zero over
        ``kept_weights``; zero where these were free, so that ``u`` alone proves that no others do better.
    duality_gap : float
        Primal minus dual value (squared unit); zero up to rounding.
    infeasibility : float
        Largest ``u_i + v_j - c_ij`` (squared unit), zero if no constraint is violated.
    indices : ndarray [k]
        The kept tokens, in the order given.
    normalise : {"none", "columns", "rows"}
        The normalisation of the tokens before the distance.
    weights : ndarray [m]
        Masses of all tokens, of sum one: ``1/m`` each unless weights were given.
    kept_weights : ndarray [k]
        Masses of the kept tokens, of sum one, in the order of ``indices``: ``1/k`` each unless others were
        asked for.
    free : bool
        Whether the masses of the kept tokens were free; the distance is then the smallest for any.
    """

    distance: float
    squared_distance: float
    plan: FloatArray
    potentials: tuple[FloatArray, FloatArray]
    duality_gap: float
    infeasibility: float
    indices: IntArray
    normalise: Normalisation
    weights: FloatArray
    kept_weights: FloatArray
    free: bool = False


def wasserstein2(
    tokens: Array | Image,
    indices: Array,
    *,
    normalise: Normalisation = "none",
    weights: Array | None = None,
    kept_weights: Literal["uniform", "optimal"] | Array = "uniform",
) -> ExactTransport:
    r"""Return the exact :math:`W_2` between all tokens and the kept ones, by default with uniform weights.

    .. math:: W_2^2(P, Q_C) = \min_{G \geq 0} \sum_{ij} G_{ij} \lVert v_i - v_{c_j} \rVert^2
              \quad \text{s.t.} \quad G \mathbf{1} = w, \; G^\top \mathbf{1} = b

    Section 3.2 of arXiv:2602.20205, and rung 0 of the ladder from there to its surrogate, with
    :math:`w_i = 1/m` and :math:`b_j = 1/k`. Other masses, and free ones of the kept tokens, are what its
    appendix C leaves open: the best free ones give every token to its nearest kept one, and the squared
    distance is the quantisation error. The solver is POT's network simplex. Its answer is not believed but
    checked: marginals, feasibility of the dual potentials and the duality gap are measured, and a violation
    raises.

    Parameters
    ----------
    tokens : array [m, d] or Image
        All tokens; NumPy or torch.
    indices : array [k]
        Positions of the kept tokens, distinct, in any order.
    normalise : {"none", "columns", "rows"}
        Normalisation of the tokens before the distance.
    weights : array [m], optional
        Weights of all tokens: non-negative, finite, not all zero, in any unit; the masses are these over
        their sum. By default those of the image, or uniform. A token of weight zero may be kept. Where
        positive weights, of these or the kept tokens, lie 1e16-fold or more apart, a distance that is owed
        to the least of them may be beyond a certificate, and raises.
    kept_weights : {"uniform", "optimal"} or array [k]
        Of the kept tokens: ``1/k`` each, the best there are, or weights as above in the order of ``indices``.

    Returns
    -------
    ExactTransport

    Raises
    ------
    InputError
        If tokens, indices, normalise or a weight are not as described.
    ConvergenceError
        If the solver stopped early or the certificate does not hold, as where weights lie very far apart, or
        leave nothing to move between duplicates but the rounding of their sums.

    Examples
    --------
    >>> tokens = [[0.0], [1.0], [4.0], [5.0]]
    >>> wasserstein2(tokens, [0, 2]).squared_distance
    0.5
    >>> free = wasserstein2(tokens, [0, 2], weights=[6, 1, 1, 0], kept_weights="optimal")
    >>> free.squared_distance, free.kept_weights
    (0.125, array([0.875, 0.125]))
    """
    image = Image.of(tokens).normalised(normalise)
    kept = check_indices(indices, len(image))
    masses = image.masses(weights)
    cost = np.ascontiguousarray(image.unit_distances[:, kept])
    if isinstance(kept_weights, str):
        free = check_choice(kept_weights, "kept_weights", ("uniform", "optimal")) == "optimal"
        wanted = None
    else:
        free, wanted = False, check_weights(kept_weights, len(kept), name="kept_weights")
    found = _to_nearest(cost, masses) if free else _between(cost, masses, wanted)
    return _transport(found, kept, image.exponent, normalise, free=free)


def solve_exact(
    cost: FloatArray,
    kept: IntArray,
    exponent: int = 0,
    masses: FloatArray | None = None,
    near: ExactTransport | None = None,
) -> ExactTransport:
    """Return :func:`wasserstein2` of checked positions [k] from the cost [m, m], without checks of either.

    The cost are squared distances, symmetric, divided by ``4**exponent``; ``masses`` [m] are those of all
    tokens. ``near`` is what this returned, at the exponent zero, for the same cost and masses and as many
    kept tokens, most of them in the same columns: large problems then take a fraction of the time.
    """
    before = None if near is None else Neighbour(near.plan, *near.potentials, moved=kept != near.indices)
    # Rows of a symmetric matrix are gathered in less than half the time of its columns.
    found = _between(np.ascontiguousarray(cost[kept].T), masses, None, before)
    return _transport(found, kept, exponent, "none")


_Found: TypeAlias = tuple[Solution, Marginals]


def _between(
    cost: FloatArray,
    masses: FloatArray | None,
    kept_masses: FloatArray | None,
    before: Neighbour | None = None,
) -> _Found:
    """Return an optimal plan for the cost [m, k], where None stands for uniform masses."""
    uniform = UniformMarginals(*cost.shape)
    if masses is None and kept_masses is None:
        return solve_uniform(cost, MAX_PIVOTS, before), uniform
    rows = uniform.rows if masses is None else masses
    columns = uniform.columns if kept_masses is None else kept_masses
    return solve_weighted(cost, rows, columns, MAX_PIVOTS, before), WeightedMarginals(rows, columns)


def _to_nearest(cost: FloatArray, masses: FloatArray | None) -> _Found:
    """Return the optimal plan for the cost [m, k] to free masses: all to the nearest, of equals the first."""
    m, k = cost.shape
    rows = np.full(m, 1.0 / m) if masses is None else masses
    nearest, u = cost.argmin(axis=1), cost.min(axis=1)
    plan = np.zeros((m, k))
    plan[np.arange(m), nearest] = rows
    value = mean_over(masses, u)  # of plan and potentials, which are these costs and zero: there is no gap
    proof = Solution(
        plan=plan,
        value=value,
        value_rounding=0.0,
        marginal=0.0,
        u=u,
        v=np.zeros(k),
        dual=value,
        dual_rounding=0.0,
        infeasibility=0.0,
    )
    received = np.asarray(np.bincount(nearest, rows, k), dtype=np.float64)
    return proof, WeightedMarginals(rows, received)


def _transport(
    found: _Found, kept: IntArray, exponent: int, normalise: Normalisation, *, free: bool = False
) -> ExactTransport:
    solution, marginals = found
    return ExactTransport(
        distance=float(np.ldexp(np.sqrt(solution.value), exponent)),
        squared_distance=rescaled_number(solution.value, 2 * exponent),
        plan=solution.plan,
        potentials=(_potential(solution.u, exponent), _potential(solution.v, exponent)),
        duality_gap=rescaled_number(solution.gap, 2 * exponent),
        infeasibility=rescaled_number(solution.infeasibility, 2 * exponent),
        indices=kept,
        normalise=normalise,
        weights=marginals.rows,
        kept_weights=marginals.columns,
        free=free,
    )


def _potential(unit: FloatArray, exponent: int) -> FloatArray:
    """Return a potential times ``4**exponent``; where float64 has no such small numbers, in long double."""
    if exponent == 0:
        return unit
    if exponent > 0:
        return rescaled(unit, 2 * exponent)
    return np.ldexp(unit.astype(np.longdouble), 2 * exponent)
