"""The subset with the smallest exact distance, as an integer programme."""

from __future__ import annotations

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from otanalysis.errors import ConvergenceError
from otanalysis.image import FloatArray
from otanalysis.studies.table2.spectral_relaxation import Kept

__all__ = ["capacitated_medoids"]

RELATIVE_GAP = 1e-9
"""Gap at which HiGHS may stop, relative to the optimum; its own default of 1e-4 would show in a table."""

FEASIBILITY = 1e-6
"""HiGHS takes constraints as satisfied, and values as whole, up to this; the costs are scaled to at most one,
so its bound may be too high by about as much."""


def capacitated_medoids(cost: FloatArray, keep: int) -> tuple[Kept, float]:
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

    def rows(count: int, *terms: tuple[FloatArray, Kept, Kept]) -> csr_array:
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
