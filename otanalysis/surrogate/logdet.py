"""The log-determinant surrogate of a kept set: rungs 4 and 5 of the ladder."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from otanalysis.arrays import (
    Array,
    FloatArray,
    IntArray,
    Normalisation,
    check_indices,
    check_keep,
    check_tokens,
    dense,
)
from otanalysis.errors import InputError
from otanalysis.image import Image
from otanalysis.scalars import check_number
from otanalysis.surrogate import one_launch
from otanalysis.surrogate.kernel import paper_factor


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
        Positive semi-definite, symmetric; NumPy or torch. With torch nothing is copied to the host but the
        verdict that it is symmetric and finite. Each kernel of a stack is searched as it would be alone, all
        of them in the same ``keep`` steps.
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
        If the kernel is not a finite, symmetric matrix without negative diagonal entries or a stack of such,
        or ``keep`` or ``floor`` is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> order, gains = greedy_logdet(np.diag([1.0, 3.0, 2.0]), 2)
    >>> order, np.exp(gains)
    (array([1, 2]), array([3., 2.]))
    """
    matrix = check_kernel(kernel, stacks=True)
    xp, transposed = array_namespace(matrix), array_namespace(matrix).matrix_transpose(matrix)
    diagonal = xp.linalg.diagonal(matrix)
    # As close as rounding of a product leaves it; entries of a semi-definite matrix are below its diagonal.
    allowed = _ASYMMETRY * xp.max(xp.abs(matrix))
    if not bool((xp.min(diagonal) >= 0.0) & (xp.max(xp.abs(matrix / 2.0 - transposed / 2.0)) <= allowed)):
        raise InputError(
            "kernel must be symmetric, without negative diagonal entries: pass for instance "
            "otprune_kernel(tokens)."
        )
    count = check_keep(int(matrix.shape[-1]), keep, of="items")
    least = check_number(floor, "floor", wanted="zero or a positive, finite number", low=0.0)
    if matrix.ndim == 3:
        return greedy_picks(matrix, count, least)
    order, gains = greedy_picks(matrix[None, ...], count, least)
    return order[0, ...], gains[0, ...]


def greedy_picks(kernels: Array, keep: int, floor: float) -> tuple[Array, Array]:
    """Return picks and gains [images, keep] of the kernels [images, m, m], which are not looked at first."""
    xp = array_namespace(kernels)
    # Nothing writes to it: a stack is not worth a copy.
    matrix = xp.astype(kernels, xp.float64, copy=False)
    if one_launch.runs_here(matrix):
        return one_launch.greedy_logdet(matrix.detach().contiguous(), keep, floor=floor)[:2]
    if isinstance(matrix, np.ndarray):
        found = [_picks_of_numpy(one, keep, floor) for one in matrix]
        return np.stack([order for order, _ in found]), np.stack([gains for _, gains in found])
    return _picks_of_all(matrix, keep, floor)


def _picks_of_all(matrix: Array, keep: int, floor: float) -> tuple[Array, Array]:
    """Return picks and gains [images, keep] of kernels [images, m, m] of any library."""
    xp = array_namespace(matrix)
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


def _picks_of_numpy(kernel: FloatArray, keep: int, floor: float) -> tuple[IntArray, FloatArray]:
    """Return picks and gains [keep] of one kernel [m, m], as :func:`_picks_of_all` does."""
    return picks_by_rows(kernel.diagonal(), lambda pick, _: kernel[pick], keep, floor)


def picks_by_rows(
    diagonal: FloatArray, row_of: Callable[[int, FloatArray], FloatArray], keep: int, floor: float
) -> tuple[IntArray, FloatArray]:
    """Return picks and gains [keep] of one kernel [m, m] whose rows are asked for when they are needed.

    Branches that depend on values, and steps that write where they read, make it ten times as fast as
    :func:`_picks_of_all`.

    Parameters
    ----------
    diagonal : ndarray [m]
        Of the kernel.
    row_of : callable
        From a pick and the residuals [m] of that step, minus infinity for what was picked before, to the row
        [m] of the pick.
    keep, floor
        As for :func:`greedy_logdet`.
    """
    m = len(diagonal)
    smallest = m * float(np.finfo(np.float64).eps) * diagonal.max()
    least_gain = math.log(floor) if floor > 0.0 else -math.inf
    factor = np.empty((keep, m))
    order, gains = np.empty(keep, dtype=np.int64), np.empty(keep)
    residual, taken, first = diagonal.copy(), np.zeros(m), 0
    for step in range(keep):
        left = residual + taken
        pick = int(left.argmax())
        if vanished := left[pick] <= smallest:
            np.copyto(residual, diagonal)
            left = residual + taken
            pick, first = int(left.argmax()), step
        pivot, row = residual[pick], factor[step]
        order[step], gains[step] = pick, least_gain if vanished else math.log(pivot)
        if pivot > smallest:
            np.subtract(row_of(pick, left), factor[first:step, pick] @ factor[first:step], out=row)
            row /= math.sqrt(pivot)
        else:
            row[:] = 0.0
        residual -= row * row
        np.maximum(residual, floor, out=residual)
        taken[pick] = -np.inf
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


