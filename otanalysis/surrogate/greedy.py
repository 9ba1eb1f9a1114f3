"""Greedy maximisation of a log-determinant by incremental Cholesky factorisation."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from otanalysis.arrays import Array
from otanalysis.errors import InputError

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
    kernel : array [m, m] or [images, m, m]
        Positive semi-definite, symmetric; NumPy or torch. With torch nothing is copied to the host. Each
        kernel of a stack is searched as it would be alone, all of them in the same ``keep`` steps.
    keep : int
        Number of items to pick of each, in ``1..m``.
    floor : float
        A known lower bound of the kernel's smallest eigenvalue, and so of every residual: one for the kernel
        of OTPrune, zero for a kernel that may be singular.

    Returns
    -------
    pick_order : array [keep] or [images, keep], int64
        Items in the order picked.
    gains : array [keep] or [images, keep], float64
        Marginal gains; their running sum is the log-determinant of the prefixes, up to a new run.

    Raises
    ------
    InputError
        If the kernel is not a square matrix or a stack of them, or ``keep`` is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> order, gains = greedy_logdet(np.diag([1.0, 3.0, 2.0]), 2)
    >>> order, np.exp(gains)
    (array([1, 2]), array([3., 2.]))
    """
    is_stack = getattr(kernel, "ndim", None) == 3 and kernel.shape[0] > 0
    m = check_kernel(kernel[0, ...] if is_stack else kernel)
    if not 1 <= operator.index(keep) <= m:
        raise InputError(f"keep must lie in 1..{m}, the number of items; got {keep}.")
    if is_stack:
        return _greedy(kernel, keep, floor)
    order, gains = _greedy(kernel[None, ...], keep, floor)
    return order[0, ...], gains[0, ...]


def _greedy(kernels: Array, keep: int, floor: float) -> tuple[Array, Array]:
    """Return picks and gains [images, keep] of the kernels [images, m, m]."""
    xp = array_namespace(kernels)
    # Nothing writes to it: a stack is not worth a copy.
    matrix = xp.astype(kernels, xp.float64, copy=False)
    images, m = matrix.shape[:2]

    def zeros(*shape: int, dtype: Any = xp.float64) -> Array:
        return xp.zeros(shape, dtype=dtype, device=device(matrix))

    every = xp.arange(images, device=device(matrix))
    diagonal = xp.linalg.diagonal(matrix)
    smallest = m * float(np.finfo(np.float64).eps) * xp.max(diagonal, axis=1, keepdims=True)
    least_gain = math.log(floor) if floor > 0.0 else -math.inf
    factor, in_use = zeros(images, keep, m), zeros(images, keep)
    order, gains = zeros(images, keep, dtype=xp.int64), zeros(images, keep)
    taken = zeros(images, m)
    residual = diagonal
    combine = combine_image_by_image if str(device(matrix)) == "cpu" else combine_in_one_launch
    # No Python branch depends on a value, so that a GPU is never waited for.
    for step in range(keep):
        vanished = xp.max(residual + taken, axis=1, keepdims=True) <= smallest
        residual = xp.where(vanished, diagonal, residual)
        in_use = xp.where(vanished, xp.zeros_like(in_use), in_use)
        pick = xp.argmax(residual + taken, axis=1)
        pivot = residual[every, pick][:, None]
        usable = pivot > smallest
        safe = xp.where(usable, pivot, xp.ones_like(pivot))
        order[:, step] = pick
        gains[:, step] = xp.where(vanished, xp.full_like(safe, least_gain), xp.log(safe))[:, 0]
        column = factor[every, :step, pick] * in_use[:, :step]
        row = (matrix[every, pick, :] - combine(column, factor[:, :step, :])) / xp.sqrt(safe)
        row = xp.where(usable, row, xp.zeros_like(row))
        factor[:, step, :] = row
        in_use[:, step] = 1.0
        residual = xp.clip(residual - row * row, floor, None)
        taken[every, pick] = -xp.inf
    return order, gains


def combine_image_by_image(weights: Array, rows: Array) -> Array:
    """Return the weighted sums [images, m] of each image's rows [images, n, m], weights [images, n].

    For the host. The order of the additions must not depend on the number of images, or ties that rounding
    decides would go one way alone and another in a stack. A batched product breaks that (seen with two
    threads of MKL).
    """
    xp = array_namespace(rows)
    return xp.stack([weights[image, :] @ rows[image, :, :] for image in range(rows.shape[0])])


def combine_in_one_launch(weights: Array, rows: Array) -> Array:
    """Return what :func:`combine_image_by_image` returns; for a GPU, where launches cost more than memory."""
    return array_namespace(rows).sum(weights[:, :, None] * rows, axis=1)


def check_kernel(kernel: Array) -> int:
    """Return the number of rows of a square kernel; raise InputError if it isn't square."""
    if getattr(kernel, "ndim", None) != 2 or kernel.shape[0] != kernel.shape[1] or kernel.shape[0] == 0:
        raise InputError(
            f"kernel must be a square matrix [m, m]; got shape {getattr(kernel, 'shape', None)}: "
            "pass for instance otprune_kernel(tokens)."
        )
    return int(kernel.shape[0])
