"""Greedy maximisation of a log-determinant by incremental Cholesky factorisation."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from otanalysis.errors import InputError
from otanalysis.tokens.validate import Array

__all__ = ["check_kernel", "greedy_logdet"]


def greedy_logdet(kernel: Array, keep: int, *, floor: float = 0.0) -> tuple[Array, Array]:
    r"""Pick ``keep`` items one by one, each raising :math:`\log\det K_{CC}` the most.

    Algorithm 1 of Chen, Zhang and Zhou (arXiv:1709.05135), :math:`O(m k^2)`: ``residual[i]`` is :math:`\det
    K_{C \cup i} / \det K_{CC}`, the exponential of the marginal gain of item ``i``. Ties go to the lowest
    index. The picks are nested: fewer of them are the first ones of a longer run.

    A residual of at most ``m`` ulps of the largest diagonal entry cannot be told from zero: the picks so far
    span the kernel. Then the gain is reported as the logarithm of ``floor`` (minus infinity for a singular
    kernel, whose determinants vanish beyond its rank), and the pick starts a new greedy run over the items
    left, as if nothing had been picked before.

    Parameters
    ----------
    kernel : array [m, m]
        Positive semi-definite, symmetric; NumPy or torch. With torch nothing is copied to the host.
    keep : int
        Number of items to pick, in ``1..m``.
    floor : float
        A known lower bound of the kernel's smallest eigenvalue, and so of every residual: one for the kernel
        of OTPrune, zero for a kernel that may be singular.

    Returns
    -------
    pick_order : array [keep], int64
        Items in the order picked.
    gains : array [keep], float64
        Marginal gains; their running sum is the log-determinant of the prefixes, up to a new run.

    Raises
    ------
    InputError
        If the kernel is not a square matrix or ``keep`` is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> order, gains = greedy_logdet(np.diag([1.0, 3.0, 2.0]), 2)
    >>> order, np.exp(gains)
    (array([1, 2]), array([3., 2.]))
    """
    m = check_kernel(kernel)
    if not 1 <= operator.index(keep) <= m:
        raise InputError(f"keep must lie in 1..{m}, the number of items; got {keep}.")
    xp = array_namespace(kernel)
    matrix = xp.astype(kernel, xp.float64)
    diagonal = xp.linalg.diagonal(matrix)
    smallest = m * float(np.finfo(np.float64).eps) * xp.max(diagonal)
    least_gain = math.log(floor) if floor > 0.0 else -math.inf

    def zeros(*shape: int, dtype: Any = xp.float64) -> Array:
        return xp.zeros(shape, dtype=dtype, device=device(matrix))

    factor, in_use = zeros(keep, m), zeros(keep, 1)
    order, gains = zeros(keep, dtype=xp.int64), zeros(keep)
    taken = zeros(m)
    residual = diagonal
    # No Python branch depends on a value, so that a GPU is never waited for.
    for step in range(keep):
        vanished = xp.max(residual + taken) <= smallest
        residual = xp.where(vanished, diagonal, residual)
        in_use = xp.where(vanished, xp.zeros_like(in_use), in_use)
        pick = xp.reshape(xp.argmax(residual + taken), (1,))
        pivot = xp.take(residual, pick)
        usable = pivot > smallest
        safe = xp.where(usable, pivot, xp.ones_like(pivot))
        order[step : step + 1] = pick
        gains[step : step + 1] = xp.where(vanished, xp.full_like(safe, least_gain), xp.log(safe))
        column = xp.take(factor[:step, :], pick, axis=1) * in_use[:step, :]
        row = (xp.take(matrix, pick, axis=0) - column.T @ factor[:step, :]) / xp.sqrt(safe)
        row = xp.reshape(xp.where(usable, row, xp.zeros_like(row)), (m,))
        factor[step, :] = row
        in_use[step, :] = 1.0
        residual = xp.clip(residual - row * row, floor, None)
        taken[pick] = -xp.inf
    return order, gains


def check_kernel(kernel: Array) -> int:
    """Return the number of rows of a square kernel; raise InputError if it isn't square."""
    if getattr(kernel, "ndim", None) != 2 or kernel.shape[0] != kernel.shape[1] or kernel.shape[0] == 0:
        raise InputError(
            f"kernel must be a square matrix [m, m]; got shape {getattr(kernel, 'shape', None)}: "
            "pass for instance otprune_kernel(tokens)."
        )
    return int(kernel.shape[0])
