r"""An optimal plan to kept tokens of which some have moved, from plan and potentials of before.

Most entries of a cost carry nothing in any plan worth having, and potentials tell which: those whose reduced
cost :math:`c_{ij} - u_i - v_j` is large. So the network simplex gets few entries, the support of the old plan
among them, which keeps the problem feasible. Its prices then are held against the whole cost: a token whose
cheapest entry, less the price, was not among the few has it added, and the problem is solved again, until
there is no such token. The plan is then optimal for the whole cost (column generation; Gilmore and Gomory,
1961, of the transportation problem Mascherpa, 2016).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from otanalysis.arrays import BoolArray, FloatArray
from otanalysis.transport.network_simplex import network_simplex

_WORTH_IT = 2**18
"""Entries of a cost: a smaller one is solved as a whole before the few of it are found."""

_ENTRIES_A_TOKEN = 4
"""On average, to begin with; more make the simplex slower than another round or two."""

_SAMPLED = 16
"""One in so many entries is looked at to see which reduced costs are small."""

_ROUNDS = 8
"""One to four are the rule. What needs more is solved as a whole in less time."""

_TIE = 1e-12
"""Reduced costs up to this are zero but for rounding, where costs are at most one."""


class Neighbour(NamedTuple):
    """An optimal transport between the same masses, of another cost, in the unit of the cost in question."""

    plan: FloatArray
    """[m, k]"""
    u: FloatArray
    """Potentials of the tokens [m]."""
    v: FloatArray
    """Potentials of the kept ones [k]."""
    moved: BoolArray
    """Which columns have other costs now [k]."""

    def over(self, scale: float) -> Neighbour:
        """Return it for costs that are divided by ``scale``."""
        return self._replace(u=self.u / scale, v=self.v / scale)


def solve_from(
    before: Neighbour, cost: FloatArray, a: FloatArray, b: FloatArray, max_pivots: int
) -> tuple[FloatArray, FloatArray] | None:
    """Return an optimal plan [m, k] and prices of the columns [k], or None where that would not pay.

    It would not where most columns have moved. Nor is it done where more plans than one are optimal, as
    between duplicates or tokens on a grid: which of them is found should not depend on a neighbour.

    Parameters
    ----------
    before : Neighbour
        Where to begin.
    cost : ndarray [m, k]
        At most one.
    a, b : ndarray [m] and ndarray [k]
        The masses.
    max_pivots : int
        Pivots of the network simplex before giving up.

    Raises
    ------
    ConvergenceError
        If the solver stopped early.
    """
    if cost.size < _WORTH_IT or 2 * np.count_nonzero(before.moved) > len(before.moved):
        return None
    reduced = cost - _prices(cost, before)
    reduced -= reduced.min(axis=1)[:, None]
    # Where one plan alone is optimal, hardly more than one entry a token and a kept one is as cheap as that.
    if np.count_nonzero(reduced <= _TIE) > 2 * sum(cost.shape):
        return None
    return _solve_few(cost, _small(reduced) | (before.plan > 0.0), a, b, max_pivots)


def _prices(cost: FloatArray, before: Neighbour) -> FloatArray:
    """Return the old prices; of a column that has moved that at which its share of the tokens would come."""
    share = len(cost) // len(before.moved)
    worth = cost[:, before.moved] - before.u[:, None]
    prices = before.v.copy()
    prices[before.moved] = np.partition(worth, share, axis=0)[share]
    return prices


def _small(reduced: FloatArray) -> BoolArray:
    """Tell which reduced costs [m, k] are small, zeros always."""
    some = reduced.ravel()[::_SAMPLED]
    last = min(_ENTRIES_A_TOKEN * len(reduced) // _SAMPLED, len(some) - 1)
    few: BoolArray = reduced <= np.partition(some, last)[last]
    return few


def _solve_few(
    cost: FloatArray, taken: BoolArray, a: FloatArray, b: FloatArray, max_pivots: int
) -> tuple[FloatArray, FloatArray] | None:
    """Return plan and prices from the entries taken [m, k], and those found missing.

    None if they never are enough, or other plans are as good.
    """
    from scipy.sparse import coo_array

    tokens = np.arange(len(cost))
    for _ in range(_ROUNDS):
        places = np.divmod(np.flatnonzero(taken), cost.shape[1])
        few = coo_array((cost[places], places), cost.shape)
        plan, prices = network_simplex(few, a, b, max_pivots)
        reduced = cost - prices
        cheapest = reduced.argmin(axis=1)
        missed = ~taken[tokens, cheapest]
        if not missed.any():
            reduced -= reduced[tokens, cheapest, None]
            return (plan, prices) if _is_forest(reduced <= _TIE) else None
        taken[tokens[missed], cheapest[missed]] = True
    return None


def _is_forest(tied: BoolArray) -> bool:
    """Tell whether entries [m, k], as edges between tokens and kept ones, have no cycle to move mass along.

    All optimal plans have their masses where reduced costs are zero; without a cycle there is one alone.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    m, k = tied.shape
    tokens, kept = np.divmod(np.flatnonzero(tied), k)
    edges = coo_array((np.ones(len(tokens), np.bool_), (tokens, m + kept)), (m + k, m + k))
    number, _ = connected_components(edges, directed=False)
    return bool(len(tokens) == m + k - number)
