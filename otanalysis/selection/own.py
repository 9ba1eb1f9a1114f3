"""Selectors that a user wrote: are they whole, did they keep what was asked, and did their code change."""

from __future__ import annotations

import hashlib
import inspect
from dataclasses import is_dataclass
from types import CodeType
from typing import Any, cast

from otanalysis.arrays import check_indices
from otanalysis.errors import InputError
from otanalysis.selection.selector import Selection, Selector

__all__ = ["check_kept", "check_recorded", "check_selector", "code_fingerprint", "is_own"]

_PARTS = ("name", "nested", "stochastic")


def is_own(selector: Selector) -> bool:
    """Return whether the selector's class is a user's, not one of this package."""
    return not type(selector).__module__.startswith("otanalysis.")


def check_selector(selector: Any) -> Selector:
    """Return the selector; raise InputError unless it is one."""
    if isinstance(selector, type):
        raise InputError(
            f"A selector is wanted, got the class {selector.__name__}: make one, {selector.__name__}()."
        )
    absent = [part for part in _PARTS if not hasattr(selector, part)]
    if absent or not callable(selector):
        lacks = ", ".join(absent) or "a __call__"
        raise InputError(
            f"{selector!r} is no selector, it lacks {lacks}: write a frozen dataclass with name, nested, "
            "stochastic and __call__(tokens, keep, *, generator=None, cost=None)."
        )
    return cast(Selector, selector)


def check_recorded(selector: Any) -> Selector:
    """Return the selector; raise InputError unless its ``repr`` can stand for it in a table."""
    check_selector(selector)
    if not is_dataclass(selector) or type(selector).__hash__ is None:
        raise InputError(
            f"The selector {selector.name!r} must be a frozen dataclass, so that its repr says all that it "
            "was run with; put @dataclass(frozen=True) above its class."
        )
    return cast(Selector, selector)


def check_kept(selector: Selector, selection: Any, *, keep: int, m: int) -> Selection:
    """Return what an own selector returned; raise InputError unless it is ``keep`` of the ``m`` tokens."""
    if not isinstance(selection, Selection):
        raise InputError(
            f"The selector {selector.name!r} must return a Selection, got {type(selection).__name__}: "
            "end it with return build_selection(self, tokens, order)."
        )
    kept = check_indices(selection.indices, m)
    if len(kept) != keep:
        raise InputError(f"The selector {selector.name!r} was asked for {keep} tokens and kept {len(kept)}.")
    return selection


def code_fingerprint(selector: Selector) -> str:
    """Return the SHA-256 of the methods and plain attributes of an own selector's classes.

    Tables are found again by what was run, and the repr of a selector whose code was edited is the old one.
    Functions that the methods call are not looked into.
    """
    parts: list[Any] = []
    for one in type(selector).__mro__:
        if one.__module__ == "builtins" or one.__module__.startswith("otanalysis."):
            continue
        for name, value in sorted(vars(one).items()):
            if inspect.isfunction(value):
                parts.append((name, _code(value.__code__)))
            elif isinstance(value, str | int | float | tuple) and not name.startswith("__"):
                parts.append((name, repr(value)))
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _code(code: CodeType) -> tuple[Any, ...]:
    """Return what a function does, without the file and the line where it stands."""
    constants = [
        _code(one)
        if isinstance(one, CodeType)
        # The order of a set hangs on the process.
        else repr(sorted(map(repr, one)))
        if isinstance(one, frozenset)
        else repr(one)
        for one in code.co_consts
    ]
    return code.co_code.hex(), code.co_names, code.co_varnames, code.co_freevars, tuple(constants)
