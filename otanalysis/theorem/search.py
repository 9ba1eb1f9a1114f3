r"""The worst kernel for greedy as a smooth program.

Number the items so that greedy takes :math:`0, \dots, k-1` in this order, and let the last :math:`k` be its
rival. Over kernels :math:`I + A A^\top`

.. math:: \min_A \; \frac{F(\{0, \dots, k-1\})}{F(\{m-k, \dots, m-1\})} \quad \text{s.t.} \quad
          F(P_t \cup t) \geq F(P_t \cup x), \quad P_t = \{0, \dots, t-1\}, \; t < k, \; x > t

has smooth objective and constraints, while the ratio itself jumps where greedy changes its mind and stops a
plain hill climb. Each feasible point is an instance whose true ratio is at most the objective.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from scipy.optimize import minimize

from otanalysis.image import FloatArray
from otanalysis.theorem.setfunctions import Masks

__all__ = ["Comparisons", "greedy_comparisons", "worst_factor"]

# Greedy's picks stay ahead by this much (in log-determinant), so that rounding does not undo the instance.
TIE_SLACK = 1e-6
# Entries stay below: where a worse and worse instance grows without end, kernels would turn singular.
_LARGEST_ENTRY = 30.0
_ITERATIONS = 300
_PRECISION = 1e-10

Comparisons: TypeAlias = Callable[[int, int], list[Masks]]
"""From ``m`` and ``k`` to one array [n, size] of index sets a step: the first set is the one picked."""


def greedy_comparisons(m: int, keep: int) -> list[Masks]:
    """Return what greedy compares: at step ``t`` the prefix of ``t`` items with each of the items left."""
    return [np.array([[*range(step), item] for item in range(step, m)]) for step in range(keep)]


def worst_factor(
    m: int,
    keep: int,
    generator: np.random.Generator,
    *,
    comparisons: Comparisons = greedy_comparisons,
    nuclear_norm: float | None = None,
    start: FloatArray | None = None,
) -> FloatArray:
    r"""Return a factor :math:`A` whose kernel :math:`I + A A^\top` is a local worst case of greedy.

    Sequential least squares (SLSQP) with exact gradients, :math:`\partial \log\det (I + B B^\top) /
    \partial B = 2 (I + B B^\top)^{-1} B`.

    Parameters
    ----------
    m, keep : int
        Number of items, and of those that greedy takes.
    generator : numpy.random.Generator
        Draws the start.
    comparisons : callable
        What the greedy under attack compares.
    nuclear_norm : float, optional
        What the singular values of the factor must add up to.
    start : ndarray [m, keep], optional
        Where to start in place of a random point.

    Returns
    -------
    ndarray [m, keep]
    """
    shape = (m, keep)
    if start is None:
        start = generator.standard_normal(shape) * 10.0 ** generator.uniform(-0.3, 0.8)
    steps = comparisons(m, keep)
    picked, rival = np.arange(keep)[None, :], np.arange(m - keep, m)[None, :]

    def objective(point: FloatArray) -> tuple[float, FloatArray]:
        (low,), (low_slope,) = _logdets(point.reshape(shape), picked)
        (high,), (high_slope,) = _logdets(point.reshape(shape), rival)
        return float(low / high), (low_slope * high - high_slope * low) / high**2

    def leads(point: FloatArray) -> FloatArray:
        values = [_logdets(point.reshape(shape), sets)[0] for sets in steps]
        return np.concatenate([one[0] - one[1:] for one in values]) - TIE_SLACK

    def lead_slopes(point: FloatArray) -> FloatArray:
        slopes = [_logdets(point.reshape(shape), sets)[1] for sets in steps]
        return np.concatenate([one[0] - one[1:] for one in slopes])

    constraints: list[Any] = [{"type": "ineq", "fun": leads, "jac": lead_slopes}]
    if nuclear_norm is not None:
        constraints.append({"type": "eq", "fun": lambda point: _nuclear(point, shape) - nuclear_norm})
    # A line search may run into overflow; it turns back there, and what is not finite is not kept.
    with np.errstate(all="ignore"):
        found = minimize(
            objective,
            start.ravel(),
            jac=True,
            constraints=constraints,
            bounds=[(-_LARGEST_ENTRY, _LARGEST_ENTRY)] * start.size,
            method="SLSQP",
            options={"maxiter": _ITERATIONS, "ftol": _PRECISION},
        )
    point = np.asarray(found.x).reshape(shape)
    return point if np.all(np.isfinite(point)) else start


def _logdets(factor: FloatArray, sets: Masks) -> tuple[FloatArray, FloatArray]:
    """Return the log-determinants [n] of the index sets [n, size] and their gradients [n, m * d]."""
    rows = factor[sets]
    kernels = np.eye(sets.shape[1]) + rows @ rows.swapaxes(1, 2)
    slopes = np.zeros((len(sets), *factor.shape))
    slopes[np.arange(len(sets))[:, None], sets] = 2.0 * np.linalg.solve(kernels, rows)
    return np.linalg.slogdet(kernels)[1], slopes.reshape(len(sets), -1)


def _nuclear(point: FloatArray, shape: tuple[int, int]) -> float:
    return float(np.linalg.svd(point.reshape(shape), compute_uv=False).sum())
