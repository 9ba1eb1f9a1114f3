r"""The Lagrangian bound of the exact distance over all kept sets of a size.

**The problem.** Over all ``k``-subsets the smallest squared distance is :math:`1/m` times the optimum of the
capacitated ``k``-median: choose :math:`y \in \{0, 1\}^m` with :math:`\sum_j y_j = k` and shares
:math:`0 \leq g_{ij} \leq y_j` with

.. math:: \min \sum_{ij} D_{ij} g_{ij} \quad \text{s.t.} \quad \sum_j g_{ij} = 1, \quad \sum_i g_{ij} = q y_j,
          \quad q = m / k.

**The bound.** Give every token a price :math:`u_i` for being served, and every capacity cut
(:mod:`otanalysis.transport.floor.cuts`) a price :math:`\lambda_c \geq 0`. Every feasible plan satisfies the
first equality and the cuts, so for any prices its cost is at least

.. math:: \sum_i u_i - \sum_c \lambda_c q f_c (1 - r_c) + \sum_{ij} \Bigl(D_{ij} - u_i + \sum_{c: i \in A_c, j
          \in B_c} \lambda_c\Bigr) g_{ij} - \sum_j y_j \, q \sum_{c: j \in B_c} r_c \lambda_c .

What is left to choose falls apart by :math:`j`: a kept token takes :math:`q` tokens' worth of its cheapest
entries, at most one of each, the last one in part; this costs :math:`\rho_j`, and the :math:`k` smallest
:math:`\rho_j` are the minimum. Hence for **any** prices

.. math:: L(u, \lambda) = \frac1m \Bigl[\sum_i u_i - \sum_c \lambda_c q f_c (1 - r_c) + \text{sum of the }
          k \text{ smallest } \rho_j\Bigr] \leq \min_{|C| = k} W_2^2(P, Q_C).

One evaluation costs :math:`O(m^2)`. Without cuts the best :math:`L` equals the linear relaxation of the
problem; the cuts take part of its gap.

**Other weights of the tokens.** A token of mass :math:`w_i` is :math:`s_i = m w_i` tokens: :math:`s_i u_i`
takes the place of :math:`u_i` in the first sum, and a kept token takes at most :math:`s_i` of each entry. The
kept tokens remain uniform. An evaluation then sorts: :math:`O(m^2 \log m)`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from otanalysis.arrays import Array, FloatArray, IntArray, real_numbers, resolve_keep
from otanalysis.errors import InputError
from otanalysis.image import Image
from otanalysis.transport.floor.cuts import CapacityCuts

# squared_distances is right to 1e-9 relative in every entry (4e-10 is the worst seen, on pairs just too far
# apart for it to recompute them), and so is the optimum over them.
COST_ERROR = 1e-9
# Squares below this have lost digits, and nothing that is relative to them covers it.
TINY = float(np.finfo(np.float64).tiny)
EPS = float(np.finfo(np.float64).eps)
_LEAST_SHARE = 2.0**-20  # of the prices in the largest cost, or they are looked at with lower costs too


@dataclass(frozen=True, eq=False)
class Prices:
    """Multipliers of the Lagrangian bound.

    Attributes
    ----------
    tokens : ndarray [m]
        Price of serving each token (squared unit).
    cuts : CapacityCuts
        The cuts that are priced.
    cut_prices : ndarray [c]
        Non-negative price of each cut (squared unit, per token served).
    """

    tokens: FloatArray
    cuts: CapacityCuts
    cut_prices: FloatArray

    def scaled(self, exponent: int) -> Prices:
        """Return the prices times a power of two; what overflows becomes the largest number."""
        with np.errstate(over="ignore"):
            tokens, cut_prices = (np.ldexp(given, exponent) for given in (self.tokens, self.cut_prices))
        return Prices(np.nan_to_num(tokens), self.cuts, np.nan_to_num(cut_prices))


@dataclass(frozen=True, eq=False)
class Fill:
    """The cheapest way to fill kept tokens.

    Attributes
    ----------
    positions : ndarray [n, p]
        Which entries of each row are taken.
    weights : ndarray [n, p]
        How much of each: all, and for the most expensive of a row what is left of the capacity.
    totals : ndarray [n]
        Cost of each row.
    """

    positions: IntArray
    weights: FloatArray
    totals: FloatArray

    def highest(self, rows: FloatArray) -> FloatArray:
        """Return the cost of the most expensive entry that is taken of each of the rows that were filled."""
        values = np.take_along_axis(rows, self.positions, axis=1)
        return np.asarray(np.where(self.weights > 0.0, values, -np.inf).max(axis=1))


def cheapest_fill(rows: FloatArray, capacity: float, sizes: FloatArray | None = None) -> Fill:
    """Fill every row's capacity from its cheapest entries, the most expensive in part.

    Parameters
    ----------
    rows : ndarray [n, p]
        Cost of taking one of each entry; any sign.
    capacity : float
        To be filled, in ``(0, p]``.
    sizes : ndarray [p], optional
        How much of each entry can be taken at most, of sum ``p``; by default one.
    """
    if sizes is not None:
        order = np.argsort(rows, axis=1)
        amounts = sizes[order]
        taken = np.clip(capacity - (np.cumsum(amounts, axis=1) - amounts), 0.0, amounts)
        values = np.take_along_axis(rows, order, axis=1)
        return Fill(order, taken, np.einsum("ij,ij->i", values, taken))
    count = filling_count(capacity, rows.shape[1])
    positions = np.argpartition(rows, count - 1, axis=1)[:, :count]
    values = np.take_along_axis(rows, positions, axis=1)
    highest = values.argmax(axis=1)[:, None]
    weights = np.ones_like(values)
    np.put_along_axis(weights, highest, 1.0 - (count - capacity), axis=1)
    return Fill(positions, weights, np.einsum("ij,ij->i", values, weights))


def lagrangian_bound(
    tokens: Array | Image,
    keep: int,
    multipliers: Array,
    *,
    cuts: CapacityCuts | None = None,
    cut_prices: Array | None = None,
    weights: Array | None = None,
) -> float:
    r"""Return :math:`L(u, \lambda)`, a lower bound of :math:`W_2^2(P, Q_C)` over all sets of ``keep`` tokens.

    Valid for any multipliers, good or bad, see the head of this module; rounding is allowed for, so that the
    number returned is a bound and not just close to one.

    Parameters
    ----------
    tokens : array [m, d] or Image
        All tokens.
    keep : int
        Number of kept tokens, in ``1..m``.
    multipliers : array [m]
        Prices :math:`u` of the tokens, finite (squared unit).
    cuts : CapacityCuts, optional
        Capacity cuts, with their prices.
    cut_prices : array [c], optional
        Prices :math:`\lambda` of the cuts; negative ones are taken as zero.
    weights : array [m], optional
        Weights of all tokens, non-negative, in any unit; by default those of the image, or uniform.

    Returns
    -------
    float
        Squared unit of the tokens; may be negative for bad multipliers.

    Raises
    ------
    InputError
        If an argument is not as described.

    Examples
    --------
    >>> tokens = [[0.0], [1.0], [4.0], [5.0]]
    >>> bound = lagrangian_bound(tokens, 2, [0.5, 0.5, 0.5, 0.5])
    >>> 0.4999 < bound <= 0.5    # the optimum over all pairs is 0.5
    True
    """
    image = Image.of(tokens)
    matrix, sizes = image.squared_distances, token_sizes(image.masses(weights))
    m = len(matrix)
    count = resolve_keep(m, keep=keep)
    prices = check_multipliers(multipliers, m)
    if (cuts is None) != (cut_prices is None):
        raise InputError("cuts and cut_prices belong together: give both or neither.")
    if cuts is None or cut_prices is None:
        return bound_at(matrix, count, Prices(prices, CapacityCuts.none(m, count, sizes), np.zeros(0)))
    given = real_numbers(cut_prices, "cut_prices")
    if given.shape != (len(cuts),) or not np.isfinite(given).all():
        raise InputError(
            f"cut_prices must be {len(cuts)} finite numbers, one a cut; got shape {given.shape}."
        )
    for group in (cuts.served, cuts.keepers):
        if group.shape != (len(cuts), m) or group.dtype != np.bool_:
            raise InputError(f"The groups of the cuts must be true or false for each of the {m} tokens.")
    if not np.isclose(cuts.capacity, m / count, rtol=1e-9, atol=0.0):
        raise InputError(f"The cuts are for a capacity of {cuts.capacity:g} tokens, not of {m}/{count}.")
    # A capacity or a size that is nearly right would give cuts that are nearly valid.
    exact = CapacityCuts(cuts.served, cuts.keepers, m / count, sizes)
    return bound_at(matrix, count, Prices(prices, exact, np.maximum(given, 0.0)))


def check_multipliers(multipliers: Array, m: int) -> FloatArray:
    """Return prices of the tokens [m] as float64; raise InputError if they are not one finite number each."""
    prices = real_numbers(multipliers, "multipliers")
    if prices.shape != (m,) or not np.isfinite(prices).all():
        raise InputError(f"multipliers must be {m} finite numbers, one a token; got shape {prices.shape}.")
    return prices


def token_sizes(masses: FloatArray | None) -> FloatArray | None:
    """Return how many tokens each of some masses [m] is; None for one each."""
    return None if masses is None else len(masses) * masses


def bound_at(cost: FloatArray, keep: int, prices: Prices) -> float:
    """Return the bound of given prices, with every rounding error allowed for (see the public function)."""
    largest = max(float(np.abs(prices.tokens).max()), float(prices.cut_prices.max(initial=0.0)))
    bound = _bound_of(cost, keep, prices, max(float(cost.max()), largest))
    if 0.0 < largest < _LEAST_SHARE * float(cost.max()):
        # What is allowed for rounding is a share of the largest cost. A bound of lower costs is one too.
        lowered = np.minimum(cost, largest / _LEAST_SHARE)
        bound = max(bound, _bound_of(lowered, keep, prices, float(lowered.max())))
    return bound


def _bound_of(cost: FloatArray, keep: int, prices: Prices, largest: float) -> float:
    # No sum may overflow; powers of two change no digit.
    exponent = int(np.frexp(largest)[1])
    return less_allowances(evaluate(np.ldexp(cost, -exponent), keep, prices.scaled(-exponent)), exponent)


def less_allowances(unit: float, exponent: int) -> float:
    """Return a bound times a power of two, less what errors in the distances may have added to it."""
    with np.errstate(over="ignore"):
        bound = float(np.ldexp(unit, exponent))
    return bound - COST_ERROR * max(bound, 0.0) - TINY


def reduced_cost(cost: FloatArray, prices: Prices) -> FloatArray:
    """Return what it costs to keep ``j`` (row) to serve ``i`` (column) at these prices [m, m]."""
    rows = cost - prices.tokens
    if prices.cut_prices.any():
        rows += prices.cuts.surcharge(prices.cut_prices)
    return rows


def filling_count(capacity: float, entries: int) -> int:
    """Return how many entries fill a capacity, the last one in part."""
    return min(int(np.ceil(capacity - 1e-12 * capacity)), entries)


def evaluate(cost: FloatArray, keep: int, prices: Prices) -> float:
    """Return the bound of given prices, less what the sums in it may be off by; for costs of about one."""
    m = len(cost)
    cuts, cut_prices = prices.cuts, prices.cut_prices
    rows = reduced_cost(cost, prices)
    if cuts.sizes is None:
        count = filling_count(m / keep, m)
        rows.partition(count - 1, axis=1)
        filled = rows[:, :count].sum(axis=1) - (count - m / keep) * rows[:, count - 1]
        served, roundings = prices.tokens.sum(), 8.0
    else:
        filled = cheapest_fill(rows, m / keep, cuts.sizes).totals
        served, roundings = cuts.sizes @ prices.tokens, 16.0  # the sizes and their running sums are rounded
    totals = filled - cuts.rebate(cut_prices)
    value = served - cuts.limit @ cut_prices + np.partition(totals, keep - 1)[:keep].sum()
    # Every sum above has at most m + c terms, each rounded a few times, none larger than this scale.
    scale = float(cost.max()) + float(np.abs(prices.tokens).max()) + float(cut_prices.sum())
    allowance = roundings * (m + len(cuts) + 16) * EPS * scale
    return float(value) / m - allowance
