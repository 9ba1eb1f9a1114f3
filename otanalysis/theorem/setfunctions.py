"""Set functions as tables over all subsets: entry ``mask`` belongs to the set of the bits of ``mask``."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from otanalysis.image import FloatArray

__all__ = ["Masks", "best_by_size", "logdet_table", "nested_triples", "subset_sizes"]

Masks: TypeAlias = npt.NDArray[np.int64]
"""Subsets of a ground set, one bit an item; also items themselves, by position."""


def logdet_table(matrices: FloatArray) -> FloatArray:
    r"""Return :math:`\log\det A_{SS}` of every subset ``S`` of symmetric positive definite matrices.

    Item after item, the subsets without it go on with the matrix left, those with it with its Schur
    complement: :math:`\log\det A = \log a_{xx} + \log\det (A / a_{xx})`. Gaussian elimination that shares
    its steps, :math:`O(2^m)` for a matrix where afresh it would be :math:`O(2^m m^3)`.

    Parameters
    ----------
    matrices : ndarray [..., m, m]
        ``m`` up to 14 or so.

    Returns
    -------
    ndarray [..., 2**m]
        Zero for the empty set; NaN where a matrix is not positive definite.

    Examples
    --------
    >>> np.exp(logdet_table(np.diag([2.0, 3.0]))).round(6)
    array([1., 2., 3., 6.])
    """
    left = np.asarray(matrices, dtype=np.float64)[..., None, :, :]
    table = np.zeros(left.shape[:-2])
    # Subsets are appended behind those without the item, which puts the item's bit above the earlier ones.
    while left.shape[-1]:
        pivot = left[..., :1, :1]
        row = left[..., :1, 1:]
        rest = left[..., 1:, 1:]
        with np.errstate(invalid="ignore", divide="ignore"):
            schur = rest - np.swapaxes(row, -1, -2) * (row / pivot)
            gain = np.log(pivot[..., 0, 0])
        left = np.concatenate([rest, schur], axis=-3)
        table = np.concatenate([table, table + gain], axis=-1)
    return table


@lru_cache(maxsize=16)
def nested_triples(m: int) -> tuple[Masks, Masks, Masks]:
    """Return all ``(A, B, x)`` with ``A`` a proper subset of ``B`` and the item ``x`` outside of ``B``.

    There are ``m (3**(m-1) - 2**(m-1))`` of them.

    Parameters
    ----------
    m : int
        Size of the ground set.

    Returns
    -------
    tuple of ndarray [n], ndarray [n] and ndarray [n]
        Masks of ``A``, masks of ``B``, masks with the one bit of ``x``.
    """
    every = np.arange(2**m, dtype=np.int64)
    small, large = (grid.ravel() for grid in np.meshgrid(every, every, indexing="ij"))
    nested = ((small & large) == small) & (small != large)
    small, large = small[nested], large[nested]
    items = 1 << np.arange(m, dtype=np.int64)
    pair, item = np.nonzero((large[:, None] & items[None, :]) == 0)
    return small[pair], large[pair], items[item]


@lru_cache(maxsize=32)
def subset_sizes(m: int) -> Masks:
    """Return the number of items of every subset [2**m] of ``m`` items."""
    return np.bitwise_count(np.arange(2**m, dtype=np.int64)).astype(np.int64)


def best_by_size(tables: FloatArray) -> tuple[FloatArray, Masks]:
    """Return the largest value over the subsets of each size, by looking at all of them.

    Parameters
    ----------
    tables : ndarray [..., 2**m]

    Returns
    -------
    tuple of ndarray [..., m + 1] and ndarray [..., m + 1]
        The best value of each size, and a subset that has it.
    """
    sizes = subset_sizes(tables.shape[-1].bit_length() - 1)
    values, masks = [], []
    for size in range(int(sizes[-1]) + 1):
        members = np.flatnonzero(sizes == size)
        at = np.argmax(tables[..., members], axis=-1)
        masks.append(members[at])
        values.append(np.take_along_axis(tables, members[at][..., None], axis=-1)[..., 0])
    return np.stack(values, axis=-1), np.stack(masks, axis=-1)
