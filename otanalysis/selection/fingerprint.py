"""What decides the picks of an own selector beside its ``repr``: its code, and what that code refers to."""

from __future__ import annotations

import dis
import hashlib
import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cached_property, partial, partialmethod
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from otanalysis.selection.selector import Selector

_PLAIN = (str, bytes, int, float, complex, type(None), type(Ellipsis), np.generic)
_LOOKED_UP = {"LOAD_GLOBAL", "LOAD_NAME"}
"""Instructions that look a name up in the module."""


def code_fingerprint(selector: Selector) -> str:
    """Return the SHA-256 of the code of an own selector, equal in every process while the code is.

    Tables are found again by what was run, and the repr of a selector whose code was edited is the old one.
    The code is that of the selector's classes: methods of every kind, their defaults, attributes, and what
    they look up in their own module, functions, classes and constants there, with what these look up in turn.
    Values of fields that do not stand in the repr count as well. Code of other modules is not looked into,
    and of its objects that are no plain data only the type counts.

    Parameters
    ----------
    selector : Selector
        An instance of a user's class.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    classes = [
        one
        for one in type(selector).__mro__
        if one.__module__ != "builtins" and not one.__module__.startswith("otanalysis.")
    ]
    reader = _Reader(frozenset(one.__module__ for one in classes), {id(one): one for one in classes})
    parts = [part for one in classes for part in reader.class_parts(one)]
    parts += reader.unshown_fields(selector)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


@dataclass(frozen=True)
class _Reader:
    """Describes code and data in texts and tuples that are equal in every process.

    ``modules`` are those whose code is looked into, ``seen`` the objects that were described already, by
    their id; it keeps them, or another object could get the id.
    """

    modules: frozenset[str]
    seen: dict[int, Any] = field(default_factory=dict)

    def class_parts(self, one: type) -> Iterator[tuple[str, Any]]:
        """Yield names and descriptions of all that a class defines."""
        for name, value in sorted(vars(one).items()):
            if inspect.isfunction(value):
                yield name, _code(value.__code__)
                if uses := self.uses(value):
                    yield f"{name} uses", uses
            elif name.startswith("__") or name == "_abc_impl" or inspect.ismemberdescriptor(value):
                continue
            elif isinstance(value, str | int | float | tuple) and _is_constant(value):
                yield name, repr(value)
            else:
                yield name, self.described(value)

    def unshown_fields(self, selector: Any) -> Iterator[tuple[str, Any]]:
        """Yield names and descriptions of fields whose whole value does not stand in the repr."""
        shown = repr(selector)
        for one in fields(selector) if is_dataclass(selector) else ():
            value = getattr(selector, one.name)
            if not _is_constant(value) or f"{one.name}={value!r}" not in shown:
                yield f"field {one.name}", self.described(value)

    def uses(self, function: FunctionType) -> list[tuple[str, Any]]:
        """Return what a function refers to: defaults, enclosed values, and what it looks up."""
        code = function.__code__
        if inspect.unwrap(function).__code__.co_qualname.startswith("__create_"):
            return []  # written by dataclass, of fields
        enclosed = zip(code.co_freevars, map(_content, function.__closure__ or ()), strict=True)
        space = function.__globals__
        space = space if space.get("__name__") in self.modules else {}  # else a wrapper from elsewhere
        names = sorted(name for name in _looked_up(code) if name in space)
        return [
            *(("default", self.described(one)) for one in function.__defaults__ or ()),
            *((name, self.described(one)) for name, one in sorted((function.__kwdefaults__ or {}).items())),
            *((name, self.described(one)) for name, one in enclosed if name != "__class__"),
            *((name, self.described(space[name])) for name in names if not self.is_foreign(space[name])),
        ]

    def is_foreign(self, value: Any) -> bool:
        """Tell whether a value is code of another module, or a module."""
        is_code = isinstance(value, FunctionType | BuiltinFunctionType | type) or _wrapped(value) is not None
        return isinstance(value, ModuleType) or (
            is_code and getattr(value, "__module__", None) not in self.modules
        )

    def described(self, value: Any) -> Any:
        """Return what a value is."""
        if isinstance(value, _PLAIN):
            return repr(value)
        if isinstance(value, np.ndarray):
            if value.dtype.hasobject:
                return self.described(tuple(value.ravel().tolist()))
            return str(value.dtype), value.shape, hashlib.sha256(value.tobytes()).hexdigest()
        if isinstance(value, tuple):
            return "tuple", [self.described(one) for one in value]
        if isinstance(value, frozenset):  # its order hangs on the process
            return "set", sorted(repr(self.described(one)) for one in value)
        if id(value) in self.seen:
            return "described before"
        self.seen[id(value)] = value
        if isinstance(value, list):
            return "list", self.described(tuple(value))
        if isinstance(value, set):
            return "set", self.described(frozenset(value))
        if isinstance(value, dict):
            return "dict", sorted(repr(self.described(one)) for one in value.items())
        if self.is_foreign(value):
            return getattr(value, "__module__", None), getattr(value, "__qualname__", type(value).__name__)
        return type(value).__qualname__, self._inside(value)

    def _inside(self, value: Any) -> Any:
        """Return what functions, what wraps them, classes and objects consist of."""
        if inspect.isfunction(value):
            return _code(value.__code__), self.uses(value)
        if isinstance(value, staticmethod | classmethod | MethodType):
            return self.described(value.__func__)
        if isinstance(value, property):
            return [self.described(one) for one in (value.fget, value.fset, value.fdel)]
        if isinstance(value, cached_property):
            return self.described(value.func)
        if isinstance(value, partial | partialmethod):
            return [self.described(one) for one in (value.func, value.args, value.keywords)]
        if isinstance(value, type):
            return value.__qualname__, list(self.class_parts(value))
        if (inner := _wrapped(value)) is not None:
            return self.described(inner)
        if is_dataclass(value):
            content = {one.name: getattr(value, one.name) for one in fields(value)}
        else:
            content = {} if self.is_foreign(type(value)) else getattr(value, "__dict__", {})
        return self.described(type(value)), self.described(content)


def _wrapped(value: Any) -> Any:
    """Return the function within a wrapper such as that of ``functools.lru_cache``, or None."""
    return inspect.getattr_static(value, "__wrapped__", None)


def _is_constant(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_constant, value))
    return isinstance(value, _PLAIN)


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


def _looked_up(code: CodeType) -> set[str]:
    """Return the names that code, and the code within it, looks up in its module."""
    names = {one.argval for one in dis.get_instructions(code) if one.opname in _LOOKED_UP}
    return names.union(*(_looked_up(one) for one in code.co_consts if isinstance(one, CodeType)))


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
