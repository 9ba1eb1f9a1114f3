r"""Optimal transport between uniform weights: the network simplex, until plan and potentials agree.

**What is proven.** With a plan :math:`G` and potentials :math:`u, v` that keep :math:`u_i + v_j \leq c_{ij}`
the optimum lies between :math:`\frac1m \sum_i u_i + \frac1k \sum_j v_j` and :math:`\sum_{ij} G_{ij} c_{ij}`.
What is computed of the three is rounded; with the unit roundoff :math:`\epsilon`

* every :math:`u_i` is a minimum of rounded differences :math:`c_{ij} - v_j`, then every :math:`v_j` one of
  :math:`c_{ij} - u_i`, then both are shifted by :math:`s`, the mean of :math:`v`. Rounding keeps the order of
  numbers, so :math:`u` less :math:`\epsilon |u|` and :math:`v` less :math:`2 \epsilon (|v| + |s|)` are
  feasible, to first order: the lower end is off by less than :math:`2 \epsilon (\overline{|u|} +
  \overline{|v|} + |s|)`, and by as much again for the sums, which :func:`math.fsum` rounds once;
* a basic plan has masses that are multiples of :math:`1 / \mathrm{lcm}(m, k)`. Where the multiples nearest to
  :math:`G` have the right marginals, they are a plan without any error, and cost at most
  :math:`\sum_{ij} |G_{ij} - N_{ij} / \mathrm{lcm}(m, k)| \, c_{ij}` more than :math:`G`. Of other plans the
  mass that is wrong is charged at the largest cost. The sum itself is NumPy's pairwise one: at most 64
  roundings of each term.

The gap and all of this together must be small against the **value**.

**How it is reached.** The simplex compares with a threshold relative to the largest cost, and where some
costs are far above the value, it stops early. An entry that costs more than
:math:`\mathrm{lcm}(m, k)` times an upper bound of the value cannot carry mass in an optimal basic plan. Such
costs are lowered to twice that and the problem solved again, until the bound has settled. From there on the
reduced costs :math:`c_{ij} - u_i - v_j` take the place of the costs and the gap that of the bound: iterative
refinement, each round on the scale of what the last one left. Potentials of lowered costs are feasible for
the costs themselves, so no choice made here can make a wrong value pass.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from math import fsum, lcm
from threading import Lock
from typing import NamedTuple

import numpy as np

from otanalysis.arrays import FloatArray, IntArray
from otanalysis.errors import ConvergenceError

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

# The filters of warnings belong to all threads: two that set and restore them at once leave them changed.
_FILTERS = Lock()


class Masses(NamedTuple):
    """The entries of a plan that carry mass."""

    rows: IntArray
    columns: IntArray
    given: FloatArray
    """What they carry."""
    whole: FloatArray | None
    """The nearest multiples of ``1 / units`` if they have the right marginals: else it is no basic plan."""
    units: int


@dataclass(frozen=True, eq=False)
class Solution:
    """A plan and potentials, and what they prove; see the head of this module.

    Attributes
    ----------
    plan : ndarray [m, k]
        Rows sum to ``1/m``, columns to ``1/k``.
    value : float
        Cost of the plan.
    value_rounding : float
        What ``value`` may be too low by.
    marginal : float
        Largest error of a row or column sum, or negative mass, or a little more.
    u, v : ndarray [m] and ndarray [k]
        Potentials, ``v`` of mean zero.
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


def solve_uniform(cost: FloatArray, max_pivots: int) -> Solution:
    """Return a proven optimal plan between uniform weights.

    Parameters
    ----------
    cost : ndarray [m, k]
        Non-negative.
    max_pivots : int
        Pivots of the network simplex before giving up.

    Raises
    ------
    ConvergenceError
        If the solver stopped early, or plan and potentials do not prove each other.
    """
    m, k = cost.shape
    # The simplex compares reduced costs with an absolute threshold: bring the costs to unit size.
    scale = float(cost.max()) or 1.0
    scaled = cost / scale
    if scale > _DIVIDES_TO_ZERO:
        scaled[(scaled == 0.0) & (cost > 0.0)] = _TINY
    plan, prices = _simplex(scaled, np.full(m, 1.0 / m), np.full(k, 1.0 / k), max_pivots)
    found = _assessed(scaled, plan, prices)
    if found.marginal <= MARGINAL_TOLERANCE and not found.proven:
        found = _refined(scaled, found, max_pivots)
    _check(found)
    return replace(
        found,
        u=found.u * scale,
        v=found.v * scale,
        **{name: getattr(found, name) * scale for name in _OF_COST},
    )


