"""Exact 2-Wasserstein distance between all tokens and the kept ones, with its dual certificate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from otanalysis.arrays import Array, FloatArray, IntArray, Normalisation, check_indices
from otanalysis.errors import InputError
from otanalysis.image import Image, rescaled
from otanalysis.transport.simplex import masses, solve_uniform

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
        Optimal plan; rows sum to ``1/m``, columns to ``1/k``. Columns in the order of ``indices``.
    potentials : tuple of ndarray [m] and ndarray [k]
        Dual potentials ``u`` and ``v`` (squared unit), ``u_i + v_j <= c_ij``, with ``v`` of mean zero.
    duality_gap : float
        Primal minus dual value (squared unit); zero up to rounding.
    infeasibility : float
        Largest ``u_i + v_j - c_ij`` (squared unit), zero if no constraint is violated.
    indices : ndarray [k]
        The kept tokens, in the order given.
    normalise : {"none", "columns", "rows"}
        The normalisation of the tokens before the distance.
    """

    distance: float
    squared_distance: float
    plan: FloatArray
    potentials: tuple[FloatArray, FloatArray]
    duality_gap: float
    infeasibility: float
    indices: IntArray
    normalise: Normalisation


def wasserstein2(
    tokens: Array | Image, indices: Array, *, normalise: Normalisation = "none"
) -> ExactTransport:
    r"""Return the exact :math:`W_2` between all tokens and the kept ones, both with uniform weights.

    .. math:: W_2^2(P, Q_C) = \min_{G \geq 0} \sum_{ij} G_{ij} \lVert v_i - v_{c_j} \rVert^2
              \quad \text{s.t.} \quad G \mathbf{1} = \tfrac1m \mathbf{1}, \; G^\top \mathbf{1} = \tfrac1k
              \mathbf{1}

    Section 3.2 of arXiv:2602.20205, and rung 0 of the ladder from there to its surrogate. The solver is
    POT's network simplex. Its answer is not believed but checked: marginals, feasibility of the dual
    potentials and the duality gap are measured, and a violation raises.

    Parameters
    ----------
    tokens : array [m, d] or Image
        All tokens; NumPy or torch.
    indices : array [k]
        Positions of the kept tokens, distinct, in any order.
    normalise : {"none", "columns", "rows"}
        Normalisation of the tokens before the distance.

    Returns
    -------
    ExactTransport

    Raises
    ------
    InputError
        If tokens, indices or normalise are not as described.
    ConvergenceError
        If the solver stopped early or the certificate does not hold.

    Examples
    --------
    >>> wasserstein2([[0.0], [1.0], [4.0], [5.0]], [0, 2]).squared_distance
    0.5
    """
    image = Image.of(tokens).normalised(normalise)
    kept = check_indices(indices, len(image))
    return _solve(image.unit_distances, kept, image.exponent, normalise)


def solve_exact(cost: FloatArray, kept: IntArray, exponent: int = 0) -> ExactTransport:
    """Return :func:`wasserstein2` of checked positions [k] from the cost [m, m], without checks of either.

    The cost are squared distances divided by ``4**exponent``.
    """
    return _solve(cost, kept, exponent, "none")


def _solve(cost: FloatArray, kept: IntArray, exponent: int, normalise: Normalisation) -> ExactTransport:
    found = solve_uniform(np.ascontiguousarray(cost[:, kept]), MAX_PIVOTS)
    if exponent == 0:
        squared, gap, infeasibility = found.value, found.gap, found.infeasibility
    else:
        of_cost = np.array([found.value, found.gap, found.infeasibility])
        squared, gap, infeasibility = map(float, rescaled(of_cost, 2 * exponent))
    return ExactTransport(
        distance=float(np.ldexp(np.sqrt(found.value), exponent)),
        squared_distance=squared,
        plan=found.plan,
        potentials=(_potential(found.u, exponent), _potential(found.v, exponent)),
        duality_gap=gap,
        infeasibility=infeasibility,
        indices=kept,
        normalise=normalise,
    )


def _potential(unit: FloatArray, exponent: int) -> FloatArray:
    """Return a potential times ``4**exponent``; where float64 has no such small numbers, in long double."""
    if exponent == 0:
        return unit
    if exponent > 0:
        return rescaled(unit, 2 * exponent)
    return np.ldexp(unit.astype(np.longdouble), 2 * exponent)


