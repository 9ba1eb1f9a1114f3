"""Side information: named numbers a token that are no part of the tokens, such as the attention they get.

May import errors, scalars and arrays.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from otanalysis.arrays import FloatArray, real_numbers
from otanalysis.errors import InputError
from otanalysis.scalars import shown

__all__ = [
    "CLS_ATTENTION",
    "OBJECTS",
    "RECEIVED_ATTENTION",
    "TEXT_RELEVANCE",
    "check_side",
    "is_side_name",
    "require_side",
]

CLS_ATTENTION = "cls_attention"
"""Attention that the class token of the image encoder pays to a patch."""

RECEIVED_ATTENTION = "received_attention"
"""Attention that a patch of the image encoder receives, on average over all that attend."""

TEXT_RELEVANCE = "text_relevance"
"""How much a patch has to do with the question; from outside, since no dump knows the question."""

OBJECTS = "objects"
"""Share of a patch that objects cover, in composed scenes, which know where their objects are."""

_NAME = re.compile("[A-Za-z][A-Za-z0-9_]{0,63}")
_SOURCES = {
    CLS_ATTENTION: "capture the tokens with `otanalysis capture --side cls-attention`, or give",
    RECEIVED_ATTENTION: "capture the tokens with `otanalysis capture --side received-attention`, or give",
}


def is_side_name(value: object) -> bool:
    """Tell whether a value is a name of side information: ASCII letters, digits and _, a letter first.

    >>> [is_side_name(name) for name in ("cls_attention", "../x", "", 3)]
    [True, False, False, False]
    """
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def check_side(side: Any, m: int, *, name: str = "side") -> dict[str, FloatArray]:
    """Return side information as read-only vectors [m] in float64, by name.

    Parameters
    ----------
    side : mapping from str to array [m], or None
        Finite real numbers, in any unit; None for none.
    m : int
        Number of tokens that it belongs to.
    name : str
        What the error messages call the argument.

    Raises
    ------
    InputError
        If it is no mapping, a name is not plain, or a vector is not one finite number a token.

    Examples
    --------
    >>> check_side({"cls_attention": [0.25, 0.75]}, 2)
    {'cls_attention': array([0.25, 0.75])}
    """
    if side is None:
        return {}
    if not isinstance(side, Mapping):
        raise InputError(
            f"{name} must be a mapping from names to one number a token, such as {{'{CLS_ATTENTION}': a}}; "
            f"got {shown(side)}."
        )
    if odd := [one for one in side if not is_side_name(one)]:
        raise InputError(
            f"Names in {name} must be a letter and up to 63 more letters, digits or _; got {shown(odd[0])}."
        )
    return {one: _vector(values, m, f"{name}[{one!r}]") for one, values in side.items()}


def _vector(values: Any, m: int, name: str) -> FloatArray:
    vector = np.array(real_numbers(values, name))
    if vector.shape != (m,):
        raise InputError(f"{name} must be {m} numbers, one a token; got shape {vector.shape}.")
    if not np.isfinite(vector).all():
        raise InputError(f"{name} must be finite; got {int((~np.isfinite(vector)).sum())} that are not.")
    vector.flags.writeable = False
    return vector


def require_side(needs: Iterable[str], side: Iterable[str], *, method: str) -> None:
    """Raise InputError unless all that a method needs is there; the message says how to get it.

    Parameters
    ----------
    needs : iterable of str
        Names of the side information that the method needs.
    side : iterable of str
        Names of what there is.
    method : str
        Name of the method.
    """
    held = tuple(side)
    if lacking := [name for name in needs if name not in held]:
        there = f"there is only {', '.join(held)}" if held else "these tokens came without any"
        raise InputError(
            f"The method {method!r} needs the side information {lacking[0]!r} of every token, and {there}: "
            f"{_SOURCES.get(lacking[0], 'give')} Image(tokens, side={{{lacking[0]!r}: ...}})."
        )