def masses(plan: FloatArray) -> Masses:
    """Return the masses of a plan [m, k], and the exact ones that they stand for."""
    m, k = plan.shape
    units = lcm(m, k)
    carrying = np.flatnonzero(plan != 0.0)
    rows, columns = np.divmod(carrying, k)
    given = plan.ravel()[carrying]
    with np.errstate(invalid="ignore"):
        whole = np.rint(given * units)
    right = (
        (whole >= 0.0).all()
        and (np.bincount(rows, whole, m) == units // m).all()
        and (np.bincount(columns, whole, k) == units // k).all()
    )
    return Masses(rows, columns, given, whole if right else None, units)


def _simplex(
    cost: FloatArray, a: FloatArray, b: FloatArray, max_pivots: int
) -> tuple[FloatArray, FloatArray]:
    """Return plan [m, k] and prices of the columns [k]."""
    # POT loads torch and scikit-learn where they are installed; importing otanalysis must not.
    import ot

    with _FILTERS, warnings.catch_warnings():
        # POT only warns when it gives up. That warning is raised as an error below, from the result code.
        warnings.simplefilter("ignore", UserWarning)
        plan, log = ot.emd(a, b, cost, numItermax=max_pivots, log=True)
    if log["warning"] is not None:
        m, k = cost.shape
        raise ConvergenceError(
            f"Exact transport of {m} tokens to {k} kept ones was wanted, but the solver stopped early "
            f"({str(log['warning']).split('.')[0]}): check that cost holds squared distances, "
            f"or raise otanalysis.transport.exact.MAX_PIVOTS (now {max_pivots})."
        )
    return plan, np.asarray(log["v"])


def _assessed(cost: FloatArray, plan: FloatArray, prices: FloatArray) -> Solution:
    """Return a plan and potentials made of prices of the columns, with what they prove."""
    value = float(np.sum(plan * cost))
    wrong, marginal = _mass_errors(cost, plan)
    # No plan costs less than nothing, and zero potentials say so without rounding.
    if value == 0.0:
        u, v, shift = np.zeros(cost.shape[0]), np.zeros(cost.shape[1]), 0.0
    else:
        u, v, shift = _potentials(cost, prices)
    sizes = float(np.abs(u).mean() + np.abs(v).mean()) + abs(shift)
    return Solution(
        plan=plan,
        value=value,
        value_rounding=wrong + 64.0 * _ROUNDOFF * value,
        marginal=marginal,
        u=u,
        v=v,
        dual=fsum(u.tolist()) / len(u) + fsum(v.tolist()) / len(v),
        dual_rounding=4.0 * _ROUNDOFF * sizes,
        infeasibility=max(0.0, float(_excess(cost, u, v).max())),
    )


def _potentials(cost: FloatArray, prices: FloatArray) -> tuple[FloatArray, FloatArray, float]:
    """Return potentials that satisfy every constraint, whatever the prices, and how far they were shifted.

    The c-transform of any prices is the best ``u`` that is feasible with them, and its c-transform improves
    ``v``. On degenerate problems the solver's own pair may violate a constraint that carries no mass.
    """
    slack = cost - prices
    u = slack.min(axis=1)
    v = np.subtract(cost, u[:, None], out=slack).min(axis=0)
    shift = float(v.mean())
    return u + shift, v - shift, shift


def _excess(cost: FloatArray, u: FloatArray, v: FloatArray) -> FloatArray:
    """Return ``u_i + v_j - c_ij`` [m, k]."""
    excess = np.add.outer(u, v)
    return np.subtract(excess, cost, out=excess)


def _mass_errors(cost: FloatArray, plan: FloatArray) -> tuple[float, float]:
    """Return what wrong masses can cost, and the largest error of a marginal or negative mass."""
    m, k = plan.shape
    rows, columns, given, whole, units = masses(plan)
    if whole is not None:
        wrong = np.abs(given - whole / units)
        return float(wrong @ cost[rows, columns]), float(wrong.sum())
    of_rows = np.bincount(rows, given, m) - 1.0 / m
    of_columns = np.bincount(columns, given, k) - 1.0 / k
    negative = -np.minimum(given, 0.0)
    marginal = max(
        float(np.abs(of_rows).max()), float(np.abs(of_columns).max()), float(negative.max(initial=0.0))
    )
    # Mended in the dearest way: negative mass made up for, what is missing moved, what is too much left.
    mended = float(np.abs(of_rows).sum() + np.abs(of_columns).sum() + 2.0 * negative.sum())
    return mended * float(cost.max()), marginal


def _refined(cost: FloatArray, found: Solution, max_pivots: int) -> Solution:
    """Return a proven solution, or the best one met; for costs of at most one."""
    m, k = cost.shape
    units = lcm(m, k)
    a, b = np.full(m, float(units // m)), np.full(k, float(units // k))
    settled = np.inf
    for _ in range(_ROUNDS):
        afresh = found.value < 0.5 * settled
        if afresh:
            # Potentials of costs that turned out to be far too large would drown those that matter.
            settled = room = found.value
            base, reduced = np.zeros(k), cost
        else:
            base, room = found.v, found.width
            reduced = np.maximum(cost - found.u[:, None] - found.v[None, :], 0.0)
        limit = 2.0 * units * room
        if limit == 0.0:
            break
        flows, prices = _simplex(np.minimum(reduced, limit) / limit, a, b, max_pivots)
        # Of whole masses the simplex makes whole flows: no other error than that of one division.
        made = _assessed(cost, flows / units, base + limit * prices)
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


def _check(found: Solution) -> None:
    """Raise unless plan and potentials prove each other optimal; for costs of at most one."""
    if 0.0 < found.value < _VANISHED:
        raise ConvergenceError(
            "The exact distance is to be known to ten digits, but it is 1e-112 of the largest one between "
            "tokens or less, and squares lose digits there: leave out the tokens that lie so far away."
        )
    relative = found.width / found.value if found.value else found.width
    evidence = (
        ("marginal error", found.marginal, MARGINAL_TOLERANCE, "one"),
        ("dual infeasibility", found.infeasibility, FEASIBILITY_TOLERANCE, "the largest cost"),
        ("duality gap", relative, GAP_TOLERANCE, "the value"),
    )
    for what, value, tolerance, of in evidence:
        if not value <= tolerance:
            raise ConvergenceError(
                f"The certificate of the exact distance does not hold: {what} {value:.3g} (relative to {of}) "
                f"where at most {tolerance:.0e} is allowed; report the tokens as a solver bug."
            )
