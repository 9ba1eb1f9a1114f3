r"""Nuclear norms of many subsets of rows: the objective of equation 4, millions of subsets at a time.

With :math:`V = U \, \mathrm{diag}(\sigma) \, W^\top` and rows :math:`a_c = u_c \sigma^2 / \sqrt{mk}`, the
objective of arXiv:2602.20205 (equation 4) is a nuclear norm,

.. math:: f(C) = \mathrm{tr} (\Sigma^{1/2} \Sigma_C \Sigma^{1/2})^{1/2} = \lVert A_C \rVert_*
          = \sum_j \sqrt{\lambda_j}, \qquad \lambda_j \text{ eigenvalues of } A_C A_C^\top

:math:`A_C A_C^\top` is a block of one [m, m] matrix, so that a subset costs a look-up and the eigenvalues of
a [k, k] matrix. Of large blocks these are not needed one by one: the sum of their roots is a trace. The block
is made tridiagonal (LAPACK), and the root is replaced by its best rational approximation,

.. math:: \sqrt{\lambda} \approx \sum_j w_j \frac{\lambda}{\lambda + s_j}, \qquad
          f(C) \approx \sum_j w_j \bigl(k - s_j \, \mathrm{tr} (A_C A_C^\top + s_j I)^{-1}\bigr)

whose traces are recurrences along the diagonal, for all subsets and all poles at once. Poles and weights are
those of Hale, Higham and Trefethen (SIAM J. Numer. Anal. 46, 2008, method 3).
"""

from __future__ import annotations

import numpy as np
from scipy.linalg.lapack import dsytrd
from scipy.special import ellipkm1

from otanalysis.arrays import FloatArray, IntArray

DIRECT_UP_TO = 16
"""Largest block whose eigenvalues are taken one by one: below, LAPACK is called faster in bulk."""

SMALLEST_EIGENVALUE = 1e-12
"""Share of the largest one down to which roots are exact to :data:`POLES`' accuracy. Below, a root is at most
1e-6 of the largest, and it is wrong by less than a tenth of that."""

POLES = 36
"""Enough for a relative error of 1e-10 of every root, by :math:`\\exp(-2 \\pi^2 n / (\\log 10^{12} + 3))`."""

BATCH = 512
"""Subsets whose recurrences run together: their work space fits a core's cache."""

BLOCK_ENTRIES = 2**16
"""Entries of the blocks that are looked up together: half a megabyte."""

UNBLOCKED = 8
"""Columns that LAPACK reduces together: fastest for blocks of 30 to 100 rows, of 1 to 32 that were tried."""


