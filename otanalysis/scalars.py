"""Single values at the boundary: numbers, counts, seeds and names, each checked here and nowhere else.

NumPy's scalars and arrays or tensors without a dimension are numbers, and come back as Python's; booleans and
texts are none. May import errors.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from numbers import Real
from reprlib import Repr
from typing import Any, TypeVar, get_args

import numpy as np

from otanalysis.defaults import GammaOf
from otanalysis.errors import InputError

__all__ = ["check_choice", "check_integer", "check_number", "check_seed", "listed", "shown"]

_T = TypeVar("_T")

LARGEST_SEED = 2**63 - 1
"""Seeds stand in tables, whose integers have 64 bits."""

_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = 60


def check_number(
    value: Any,
    name: str,
    *,
    wanted: str,
    low: float = -math.inf,
    high: float = math.inf,
    above: float = -math.inf,
    advice: str = "",
) -> float:
    """Return a finite real number in a range, as Python's.

    Parameters
    ----------
    value : number
        Python's, NumPy's, or an array or tensor without a dimension; no boolean, no text.
    name : str
        What the message calls the argument.
    wanted : str
        What the message says of the range, such as "a positive, finite number".
    low, high : float
        The least and the largest number allowed.
    above : float
        What the number must be larger than.
    advice : str
        How to mend it.

    Returns
    -------
    float
        An int where an int was given.

    Raises
    ------
    InputError
        If it is no finite number of this range.

    Examples
    --------
    >>> check_number(np.float64(0.01), "gamma", wanted="positive", above=0.0)
    0.01
    """
    number = _number(value)
    if number is None or not (above < number <= high and number >= low):
        raise InputError(f"{name} must be {wanted}; got {shown(value)}{_behind(advice)}.")
    return number


def check_integer(
    value: Any, name: str, *, wanted: str, low: float, high: float = math.inf, advice: str = ""
) -> int:
    """Return a whole number in a range, as Python's int.

    Parameters
    ----------
    value, name, wanted, advice
        As for :func:`check_number`; 2.0 is no whole number here.
    low, high : number
        The least and the largest number allowed.

    Raises
    ------
    InputError
        If it is no integer of this range.

    Examples
    --------
    >>> check_integer(np.int64(3), "jobs", wanted="an integer from 1 on", low=1)
    3
    """
    number = _integer(value)
    if number is None or not low <= number <= high:
        raise InputError(f"{name} must be {wanted}; got {shown(value)}{_behind(advice)}.")
    return number


def check_seed(seed: Any, *, name: str = "seed") -> int:
    """Return a seed: an integer in ``0..2**63 - 1``.

    Raises
    ------
    InputError
        If it is none. None would be another seed on every run, that no table could record.

    Examples
    --------
    >>> check_seed(np.uint8(7))
    7
    """
    wanted = "an integer in 0..2**63 - 1"
    return check_integer(
        seed, name, wanted=wanted, low=0, high=LARGEST_SEED, advice="equal seeds give equal results"
    )


def check_gamma_of(gamma_of: Any) -> GammaOf:
    """Return whose gamma it is: the released code's or the paper's.

    Raises
    ------
    InputError
        If it is neither.

    Examples
    --------
    >>> check_gamma_of("paper")
    'paper'
    """
    return check_choice(gamma_of, "gamma_of", get_args(GammaOf))


def check_choice(value: Any, name: str, known: Iterable[_T]) -> _T:
    """Return the one of the known names that the value is.

    Raises
    ------
    InputError
        If it is none of them; the message lists them.

    Examples
    --------
    >>> check_choice("rows", "normalise", ("none", "rows"))
    'rows'
    """
    names = tuple(known)
    found = [one for one in names if isinstance(value, str) and one == value]
    if not found:
        raise InputError(f"{name} must be one of {', '.join(map(str, names))}; got {shown(value)}.")
    return found[0]


def listed(values: Any, name: str) -> list[Any]:
    """Return what several values were given, in a list, a tuple, a vector or whatever can be gone through.

    Raises
    ------
    InputError
        If it is one value, such as a number or a text.

    Examples
    --------
    >>> listed(range(2), "seeds")
    [0, 1]
    """
    try:
        if isinstance(values, str | bytes):
            raise TypeError
        return list(values)
    except TypeError:
        raise InputError(f"{name} must be several, such as a list; got {shown(values)}.") from None


def shown(value: Any) -> str:
    """Return the ``repr`` of whatever was given, short, for a message; its type where it has none.

    >>> shown(10**5000)
    'an int'
    """
    try:
        return _SHORT.repr(value)
    except Exception:  # such as of an integer with too many digits
        return f"an {type(value).__name__}" if type(value).__name__[:1] in "aeiou" else type(value).__name__


def _behind(advice: str) -> str:
    return f": {advice}" if advice else ""


def _plain(value: Any) -> Any:
    """Return a NumPy scalar, or an array or tensor without a dimension, as Python's object."""
    if isinstance(value, np.generic) or getattr(value, "ndim", None) == 0:
        try:
            return value.item()
        except Exception:  # a tensor without values
            return None
    return value


def _number(value: Any) -> float | None:
    """Return a finite number as it was given, or None."""
    plain = _plain(value)
    if isinstance(plain, bool) or not isinstance(plain, int | Real):
        return None
    try:
        number = float(plain)
    except (OverflowError, TypeError, ValueError):
        return None
    if not math.isfinite(number):
        return None
    return plain if isinstance(plain, int) else number


def _integer(value: Any) -> int | None:
    plain = _plain(value)
    if isinstance(plain, bool):
        return None
    try:
        return operator.index(plain)
    except TypeError:
        return None