_CHUNK_ENTRIES = 2**20  # of the differences at a time: they stay in the cache

# Relative to the largest cost: plan and potentials are float64, solved on costs that are right to 1e-10.
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Verification:
    r"""What a plan and potentials prove about :math:`W_2^2(P, Q_C)`, computed anew from the tokens.

    Attributes
    ----------
    lower : float
        Value of the potentials after they were made feasible: :math:`W_2^2` is at least this (squared unit).
    upper : float
        Cost of the plan after the mass that it misses was moved at the largest cost: :math:`W_2^2` is at most
        this.
    infeasibility : float
        Largest :math:`u_i + v_j - c_{ij}` of the potentials as given, zero if none is positive.
    marginal_error : float
        Mass that the plan misses or has too much of, negative entries left out.
    claimed : float
        The squared distance as given.
    largest_cost : float
        Largest squared distance to a kept token.
    """

    lower: float
    upper: float
    infeasibility: float
    marginal_error: float
    claimed: float
    largest_cost: float

    @property
    def error(self) -> float:
        """Width of the bracket and the claimed distance together, relative to the largest cost."""
        width = float(np.ptp([self.lower, self.upper, self.claimed]))
        if width == 0.0:
            return 0.0
        return width / self.largest_cost if self.largest_cost > 0.0 else float("inf")

    @property
    def sound(self) -> bool:
        """Whether claim and bracket agree as closely as float64 plans and potentials allow."""
        return self.error <= _TOLERANCE


def verify_transport(tokens: Array | Image, transport: ExactTransport) -> Verification:
    r"""Bracket the exact distance by plan and potentials, from the tokens alone.

    Costs are sums of squared differences, not the matrix product that the solver saw; plan and potentials are
    summed in extended precision.
    Any plan with the right marginals costs at least :math:`W_2^2`, any feasible potentials are worth at most
    it; errors in either are charged at the largest cost.

    Parameters
    ----------
    tokens : array [m, d] or Image
        All tokens, as they were given to :func:`~otanalysis.transport.exact.wasserstein2`.
    transport : ExactTransport
        What it returned.

    Returns
    -------
    Verification

    Raises
    ------
    InputError
        If the transport is not one of these tokens.

    Examples
    --------
    >>> from otanalysis.transport import wasserstein2
    >>> tokens = [[0.0], [1.0], [4.0], [5.0]]
    >>> verify_transport(tokens, wasserstein2(tokens, [0, 2])).sound
    True
    """
    rows = Image.of(tokens).normalised(transport.normalise).host
    m, k = transport.plan.shape
    if len(rows) != m:
        raise InputError(f"The transport is of {m} tokens; got {len(rows)}: pass the tokens it was made of.")
    cost = _costs(rows, rows[check_indices(transport.indices, m)])
    # A repair of negative entries could cost twice their mass; without them the plan only has too much.
    plan = np.maximum(transport.plan, 0.0).astype(np.longdouble)
    u, v = (potential.astype(np.longdouble) for potential in transport.potentials)
    largest = cost.max()
    excess = max(np.longdouble(0.0), np.max(u[:, None] + v[None, :] - cost))
    missing = (
        np.abs(plan.sum(axis=1) - np.longdouble(1) / m).sum()
        + np.abs(plan.sum(axis=0) - np.longdouble(1) / k).sum()
    )
    return Verification(
        lower=float(u.mean() + v.mean() - excess),
        upper=float(np.sum(plan * cost) + missing * largest),
        infeasibility=float(excess),
        marginal_error=float(missing),
        claimed=transport.squared_distance,
        largest_cost=float(largest),
    )


def _costs(rows: FloatArray, kept: FloatArray) -> npt.NDArray[np.longdouble]:
    """Return the squared distances [m, k], summed from differences."""
    cost = np.empty((len(rows), len(kept)), dtype=np.longdouble)
    step = max(1, _CHUNK_ENTRIES // kept.size)
    for start in range(0, len(rows), step):
        difference = rows[start : start + step, None, :] - kept[None, :, :]
        cost[start : start + step] = np.einsum("ijd,ijd->ij", difference, difference)
    return cost