class NuclearNorms:
    r"""Nuclear norms :math:`\lVert A_C \rVert_*` of subsets of rows.

    Eigenvalues of :math:`A_C A_C^\top` are right to 1e-16 of the largest, so that a singular value that
    vanishes may come out as 1e-8 of the largest one, and one that does not has lost digits in the same
    proportion; the singular values of every subset's rows would take three to seven times as long.

    Parameters
    ----------
    rows : ndarray [m, r]
        Rows :math:`a_c`.

    Examples
    --------
    >>> norms = NuclearNorms(np.array([[3.0, 0.0], [0.0, 4.0], [6.0, 8.0]]))
    >>> norms.of(np.array([[0, 1], [1, 2]])).round(6)
    array([ 7.      , 12.806248])
    """

    def __init__(self, rows: FloatArray) -> None:
        self._rows = rows
        self._gram = np.ascontiguousarray(rows @ rows.T).ravel()

    def of(self, subsets: IntArray) -> FloatArray:
        """Return the norms [n] of subsets [n, k] of the rows.

        One order of a subset has one value to the last bit, another order one within the error of the poles.
        """
        parts = [self._few(subsets[at : at + BATCH]) for at in range(0, len(subsets), BATCH)]
        return np.concatenate(parts) if parts else np.empty(0)

    def _few(self, subsets: IntArray) -> FloatArray:
        n, side = len(subsets), min(subsets.shape[1], self._rows.shape[1])
        if side <= DIRECT_UP_TO:
            eigenvalues = np.linalg.eigvalsh(self._blocks(subsets))
            return np.asarray(np.sqrt(np.maximum(eigenvalues, 0.0)).sum(axis=1))
        diagonal, beside = np.empty((side, n)), np.empty((side - 1, n))
        step = max(1, BLOCK_ENTRIES // side**2)
        for start in range(0, n, step):
            for number, block in enumerate(self._blocks(subsets[start : start + step]), start):
                # The transpose of a symmetric block is in LAPACK's order: nothing is copied.
                _, diagonal[:, number], beside[:, number], _, _ = dsytrd(
                    block.T, lower=1, lwork=UNBLOCKED * side, overwrite_a=1
                )
        return root_traces(diagonal, beside)

    def _blocks(self, subsets: IntArray) -> FloatArray:
        """Return A A' [n, k, k] of the subsets, or A' A [n, r, r] where that is smaller."""
        m, r = self._rows.shape
        if subsets.shape[1] <= r:
            return np.asarray(np.take(self._gram, subsets[:, :, None] * m + subsets[:, None, :]))
        kept = self._rows[subsets]
        return np.asarray(kept.transpose(0, 2, 1) @ kept)


def root_traces(diagonal: FloatArray, beside: FloatArray) -> FloatArray:
    r"""Return :math:`\mathrm{tr}\, T^{1/2}` of tridiagonal, positive semidefinite matrices.

    Parameters
    ----------
    diagonal : ndarray [k, n]
        Of each of the n matrices, a column each.
    beside : ndarray [k - 1, n]
        Entries beside the diagonal.

    Returns
    -------
    ndarray [n]

    Examples
    --------
    >>> root_traces(np.array([[4.0], [9.0]]), np.zeros((1, 1))).round(9)
    array([5.])
    """
    reach = np.pad(np.abs(beside), ((1, 1), (0, 0)))
    largest = (diagonal + reach[1:] + reach[:-1]).max(axis=0)  # of the eigenvalues at most: Gershgorin
    scale = np.where(largest > 0.0, largest, 1.0)
    shifts, weights = square_root_poles(SMALLEST_EIGENVALUE, POLES)
    diagonal, squares = diagonal / scale, (beside / scale) ** 2
    # With T + s = L D L': pivot_i = d_i + s - b_i^2 / pivot_(i-1), and share_i = d/ds log pivot_i, whose sum
    # is the trace of the inverse.
    pivot = shifts[:, None] + diagonal[0]
    share = 1.0 / pivot
    inverse, step = share.copy(), np.empty_like(share)
    for own, square in zip(diagonal[1:], squares, strict=True):
        np.divide(square, pivot, out=step)
        np.add(shifts[:, None], own, out=pivot)
        np.subtract(pivot, step, out=pivot)
        np.multiply(step, share, out=share)
        np.add(share, 1.0, out=share)
        np.divide(share, pivot, out=share)
        np.add(inverse, share, out=inverse)
    traces = weights @ (len(diagonal) - shifts[:, None] * inverse)
    return np.asarray(np.sqrt(np.maximum(largest, 0.0)) * traces)


def square_root_poles(smallest: float, count: int) -> tuple[FloatArray, FloatArray]:
    r"""Return shifts and weights with :math:`\sqrt x \approx \sum_j w_j x / (x + s_j)` on [smallest, 1].

    The trapezium rule in the variable :math:`u` of :math:`s = \mathrm{smallest} \cdot \mathrm{sc}(u)^2`, with
    Jacobi's elliptic functions of complementary parameter ``smallest``.

    Parameters
    ----------
    smallest : float
        Lower end of the interval, in (0, 1).
    count : int
        Number of poles, even: the upper half mirrors the lower one, :math:`s_j s_{n-1-j} =` ``smallest``.

    Returns
    -------
    shifts, weights : ndarray [count]
        Positive, shifts ascending.

    Examples
    --------
    >>> shifts, weights = square_root_poles(1e-4, 20)
    >>> x = np.array([1e-4, 0.25, 1.0])
    >>> ((weights * x[:, None] / (x[:, None] + shifts)).sum(axis=1)).round(9)
    array([0.01, 0.5 , 1.  ])
    """
    quarter = float(ellipkm1(smallest))
    sine, cosine, delta = _jacobi((np.arange(count // 2) + 0.5) * quarter / count, smallest)
    root = np.sqrt(smallest)
    lower = smallest * (sine / cosine) ** 2
    shifts = np.concatenate([lower, (smallest / lower)[::-1]])
    slopes = np.concatenate([root * delta / cosine**2, (delta / sine**2)[::-1]])
    return shifts, 2.0 * quarter / (np.pi * count) * slopes


def _jacobi(u: FloatArray, complementary: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return sn, cn and dn by the arithmetic-geometric mean (Abramowitz and Stegun, 16.4).

    :func:`scipy.special.ellipj` takes the parameter, whose difference from one has few digits here.
    """
    means, gaps = [1.0], [np.sqrt(1.0 - complementary)]
    geometric = np.sqrt(complementary)
    while gaps[-1] > np.finfo(np.float64).eps * means[-1]:
        mean = means[-1]
        means.append((mean + geometric) / 2.0)
        gaps.append((mean - geometric) / 2.0)
        geometric = np.sqrt(mean * geometric)
    phase = 2.0 ** (len(means) - 1) * means[-1] * u
    for mean, gap in zip(means[:0:-1], gaps[:0:-1], strict=True):
        phase = (phase + np.arcsin(gap / mean * np.sin(phase))) / 2.0
    sine, cosine = np.sin(phase), np.cos(phase)
    return sine, cosine, np.sqrt(complementary + (1.0 - complementary) * cosine**2)
