"""Set functions as tables over all subsets: entry ``mask`` belongs to the set of the bits of ``mask``.

The checks of :mod:`otanalysis.theorem.submodularity` say whether such a function has a violation;
:func:`worst_addition` and :func:`worst_nesting` say where it is farthest from monotone and from submodular.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from otanalysis.arrays import FloatArray, IntArray
from otanalysis.errors import InputError
from otanalysis.scalars import check_integer, shown

Masks: TypeAlias = IntArray
"""Subsets of a ground set, one bit an item."""

MOST_ITEMS = 12
"""Twelve items have 4,096 subsets and two million nested pairs with an item outside."""


@dataclass(frozen=True)
class Addition:
    """One item added to one set.

    Attributes
    ----------
    members : tuple of int
        The set.
    item : int
        What is added to it.
    gain : float
        By how much the value grows; negative where a function is not monotone.
    """

    members: tuple[int, ...]
    item: int
    gain: float


@dataclass(frozen=True)
class Nesting:
    """One item added to a set and to a larger set around it.

    Attributes
    ----------
    smaller, larger : tuple of int
        The sets, the smaller within the larger.
    item : int
        In neither.
    gain, gain_in_larger : float
        By how much the value grows when the item is added to each.
    """

    smaller: tuple[int, ...]
    larger: tuple[int, ...]
    item: int
    gain: float
    gain_in_larger: float

    @property
    def margin(self) -> float:
        """First gain less second one; negative where the gains do not diminish."""
        return self.gain - self.gain_in_larger


def tabulate(value: Callable[[IntArray], float], m: int, *, empty: float = float("nan")) -> FloatArray:
    """Return the value of every subset of ``m`` items.

    Parameters
    ----------
    value : callable
        From the positions [k] of a set, ascending, to its value.
    m : int
        Number of items, at most 12.
    empty : float
        Value of the empty set; what is not a number is left out of all comparisons.

    Returns
    -------
    ndarray [2**m]
        Entry ``mask`` belongs to the set of the bits of ``mask``.

    Raises
    ------
    InputError
        If there are too many items.

    Examples
    --------
    >>> tabulate(lambda kept: float(kept.sum()), 2)
    array([nan,  0.,  1.,  1.])
    """
    m = check_integer(m, "m", wanted="an integer", low=-np.inf)
    if not 1 <= m <= MOST_ITEMS:
        raise InputError(f"1 to {MOST_ITEMS} items can be written out over all subsets, got {shown(m)}.")
    sets = (np.array(members_of(mask), dtype=np.int64) for mask in range(1, 2**m))
    return np.array([empty, *(value(members) for members in sets)])


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


def members_of(mask: int) -> tuple[int, ...]:
    """Return the items of a subset, ascending."""
    return tuple(item for item in range(mask.bit_length()) if mask >> item & 1)


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


def worst_addition(table: FloatArray) -> Addition:
    """Return the set and the item by which the value grows least.

    Parameters
    ----------
    table : ndarray [2**m]
        From :func:`tabulate` or :func:`logdet_table`.

    Examples
    --------
    >>> worst_addition(np.array([0.0, 3.0, 1.0, 2.0]))  # items 0 and 1: the second spoils the first
    Addition(members=(0,), item=1, gain=-1.0)
    """
    every = np.arange(len(table))
    bits = 1 << np.arange(len(table).bit_length() - 1, dtype=np.int64)
    masks, items = np.nonzero((every[:, None] & bits) == 0)
    gains = table[masks | (1 << items)] - table[masks]
    at = int(np.nanargmin(gains))
    return Addition(members_of(int(masks[at])), int(items[at]), float(gains[at]))


def worst_nesting(table: FloatArray) -> Nesting:
    """Return the nested sets and the item at which the gains diminish least, or grow most.

    Parameters
    ----------
    table : ndarray [2**m]
        As for :func:`worst_addition`; of two items at least.

    Examples
    --------
    >>> found = worst_nesting(np.array([0.0, 1.0, 1.0, 4.0]))  # together worth more than one by one
    >>> found.smaller, found.larger, found.item, found.margin
    ((), (0,), 1, -2.0)
    """
    small, large, item = nested_triples(len(table).bit_length() - 1)
    gain, later = table[small | item] - table[small], table[large | item] - table[large]
    at = int(np.nanargmin(gain - later))
    return Nesting(
        members_of(int(small[at])),
        members_of(int(large[at])),
        int(item[at]).bit_length() - 1,
        float(gain[at]),
        float(later[at]),
    )
