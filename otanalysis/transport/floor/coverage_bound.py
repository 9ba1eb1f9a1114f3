r"""The Lagrangian bound of the quantisation error over all kept sets of a size.

**The problem.** Over all ``k``-subsets the smallest quantisation error is the optimum of the ``k``-median
without capacities: choose :math:`y \in \{0, 1\}^m` with :math:`\sum_j y_j = k` and shares
:math:`0 \leq g_{ij} \leq y_j` with

.. math:: \min \sum_{ij} w_i D_{ij} g_{ij} \quad \text{s.t.} \quad \sum_j g_{ij} = 1.

It is that of :mod:`otanalysis.transport.floor.lagrangian` without what the masses of the kept tokens ask for.

**The bound.** With a price :math:`u_i` for serving every token, any plan costs at least

.. math:: L(u) = \sum_i w_i u_i + \text{sum of the } k \text{ smallest } \rho_j, \qquad
          \rho_j = \sum_i w_i \min(0, D_{ij} - u_i) :

a kept token serves whoever pays more than it costs, and the ``k`` that gain the most are kept (Cornuéjols,
Fisher and Nemhauser, 1977). So :math:`L(u) \leq \min_{|C| = k} E(C)` for **any** prices, and the best
:math:`L` equals the linear relaxation of the problem. All terms of :math:`\rho_j` have one sign, and none is
larger than a price: what rounding may take is a share of what the prices add up to, however far tokens are.
"""

from __future__ import annotations

import numpy as np

from otanalysis.arrays import Array, FloatArray, resolve_keep
from otanalysis.image import Image
from otanalysis.transport.floor.lagrangian import EPS, check_multipliers, less_allowances
from otanalysis.transport.quantisation import mean_over

_LARGEST = float(np.finfo(np.float64).max)
_ROUNDINGS = 4.0  # of a term in the sums: of the difference, the mass, their product, and the sum's own


def quantisation_bound(
    tokens: Array | Image, keep: int, multipliers: Array, *, weights: Array | None = None
) -> float:
    r"""Return :math:`L(u)`, a lower bound of the quantisation error over all sets of ``keep`` tokens.

    Valid for any multipliers, good or bad (Cornuéjols, Fisher and Nemhauser, 1977), see the head of this
    module; rounding is allowed for, so that the number returned is a bound and not just close to one.

    Parameters
    ----------
    tokens : array [m, d] or Image
        All tokens.
    keep : int
        Number of kept tokens, in ``1..m``.
    multipliers : array [m]
        Prices :math:`u` of the tokens, finite (squared unit).
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
    >>> bound = quantisation_bound(tokens, 2, [1.0, 1.0, 1.0, 1.0])
    >>> 0.4999 < bound <= 0.5    # the optimum over all pairs is 0.5
    True
    """
    image = Image.of(tokens)
    matrix = image.squared_distances
    count = resolve_keep(len(matrix), keep=keep)
    return bound_at(matrix, count, check_multipliers(multipliers, len(matrix)), image.masses(weights))


def bound_at(cost: FloatArray, keep: int, prices: FloatArray, masses: FloatArray | None) -> float:
    """Return the bound of given prices [m], with every rounding error allowed for."""
    # No sum may overflow; powers of two change no digit.
    exponent = int(np.frexp(max(float(cost.max()), float(np.abs(prices).max())))[1])
    unit = evaluate(np.ldexp(cost, -exponent), keep, np.ldexp(prices, -exponent), masses)
    return max(
        less_allowances(unit, exponent), -_LARGEST
    )  # below zero any number is a bound, and this one finite


def evaluate(cost: FloatArray, keep: int, prices: FloatArray, masses: FloatArray | None) -> float:
    """Return the bound of given prices [m], less what the sums in it may be off by."""
    m = len(cost)
    paid = np.minimum(cost - prices[:, None], 0.0)
    gains = paid.mean(axis=0) if masses is None else masses @ paid
    kept = float(np.partition(gains, keep - 1)[:keep].sum())
    added_up = mean_over(masses, np.abs(prices)) - kept
    return mean_over(masses, prices) + kept - _ROUNDINGS * (m + keep + 16) * EPS * added_up
