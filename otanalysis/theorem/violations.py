"""A set function written out over all subsets, and where it is farthest from monotone and from submodular.

The checks of :mod:`otanalysis.theorem.submodularity` say whether there is a violation, not which.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from otanalysis.errors import InputError
from otanalysis.image import FloatArray
from otanalysis.theorem.setfunctions import Masks, nested_triples

__all__ = ["Addition", "Nesting", "tabulate", "worst_addition", "worst_nesting"]

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


def tabulate(value: Callable[[Masks], float], m: int, *, empty: float = float("nan")) -> FloatArray:
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
    if not 1 <= m <= MOST_ITEMS:
        raise InputError(f"1 to {MOST_ITEMS} items can be written out over all subsets, got {m}.")
    sets = (np.array(_members(mask), dtype=np.int64) for mask in range(1, 2**m))
    return np.array([empty, *(value(members) for members in sets)])


def worst_addition(table: FloatArray) -> Addition:
    """Return the set and the item by which the value grows least.

    Parameters
    ----------
    table : ndarray [2**m]
        From :func:`tabulate` or :func:`~otanalysis.theorem.setfunctions.logdet_table`.

    Examples
    --------
    >>> worst_addition(np.array([0.0, 3.0, 1.0, 2.0]))  # items 0 and 1: the second spoils the first
    Addition(members=(0,), item=1, gain=-1.0)
    """
    every = np.arange(len(table))
    masks, items = np.nonzero((every[:, None] & _bits(table)[None, :]) == 0)
    gains = table[masks | (1 << items)] - table[masks]
    at = int(np.nanargmin(gains))
    return Addition(_members(int(masks[at])), int(items[at]), float(gains[at]))


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
        _members(int(small[at])),
        _members(int(large[at])),
        int(item[at]).bit_length() - 1,
        float(gain[at]),
        float(later[at]),
    )


def _bits(table: FloatArray) -> Masks:
    return 1 << np.arange(len(table).bit_length() - 1, dtype=np.int64)


def _members(mask: int) -> tuple[int, ...]:
    return tuple(item for item in range(mask.bit_length()) if mask >> item & 1)
