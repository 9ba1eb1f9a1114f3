"""Exact 2-Wasserstein distance between all tokens and the kept ones, with its dual certificate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from otanalysis.arrays import Array, FloatArray, IntArray, Normalisation, check_indices
from otanalysis.errors import InputError
from otanalysis.image import Image, rescaled, rescaled_number
from otanalysis.transport.simplex import MARGINAL_TOLERANCE, masses, solve_uniform

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
    return ExactTransport(
        distance=float(np.ldexp(np.sqrt(found.value), exponent)),
        squared_distance=rescaled_number(found.value, 2 * exponent),
        plan=found.plan,
        potentials=(_potential(found.u, exponent), _potential(found.v, exponent)),
        duality_gap=rescaled_number(found.gap, 2 * exponent),
        infeasibility=rescaled_number(found.infeasibility, 2 * exponent),
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


LongArray: TypeAlias = npt.NDArray[np.longdouble]

_TINY = float(np.finfo(np.float64).tiny)
_CHUNK_ENTRIES = 2**20  # of the differences at a time: they stay in the cache

# Relative to the value: the costs that the solver saw are right to 1e-9 each, and nearly all far closer.
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
    error : float
        Width of the bracket and the claimed distance together, relative to the upper end of the bracket;
        infinite if that is zero and the width is not.
    """

    lower: float
    upper: float
    infeasibility: float
    marginal_error: float
    claimed: float
    largest_cost: float
    error: float

    @property
    def sound(self) -> bool:
        """Whether claim and bracket agree as closely as float64 plans and potentials allow."""
        return self.error <= _TOLERANCE


def verify_transport(tokens: Array | Image, transport: ExactTransport) -> Verification:
    r"""Bracket the exact distance by plan and potentials, from the tokens alone.

    Costs are sums of squared differences, not the matrix product that the solver saw; plan and potentials are
    summed in extended precision.
    Any plan with the right marginals costs at least :math:`W_2^2`, any feasible potentials are worth at most
    it; errors in either are charged at the largest cost. A basic plan moves multiples of one over the least
    common multiple of ``m`` and ``k``: what only rounding keeps from that stands for it, without an error.

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
    image = Image.of(tokens).normalised(transport.normalise)
    rows, exponent = image.host, image.exponent
    m = len(transport.plan)
    if len(rows) != m:
        raise InputError(f"The transport is of {m} tokens; got {len(rows)}: pass the tokens it was made of.")
    cost = _costs(rows, rows[check_indices(transport.indices, m)], exponent)
    largest = cost.max()
    potentials = (np.ldexp(one.astype(np.longdouble), -2 * exponent) for one in transport.potentials)
    upper, missing = _cost_of_plan(cost, transport.plan)
    lower, excess = _value_of_potentials(cost, *potentials)
    with np.errstate(over="ignore", under="ignore"):
        lower_end, upper_end, violation, dearest = (
            float(np.ldexp(one, 2 * exponent)) for one in (lower, upper, excess, largest)
        )
    width = _width(lower, upper, transport, exponent)
    return Verification(
        lower=lower_end,
        upper=upper_end,
        infeasibility=violation,
        marginal_error=missing,
        claimed=transport.squared_distance,
        largest_cost=dearest,
        error=float(width / upper) if upper > 0.0 else (0.0 if width == 0.0 else float("inf")),
    )


def _cost_of_plan(cost: LongArray, plan: FloatArray) -> tuple[np.longdouble, float]:
    """Return what the plan costs at most once its marginals are mended, and the mass that it misses."""
    m, k = plan.shape
    # A repair of negative entries could cost twice their mass; without them the plan only has too much.
    positive = np.maximum(plan, 0.0).astype(np.longdouble)
    missing = (
        np.abs(positive.sum(axis=1) - np.longdouble(1) / m).sum()
        + np.abs(positive.sum(axis=0) - np.longdouble(1) / k).sum()
    )
    rows, columns, given, whole, units = masses(plan)
    if whole is not None and np.abs(given - whole / units).sum() <= MARGINAL_TOLERANCE:
        # The exact plan that this one is the rounding of: nothing is missing.
        return np.sum(whole.astype(np.longdouble) * cost[rows, columns]) / units, float(missing)
    return np.sum(positive * cost) + missing * cost.max(), float(missing)


def _value_of_potentials(cost: LongArray, u: LongArray, v: LongArray) -> tuple[np.longdouble, np.longdouble]:
    """Return what potentials prove after they were made feasible, and by how much they were not."""
    value = u.mean() + v.mean()
    over = u[:, None] + v[None, :] - cost
    excess = max(np.longdouble(0.0), np.max(over))
    violated = over > 0.0
    # Made smaller by a factor they are feasible too. That is the better way where the solver's costs were
    # rounded: what a violation is then small against is its own cost, which may be far above the value.
    if violated.any() and (over[violated] <= _TOLERANCE * cost[violated]).all():
        return max(value - excess, value / (1 + np.max(over[violated] / cost[violated]))), excess
    return value - excess, excess


def _width(
    lower: np.longdouble, upper: np.longdouble, transport: ExactTransport, exponent: int
) -> np.longdouble:
    """Return how far apart bracket, distance and squared distance are, over ``4**exponent``."""
    from_distance = np.ldexp(np.longdouble(transport.distance), -exponent) ** 2
    squared, least = (
        np.ldexp(np.longdouble(one), -2 * exponent)
        for one in (transport.squared_distance, np.finfo(np.float64).smallest_subnormal)
    )
    # A square that float64 has no digits for is as close as it can be.
    off = max(abs(squared - lower), abs(squared - upper)) - least
    width: np.longdouble = np.max(
        np.array([np.ptp(np.array([lower, upper, from_distance])), off]), initial=0.0
    )
    return width


def _costs(rows: FloatArray, kept: FloatArray, exponent: int) -> LongArray:
    """Return the squared distances [m, k] over ``4**exponent``, summed from differences."""
    cost = np.empty((len(rows), len(kept)))
    step = max(1, _CHUNK_ENTRIES // kept.size)
    for start in range(0, len(rows), step):
        difference = rows[start : start + step, None, :] - kept[None, :, :]
        if exponent:
            difference = np.ldexp(difference, -exponent)
        cost[start : start + step] = np.einsum("ijd,ijd->ij", difference, difference)
    i, j = np.nonzero(cost < _TINY)
    cost[i, j] = np.where((rows[i] != kept[j]).any(axis=1), np.maximum(cost[i, j], _TINY), 0.0)
    return cost.astype(np.longdouble)
