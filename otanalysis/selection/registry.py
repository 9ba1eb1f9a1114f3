"""All selection methods by name, and the two functions that run them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any, cast

import numpy as np

from otanalysis.arrays import Array, check_tokens, resolve_keep
from otanalysis.errors import InputError
from otanalysis.normalise import Normalisation
from otanalysis.selection.divprune import DivPrune
from otanalysis.selection.dpp import GreedyDPP
from otanalysis.selection.first import First
from otanalysis.selection.last import Last
from otanalysis.selection.medoids import KMedoids
from otanalysis.selection.ot_medoids import OTMedoids
from otanalysis.selection.otprune import OTPrune
from otanalysis.selection.own import check_kept, check_selector, is_own
from otanalysis.selection.positional import Uniform
from otanalysis.selection.random import Random
from otanalysis.selection.selector import Selection, Selector

__all__ = ["SELECTORS", "configured", "select", "select_many"]

_METHODS: tuple[Selector, ...] = (
    OTPrune(),
    DivPrune(),
    GreedyDPP(),
    Random(),
    First(),
    Last(),
    Uniform(),
    KMedoids(),
    OTMedoids(),
)

SELECTORS: Mapping[str, Selector] = MappingProxyType({method.name: method for method in _METHODS})
"""Immutable mapping from name to a selector with its default parameters, ready to be called."""


def select(
    tokens: Array,
    method: str | Selector = "otprune",
    *,
    ratio: float | None = None,
    keep: int | None = None,
    gamma: float = 0.01,
    normalise: Normalisation = "columns",
    seed: int = 0,
) -> Selection:
    """Choose which tokens of one image to keep.

    Parameters
    ----------
    tokens : array [m, d]
        All visual tokens of one image; NumPy, or torch: then the selection holds torch tensors on the same
        device. otprune, dpp and divprune run there, the others on the host.
    method : str or Selector
        A name in :data:`SELECTORS`, or a selector with its own parameters, which is used as it is: one of
        the package, or a user's (see :class:`~otanalysis.selection.selector.Selector`).
    ratio : float, optional
        Share to keep in ``(0, 1]``: ``int(round(ratio * m))`` tokens, at least one.
    keep : int, optional
        Number of tokens to keep. Exactly one of ``ratio`` and ``keep`` is needed.
    gamma, normalise
        Parameters of otprune; methods that do not have them ignore them.
    seed : int
        Seed of the generator of stochastic methods; deterministic ones ignore it.

    Returns
    -------
    Selection

    Raises
    ------
    InputError
        If the method is unknown, the tokens are not a finite matrix, a parameter is out of range, or a
        user's selector is not whole or does not keep what was asked.

    Examples
    --------
    >>> import numpy as np
    >>> tokens = np.random.default_rng(0).standard_normal((64, 8))
    >>> select(tokens, "uniform", keep=4).indices
    array([ 8, 24, 40, 56])
    """
    cloud = check_tokens(tokens)
    count = resolve_keep(cloud.shape[0], ratio=ratio, keep=keep)
    return select_many(cloud, method, (count,), gamma=gamma, normalise=normalise, seed=seed)[count]


def select_many(
    tokens: Array,
    method: str | Selector,
    keeps: Iterable[int],
    *,
    gamma: float = 0.01,
    normalise: Normalisation = "columns",
    seed: int = 0,
    cost: Array | None = None,
) -> dict[int, Selection]:
    """Choose tokens for several counts at once; a nested method runs once, at the largest.

    Parameters
    ----------
    tokens, method, gamma, normalise, seed
        As for :func:`select`.
    keeps : iterable of int
        Numbers of tokens to keep.
    cost : array [m, m], optional
        ``squared_distances(tokens)``, for the methods that need it.

    Returns
    -------
    dict from int to Selection
        Each equal to what :func:`select` returns for that count; ascending in the count.

    Raises
    ------
    InputError
        As for :func:`select`, or if ``keeps`` is empty.
    """
    cloud = check_tokens(tokens)
    selector = configured(method, gamma=gamma, normalise=normalise)
    counts = sorted({resolve_keep(cloud.shape[0], keep=keep) for keep in keeps})
    if not counts:
        raise InputError("keeps must name at least one number of tokens; got none.")

    def run(count: int) -> Selection:
        selection = selector(cloud, count, generator=np.random.default_rng(seed), cost=cost)
        if is_own(selector):
            check_kept(selector, selection, keep=count, m=cloud.shape[0])
        return replace(selection, seed=seed) if selector.stochastic else selection

    if selector.nested:
        largest = run(counts[-1])
        return {count: largest.prefix(count) for count in counts}
    return {count: run(count) for count in counts}


def configured(method: str | Selector, **options: Any) -> Selector:
    """Return the selector of that name with those of the options that it has."""
    if not isinstance(method, str) and callable(method):
        return check_selector(method)
    if method not in SELECTORS:
        raise InputError(f"Unknown method {method!r}; known are {', '.join(SELECTORS)}.")
    selector: Any = SELECTORS[method]
    own = {field.name: options[field.name] for field in fields(selector) if field.name in options}
    return cast(Selector, replace(selector, **own))
