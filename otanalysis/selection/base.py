"""What every selection method takes and returns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from array_api_compat import array_namespace

from otanalysis.errors import InputError
from otanalysis.tokens.validate import Array, check_tokens, like, resolve_keep

__all__ = ["Selection", "Selector", "build_selection", "prepare", "require_generator"]


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
    return Selection(
        indices=array_namespace(order).sort(order),
        pick_order=order,
        gains=gains,
        method=selector.name,
        keep=len(order),
        m=len(tokens),
        seed=None,
        provenance=repr(selector),
    )


def prepare(tokens: Array, keep: int) -> tuple[Array, int]:
    """Return the tokens as a float64 matrix [m, d] and the count to keep; raise InputError on bad ones."""
    cloud = check_tokens(tokens)
    return cloud, resolve_keep(cloud.shape[0], keep=keep)


def require_generator(selector: Selector, generator: np.random.Generator | None) -> np.random.Generator:
    """Return the generator, or raise InputError where a stochastic method was called without one."""
    if not isinstance(generator, np.random.Generator):
        raise InputError(
            f"The method {selector.name!r} needs generator=numpy.random.default_rng(seed); got {generator!r}."
        )
    return generator