def check_kernel(kernel: Array, *, stacks: bool = False) -> Array:
    """Return a square kernel [m, m] as a finite float64 matrix of its library.

    Parameters
    ----------
    kernel : array [m, m]
        NumPy, torch or nested lists.
    stacks : bool
        Whether a stack of kernels [images, m, m] is allowed too.

    Raises
    ------
    InputError
        If it isn't square, empty, not of real numbers, or not finite.
    """
    array = dense(kernel, "kernel")
    shape, xp = tuple(array.shape), array_namespace(array)
    if len(shape) not in ((2, 3) if stacks else (2,)) or shape[-1] != shape[-2] or 0 in shape:
        raise InputError(
            f"kernel must be a square matrix [m, m]; got shape {shape}: "
            "pass for instance otprune_kernel(tokens)."
        )
    return xp.reshape(check_tokens(xp.reshape(array, (-1, shape[-1])), name="kernel"), shape)


_ASYMMETRY = 1e-8
"""Largest difference between an entry of a kernel and its mirror image, relative to the largest entry."""


class GramLogdet:
    r"""The surrogate :math:`\log\det (I_k + \gamma \tilde V_C \tilde V_C^\top)` of many subsets of one image.

    Only the kept block of the kernel is formed, and one Gram matrix serves every gamma.

    Parameters
    ----------
    image : Image
        Tokens as they enter the kernel: the released code normalises their columns.
    """

    def __init__(self, image: Image) -> None:
        self._image = image.on_host

    def value(self, kept: IntArray, gamma: float) -> float:
        """Return the surrogate of the positions ``kept`` [k]; ``gamma`` is the released code's factor."""
        with np.errstate(over="ignore"):
            block = np.eye(len(kept)) + float(gamma) * self._image.squared_gram[np.ix_(kept, kept)]
        if not np.isfinite(block).all():
            raise InputError(f"The surrogate overflows with gamma={gamma:g}: divide gamma, or the tokens.")
        return _above_identity(block, gamma)


def logdet_value(kernel: Array, indices: Array) -> float:
    r"""Return :math:`\log\det K_{CC}` of a positive semi-definite kernel.

    Parameters
    ----------
    kernel : array [m, m]
        For instance :func:`~otanalysis.surrogate.kernel.otprune_kernel`; NumPy or torch.
    indices : array [k]
        Positions of the kept tokens, distinct.

    Returns
    -------
    float
        Minus infinity if the determinant vanishes.

    Raises
    ------
    InputError
        If the kernel is not a finite square matrix or the indices do not fit it.

    Examples
    --------
    >>> import numpy as np
    >>> round(logdet_value(np.diag([1.0, 2.0, 3.0]), [1, 2]), 6)
    1.791759
    """
    matrix = check_kernel(kernel)
    xp = array_namespace(matrix)
    kept = xp.asarray(check_indices(indices, int(matrix.shape[0])), device=device(matrix))
    return _logdet(xp.take(xp.take(matrix, kept, axis=0), kept, axis=1))


def _above_identity(block: Array, gamma: float) -> float:
    """Return the log-determinant of an identity to which a semi-definite matrix was added: at least zero."""
    value = _logdet(block)
    if value < -_ASYMMETRY * len(block):
        raise InputError(
            f"The surrogate cannot be computed with gamma={gamma:g}: rounding leaves nothing of the identity "
            "in its kernel. Divide gamma, or the tokens, whose fourth powers it multiplies."
        )
    return value


def _logdet(block: Array) -> float:
    sign, logdet = array_namespace(block).linalg.slogdet(block)
    return float(logdet) if float(sign) > 0 else -float("inf")


def paper_objective(
    tokens: Array | Image, indices: Array, *, gamma: float, normalise: Normalisation = "columns"
) -> float:
    r"""Return the surrogate as the paper has it (rung 5, equal to rung 4 by Sylvester's identity).

    .. math:: F(C) = \log\det \Bigl(I_k + \tfrac{\gamma}{mk} \tilde V_C \tilde V_C^\top\Bigr)
              = \log\det (I + \gamma \Sigma^{1/2} \Sigma_C \Sigma^{1/2}), \quad \tilde V = V V^\top

    Equations 7 and 8 of arXiv:2602.20205. With "columns" :math:`V` are features of unit variance as there, of
    norm :math:`\sqrt m`; with "rows" and "none" they are the tokens as they stand. In the released code's
    kernel that is the factor of :func:`~otanalysis.surrogate.kernel.paper_factor`.

    Parameters
    ----------
    tokens : array [m, d] or Image
        NumPy or torch.
    indices : array [k]
        Positions of the kept tokens, distinct.
    gamma : float
        The paper's, positive.
    normalise : {"none", "columns", "rows"}
        Normalisation of the tokens.

    Returns
    -------
    float
        Non-negative, in nats.

    Raises
    ------
    InputError
        If an argument is not as described.

    Examples
    --------
    >>> round(paper_objective([[1.0, 0.0], [0.0, 2.0]], [0], gamma=0.01), 6)  # log(1 + 0.01 * 2 / 1)
    0.019803
    """
    unit = Image.of(tokens).normalised(normalise).tokens
    xp = array_namespace(unit)
    m = unit.shape[0]
    kept = check_indices(indices, m)
    factor = paper_factor(gamma, m, len(kept), normalise)
    with np.errstate(over="ignore", invalid="ignore"):
        cross = xp.take(unit, xp.asarray(kept, device=device(unit)), axis=0) @ unit.T
        scaled = factor * (cross @ cross.T)
    if not bool(xp.all(xp.isfinite(scaled))):
        raise InputError(
            f"The surrogate overflows with gamma={gamma:g} and normalise={normalise!r}: divide gamma, or "
            "the tokens, whose fourth powers it multiplies."
        )
    return _above_identity(xp.eye(len(kept), dtype=xp.float64, device=device(unit)) + scaled, gamma)
