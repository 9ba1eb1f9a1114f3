r"""Optimal transport between given masses: the network simplex, until plan and potentials agree.

**What is proven.** With a plan :math:`G` and potentials :math:`u, v` that keep :math:`u_i + v_j \leq c_{ij}`
the optimum lies between :math:`\sum_i a_i u_i + \sum_j b_j v_j` and :math:`\sum_{ij} G_{ij} c_{ij}`, with the
masses :math:`a_i` and :math:`b_j`, which are :math:`1/m` and :math:`1/k` between uniform weights. What is
computed of the three is rounded; with the unit roundoff :math:`\epsilon`

* every :math:`u_i` is a minimum of rounded differences :math:`c_{ij} - v_j`, then every :math:`v_j` one of
  :math:`c_{ij} - u_i`, then both are shifted by :math:`s`, the mean of :math:`v`. Rounding keeps the order of
  numbers, so :math:`u` less :math:`\epsilon |u|` and :math:`v` less :math:`2 \epsilon (|v| + |s|)` are
  feasible, to first order: the lower end is off by less than :math:`2 \epsilon (\overline{|u|} +
  \overline{|v|} + |s|)` with means over the masses, and by as much again for the sums, which
  :func:`math.fsum` rounds once; of weights that are not uniform by twice as much again, for the products and
  for masses whose sum is one to two roundings only;
* the exact masses :math:`N_{ij}` of a basic plan are known, see :mod:`otanalysis.transport.marginals`. Where
  they are none below zero with the right marginals, they are a plan without any error, and cost at most
  :math:`\sum_{ij} |G_{ij} - N_{ij}| \, c_{ij}` more than :math:`G`. Of other plans the mass that is wrong is
  charged at the largest cost. The sum itself is NumPy's pairwise one: at most 64 roundings of each term.

The gap and all of this together must be small against the **value**.

**How it is reached.** The simplex compares with a threshold relative to the largest cost, and where some
costs are far above the value, it stops early. Between uniform weights an entry that costs more than
:math:`\mathrm{lcm}(m, k)` times an upper bound of the value cannot carry mass in an optimal basic plan, whose
masses are multiples of one over that; of other weights there is no such smallest mass, and one over the
smallest weight takes its place, or :math:`2^{30}` if that is less. Such costs are lowered to twice that and
the problem solved again, until the bound has settled. From there on the reduced costs :math:`c_{ij} - u_i -
v_j` take the place of the costs and the gap that of the bound: iterative refinement, each round on the scale
of what the last one left. Potentials of lowered costs are feasible for the costs themselves, on which plans
are paid for as well, so no choice made here can make a wrong value pass.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from otanalysis.arrays import BoolArray, FloatArray
from otanalysis.errors import ConvergenceError
from otanalysis.transport.marginals import Marginals, UniformMarginals, WeightedMarginals
from otanalysis.transport.neighbour import Neighbour, solve_from
from otanalysis.transport.network_simplex import network_simplex

# Of gap and rounding together, relative to the value. Ordinary tokens leave 1e-14.
GAP_TOLERANCE = 1e-10
# Sums of up to m float64 masses of size 1/m, each off by at most an ulp of 1.
MARGINAL_TOLERANCE = 1e-12
# Relative to the largest cost: the potentials are made feasible, so what is left is rounding.
FEASIBILITY_TOLERANCE = 1e-10

_ROUNDOFF = float(np.finfo(np.float64).eps) / 2.0
_ROUNDS = 40  # each takes ten digits off the gap, or off the largest cost: 1e-300 is thirty rounds away
# Relative to the largest cost: below this, costs of tokens that are not rescaled may have lost digits.
_VANISHED = 1e-225
_TINY = float(np.finfo(np.float64).tiny)
_DIVIDES_TO_ZERO = 2.0**52  # what can make zero of a positive distance, which is _TINY at least


@dataclass(frozen=True, eq=False)
class Solution:
    """A plan and potentials, and what they prove; see the head of this module.

    Attributes
    ----------
    plan : ndarray [m, k]
        Rows and columns sum to the masses.
    value : float
        Cost of the plan.
    value_rounding : float
        What ``value`` may be too low by.
    marginal : float
        Largest error of a row or column sum, or negative mass, or a little more.
    u, v : ndarray [m] and ndarray [k]
        Potentials, ``v`` of mean zero over the masses.
    dual : float
        Value of the potentials.
    dual_rounding : float
        What ``dual`` may be too high by.
    infeasibility : float
        Largest ``u_i + v_j - c_ij``, zero if no constraint is violated.
    """

    plan: FloatArray
    value: float
    value_rounding: float
    marginal: float
    u: FloatArray
    v: FloatArray
    dual: float
    dual_rounding: float
    infeasibility: float

    @property
    def gap(self) -> float:
        """Cost of the plan less value of the potentials."""
        return self.value - self.dual

    @property
    def width(self) -> float:
        """How far the value can be from the optimum."""
        return abs(self.gap) + self.value_rounding + self.dual_rounding

    @property
    def proven(self) -> bool:
        """Whether the value is optimal to the tolerance."""
        return self.width <= GAP_TOLERANCE * self.value


def solve_uniform(cost: FloatArray, max_pivots: int, before: Neighbour | None = None) -> Solution:
    """Return a proven optimal plan between uniform weights.

    Parameters
    ----------
    cost : ndarray [m, k]
        Non-negative.
    max_pivots : int
        Pivots of the network simplex before giving up.
    before : Neighbour, optional
        Where to begin.

    Raises
    ------
    ConvergenceError
        If the solver stopped early, or plan and potentials do not prove each other.
    """
    return _solve(cost, UniformMarginals(*cost.shape), max_pivots, before)


def solve_weighted(
    cost: FloatArray,
    rows: FloatArray,
    columns: FloatArray,
    max_pivots: int,
    before: Neighbour | None = None,
) -> Solution:
    """Return a proven optimal plan between any masses.

    Parameters
    ----------
    cost : ndarray [m, k]
        Non-negative.
    rows, columns : ndarray [m] and ndarray [k]
        The masses: non-negative, each of sum one to two roundings.
    max_pivots : int
        Pivots of the network simplex before giving up.
    before : Neighbour, optional
        Where to begin, if all masses are positive.

    Raises
    ------
    ConvergenceError
        If the solver stopped early, or plan and potentials do not prove each other.
    """
    sends, receives = rows > 0.0, columns > 0.0
    if sends.all() and receives.all():
        return _solve(cost, WeightedMarginals(rows, columns), max_pivots, before)
    some = WeightedMarginals(rows[sends], columns[receives])
    return _extended(cost, _solve(cost[np.ix_(sends, receives)], some, max_pivots), sends, receives)


def _extended(cost: FloatArray, found: Solution, sends: BoolArray, receives: BoolArray) -> Solution:
    """Return a solution for tokens without a mass too: they carry nothing, at prices that are feasible."""
    plan, u, v = np.zeros(cost.shape), np.empty(cost.shape[0]), np.empty(cost.shape[1])
    plan[np.ix_(sends, receives)] = found.plan
    u[sends], v[receives] = found.u, found.v
    v[~receives] = (cost[np.ix_(sends, ~receives)] - found.u[:, None]).min(axis=0)
    u[~sends] = (cost[~sends] - v).min(axis=1)
    return replace(found, plan=plan, u=u, v=v, infeasibility=max(0.0, float(_excess(cost, u, v).max())))


def _solve(
    cost: FloatArray, marginals: Marginals, max_pivots: int, before: Neighbour | None = None
) -> Solution:
    # The simplex compares reduced costs with an absolute threshold: bring the costs to unit size.
    scale = float(cost.max()) or 1.0
    scaled = cost / scale
    if scale > _DIVIDES_TO_ZERO:
        scaled[(scaled == 0.0) & (cost > 0.0)] = _TINY
    masses = marginals.rows, marginals.columns
    near = None if before is None else solve_from(before.over(scale), scaled, *masses, max_pivots)
    plan, prices = near or network_simplex(scaled, *masses, max_pivots)
    found = _assessed(scaled, marginals, plan, prices)
    if found.marginal <= MARGINAL_TOLERANCE and not found.proven:
        found = _refined(scaled, marginals, found, max_pivots)
    _check(found, marginals.advice)
    return replace(
        found,
        u=found.u * scale,
        v=found.v * scale,
        **{name: getattr(found, name) * scale for name in _OF_COST},
    )


def _assessed(cost: FloatArray, marginals: Marginals, plan: FloatArray, prices: FloatArray) -> Solution:
    """Return a plan and potentials made of prices of the columns, with what they prove."""
    plan = marginals.restored(plan)
    value = float(np.sum(plan * cost))
    wrong, marginal = _mass_errors(cost, marginals, plan)
    # No plan costs less than nothing, and zero potentials say so without rounding.
    if value == 0.0:
        u, v, shift = np.zeros(cost.shape[0]), np.zeros(cost.shape[1]), 0.0
    else:
        u, v, shift = _potentials(cost, marginals, prices)
    sizes = float(sum(marginals.mean(np.abs(u), np.abs(v)))) + abs(shift)
    return Solution(
        plan=plan,
        value=value,
        value_rounding=wrong + 64.0 * _ROUNDOFF * value,
        marginal=marginal,
        u=u,
        v=v,
        dual=marginals.value(u, v),
        dual_rounding=marginals.roundings * _ROUNDOFF * sizes,
        infeasibility=max(0.0, float(_excess(cost, u, v).max())),
    )


def _potentials(
    cost: FloatArray, marginals: Marginals, prices: FloatArray
) -> tuple[FloatArray, FloatArray, float]:
    """Return potentials that satisfy every constraint, whatever the prices, and how far they were shifted.

    The c-transform of any prices is the best ``u`` that is feasible with them, and its c-transform improves
    ``v``. On degenerate problems the solver's own pair may violate a constraint that carries no mass.
    """
    slack = cost - prices
    u = slack.min(axis=1)
    v = np.subtract(cost, u[:, None], out=slack).min(axis=0)
    _, shift = marginals.mean(u, v)
    return u + shift, v - shift, shift


def _excess(cost: FloatArray, u: FloatArray, v: FloatArray) -> FloatArray:
    """Return ``u_i + v_j - c_ij`` [m, k]."""
    excess = np.add.outer(u, v)
    return np.subtract(excess, cost, out=excess)


def _mass_errors(cost: FloatArray, marginals: Marginals, plan: FloatArray) -> tuple[float, float]:
    """Return what wrong masses can cost, and the largest error of a marginal or negative mass."""
    m, k = plan.shape
    rows, columns, given, whole, units = marginals.masses(plan)
    if whole is not None:
        wrong = np.abs(given - whole / units)
        return float(wrong @ cost[rows, columns]), float(wrong.sum())
    of_rows = np.bincount(rows, given, m) - marginals.rows
    of_columns = np.bincount(columns, given, k) - marginals.columns
    negative = -np.minimum(given, 0.0)
    marginal = max(
        float(np.abs(of_rows).max()), float(np.abs(of_columns).max()), float(negative.max(initial=0.0))
    )
    # Mended in the dearest way: negative mass made up for, what is missing moved, what is too much left.
    mended = float(np.abs(of_rows).sum() + np.abs(of_columns).sum() + 2.0 * negative.sum())
    return mended * float(cost.max()), marginal


def _refined(cost: FloatArray, marginals: Marginals, found: Solution, max_pivots: int) -> Solution:
    """Return a proven solution, or the best one met; for costs of at most one."""
    settled = np.inf
    for _ in range(_ROUNDS):
        afresh = found.value < 0.5 * settled
        if afresh:
            # Potentials of costs that turned out to be far too large would drown those that matter.
            settled = room = found.value
            base, reduced = np.zeros(cost.shape[1]), cost
        else:
            base, room = found.v, found.width
            reduced = np.maximum(cost - found.u[:, None] - found.v[None, :], 0.0)
        limit = 2.0 * marginals.shares * room
        if limit == 0.0:
            break
        flows, prices = network_simplex(np.minimum(reduced, limit) / limit, *marginals.supplies, max_pivots)
        made = _assessed(cost, marginals, flows / marginals.units, base + limit * prices)
        before, found = found, _better(found, made)
        if found.proven or not (afresh or found.width < 0.5 * before.width):
            break
    return found


def _better(one: Solution, other: Solution) -> Solution:
    """Return the cheaper plan of two solutions of a problem, with the potentials that are worth more."""
    plan = min(one, other, key=lambda found: found.value + found.value_rounding)
    prices = max(one, other, key=lambda found: found.dual - found.dual_rounding)
    return replace(plan, **{name: getattr(prices, name) for name in _OF_POTENTIALS})


_OF_COST = ("value", "value_rounding", "dual", "dual_rounding", "infeasibility")
_OF_POTENTIALS = ("u", "v", "dual", "dual_rounding", "infeasibility")


def _check(found: Solution, advice: str) -> None:
    """Raise unless plan and potentials prove each other optimal; for costs of at most one."""
    if 0.0 < found.value < _VANISHED:
        raise ConvergenceError(
            "The exact distance is to be known to ten digits, but it is 1e-112 of the largest one between "
            "tokens or less, and squares lose digits there: leave out the tokens that lie so far away."
        )
    relative = found.width / found.value if found.value else (np.inf if found.width else 0.0)
    evidence = (
        ("marginal error", found.marginal, MARGINAL_TOLERANCE, "one"),
        ("dual infeasibility", found.infeasibility, FEASIBILITY_TOLERANCE, "the largest cost"),
        ("duality gap", relative, GAP_TOLERANCE, "the value"),
    )
    for what, value, tolerance, of in evidence:
        if not value <= tolerance:
            raise ConvergenceError(
                f"The certificate of the exact distance does not hold: {what} {value:.3g} (relative to {of}) "
                f"where at most {tolerance:.0e} is allowed; {advice}."
            )
