"""What every selection method takes and returns."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, is_dataclass, replace
from types import CodeType
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
from array_api_compat import array_namespace, device

from otanalysis.arrays import Array, check_indices, check_tokens, like, resolve_keep
from otanalysis.errors import InputError

__all__ = [
    "Selection",
    "Selector",
    "StackSelector",
    "build_selection",
    "build_selections",
    "check_kept",
    "check_recorded",
    "check_selector",
    "code_fingerprint",
    "is_own",
    "prepare",
    "prepare_stack",
    "require_generator",
    "stack",
]


@dataclass(frozen=True, eq=False)
class Selection:
    """The tokens that a method keeps.

    Attributes
    ----------
    indices : array [keep], int64
        Kept positions, ascending: the order in which the model gets them. NumPy, or torch on the device of
        the tokens if these were a torch tensor.
    pick_order : array [keep], int64
        The same positions in the order picked; ascending for methods that do not pick one by one.
    gains : array [keep], float64, or None
        Marginal gain of every pick in the method's own objective, where the method has one.
    method : str
        Name of the method.
    keep : int
        Number of kept tokens.
    m : int
        Number of tokens.
    seed : int or None
        Seed of the generator; None for deterministic methods, and where the caller passed a generator.
    provenance : str
        ``repr`` of the selector: the method with all its parameters.
    """

    indices: Array
    pick_order: Array
    gains: Array | None
    method: str
    keep: int
    m: int
    seed: int | None
    provenance: str

    def prefix(self, keep: int) -> Selection:
        """Return the selection of the first ``keep`` picks: what a nested method returns for that count."""
        count = resolve_keep(self.keep, keep=keep)
        order = self.pick_order[:count]
        return replace(
            self,
            indices=array_namespace(order).sort(order),
            pick_order=order,
            gains=None if self.gains is None else self.gains[:count],
            keep=count,
        )


class Selector(Protocol):
    """A selection method: a frozen dataclass whose fields are its parameters.

    ``nested`` methods pick one by one, so that a run for a larger count holds all smaller ones.
    ``stochastic`` ones draw from the generator and refuse to run without it; the others ignore it.

    Examples
    --------
    A method of one's own is a few lines, and goes wherever a method's name goes:

    >>> from dataclasses import dataclass
    >>> from otanalysis.selection import build_selection, select
    >>> @dataclass(frozen=True)
    ... class Longest:
    ...     name, nested, stochastic = "longest", True, False
    ...     def __call__(self, tokens, keep, *, generator=None, cost=None):
    ...         order = np.argsort(-np.linalg.norm(tokens, axis=1), kind="stable")
    ...         return build_selection(self, tokens, order[:keep])
    >>> select([[1.0], [3.0], [2.0]], Longest(), keep=2).indices
    array([1, 2])
    """

    @property
    def name(self) -> str:
        """Name in the registry and in tables."""

    @property
    def nested(self) -> bool:
        """Whether the first picks of a larger selection are the smaller selection."""

    @property
    def stochastic(self) -> bool:
        """Whether the result depends on the generator."""

    def __call__(
        self,
        tokens: Array,
        keep: int,
        *,
        generator: np.random.Generator | None = None,
        cost: Array | None = None,
    ) -> Selection:
        """Keep ``keep`` of the tokens [m, d]; ``cost`` is their squared distances [m, m], if at hand."""


@runtime_checkable
class StackSelector(Selector, Protocol):
    """A deterministic selector that can also take images of one size together.

    A selector need not have this: :func:`~otanalysis.selection.registry.select_batch` calls the others once
    an image.
    """

    def select_stack(self, clouds: Sequence[Array], keep: int) -> list[Selection]:
        """Return what the selector returns for each of the clouds, all of them [m, d] with the same m."""


def build_selection(
    selector: Selector, tokens: Array, pick_order: Array, gains: Array | None = None
) -> Selection:
    """Return the selection of a method from its picks, as arrays of the kind of ``tokens``.

    Parameters
    ----------
    selector : Selector
        The method; its name and its ``repr`` go into the selection.
    tokens : array [m, d]
        What it selected from.
    pick_order : array [keep]
        Positions in the order picked (any order for methods that do not pick one by one).
    gains : array [keep], optional
        Marginal gains of the picks.
    """
    order = like(pick_order, tokens) if isinstance(pick_order, np.ndarray) else pick_order
    if isinstance(gains, np.ndarray):
        gains = like(gains, tokens)
    return _selection(selector, len(tokens), array_namespace(order).sort(order), order, gains)


def build_selections(selector: Selector, m: int, pick_orders: Array, gains: Array) -> list[Selection]:
    """Return the selections of a method for images of m tokens, from its picks and gains [images, keep]."""
    indices = array_namespace(pick_orders).sort(pick_orders, axis=1)
    return [
        _selection(selector, m, indices[image, :], pick_orders[image, :], gains[image, :])
        for image in range(pick_orders.shape[0])
    ]


def _selection(
    selector: Selector, m: int, indices: Array, pick_order: Array, gains: Array | None
) -> Selection:
    return Selection(
        indices=indices,
        pick_order=pick_order,
        gains=gains,
        method=selector.name,
        keep=len(pick_order),
        m=m,
        seed=None,
        provenance=repr(selector),
    )


def prepare(tokens: Array, keep: int) -> tuple[Array, int]:
    """Return the tokens as a float64 matrix [m, d] and the count to keep; raise InputError on bad ones."""
    cloud = check_tokens(tokens)
    return cloud, resolve_keep(cloud.shape[0], keep=keep)


def prepare_stack(clouds: Sequence[Array], keep: int) -> tuple[int, int]:
    """Return the number of tokens that all the clouds have and the count to keep, or raise InputError."""
    sizes = sorted({len(cloud) for cloud in clouds})
    if len(sizes) != 1:
        raise InputError(
            f"Images with one number of tokens were wanted together; got {sizes or 'no images'}: "
            "select_batch takes images of any size."
        )
    return sizes[0], resolve_keep(sizes[0], keep=keep)


def stack(matrices: Iterable[Array], images: int) -> Array:
    """Return matrices [m, m] as one array [images, m, m], filled one by one: no second copy of all of them.

    Each matrix is made as for its image alone. A batched product would round differently than a single one
    (seen with two threads of MKL), and ties that rounding decides would go another way.
    """
    filled: Array = None
    for image, matrix in enumerate(matrices):
        if filled is None:
            shape = (images, *matrix.shape)
            filled = array_namespace(matrix).empty(shape, dtype=matrix.dtype, device=device(matrix))
        filled[image, ...] = matrix
    return filled


def require_generator(selector: Selector, generator: np.random.Generator | None) -> np.random.Generator:
    """Return the generator, or raise InputError where a stochastic method was called without one."""
    if not isinstance(generator, np.random.Generator):
        raise InputError(
            f"The method {selector.name!r} needs generator=numpy.random.default_rng(seed); got {generator!r}."
        )
    return generator


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
