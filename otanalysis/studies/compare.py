"""Methods side by side on the tokens of one image: the quick look before a sweep."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from otanalysis.arrays import Array, Normalisation, resolve_keep
from otanalysis.defaults import COMPARED_METHODS, RELEASED_GAMMA, GammaOf
from otanalysis.distances import further_distances, measure_distances
from otanalysis.errors import InputError
from otanalysis.image import Image
from otanalysis.scalars import check_integer, check_seed, listed
from otanalysis.selection import TOKEN_METHODS, Selection, Selector, select
from otanalysis.selection.registry import configured
from otanalysis.surrogate.ladder import Ladder
from otanalysis.tokens.read import Sample
from otanalysis.transport import quantisation_floor, wasserstein2_floor

_Values = TypeVar("_Values", float, "pd.Series[float]")


def select_all(
    tokens: Array | Image | Sample,
    methods: Iterable[str | Selector] = COMPARED_METHODS,
    *,
    ratio: float | None = None,
    keep: int | None = None,
    gamma: float = RELEASED_GAMMA,
    gamma_of: GammaOf = "released",
    seed: int = 0,
) -> dict[str, Selection]:
    """Choose the tokens of one image with several methods.

    Parameters
    ----------
    tokens : array [m, d], Image or Sample
        All tokens.
    methods : iterable of str or Selector
        Names in :data:`~otanalysis.selection.SELECTORS`, or selectors of one's own; by default those of
        :data:`~otanalysis.defaults.COMPARED_METHODS`.
    ratio, keep, gamma, gamma_of, seed
        As for :func:`otanalysis.select`.

    Returns
    -------
    dict from str to Selection
        By the method's name, in the order given.

    Raises
    ------
    InputError
        As for :func:`otanalysis.select`.

    Examples
    --------
    >>> chosen = select_all(np.eye(9), ["first", "uniform"], keep=3)
    >>> {name: selection.indices.tolist() for name, selection in chosen.items()}
    {'first': [0, 1, 2], 'uniform': [1, 4, 7]}
    """
    image = _image(tokens)
    chosen = [
        select(image, one, ratio=ratio, keep=keep, gamma=gamma, gamma_of=gamma_of, seed=seed)
        for one in listed(methods, "methods")
    ]
    if not chosen:
        raise InputError("At least one method is needed, got none.")
    return {selection.method: selection for selection in chosen}


def compare(
    tokens: Array | Image | Sample,
    methods: Iterable[str | Selector] = COMPARED_METHODS,
    *,
    ratio: float | None = None,
    keep: int | None = None,
    gamma: float = RELEASED_GAMMA,
    gamma_of: GammaOf = "released",
    normalise: Normalisation = "none",
    seed: int = 0,
    effort: float = 1.0,
    weights: Array | None = None,
    distances: Iterable[str] = (),
) -> pd.DataFrame:
    r"""Measure the kept sets of several methods on one image, on every rung, against the certified floor.

    Parameters
    ----------
    tokens : array [m, d], Image or Sample
        All tokens.
    methods : iterable of str or Selector
        Names in :data:`~otanalysis.selection.SELECTORS`, or selectors of one's own; by default those of
        :data:`~otanalysis.defaults.COMPARED_METHODS`.
    ratio, keep, gamma, gamma_of, seed
        As for :func:`otanalysis.select`. Both gammas are those of the log-determinants too, which are one
        objective for all methods: otprune maximises it with the released code's gamma, otprune-paper with
        the paper's (where otprune is otprune-paper, and one row).
    normalise : {"none", "columns", "rows"}
        Of the tokens under the distances; the selection never sees it.
    effort : float
        Of the searches for the floors, see :func:`otanalysis.wasserstein2_floor`.
    weights : array [m], optional
        Weights of all tokens, non-negative, in any unit; by default those of the image or sample, or uniform.
        They are masses in the distances and the floor, and kmedoids and ot-medoids choose by them; the
        log-determinants and the other methods know no weights.
    distances : iterable of str
        Names in :data:`otanalysis.DISTANCES` to measure as well.

    Returns
    -------
    DataFrame
        One row a method, the closest first, with the method as index: ``w2``, ``over_floor`` (:math:`W_2^2`
        over the certified floor: at most so many times the best possible), ``over_coverage_floor`` (the same
        of the quantisation error), and what :meth:`otanalysis.Ladder.values` returns; then the further
        distances that were asked for.

    Raises
    ------
    InputError, ConvergenceError
        As for :func:`otanalysis.select` and :class:`otanalysis.Ladder`.

    Examples
    --------
    >>> tokens = np.random.default_rng(0).standard_normal((60, 4))
    >>> table = compare(tokens, ["first", "ot-medoids"], keep=6)
    >>> table.index.tolist(), bool((table["over_floor"] >= 1).all())
    (['ot-medoids', 'first'], True)
    """
    image, further = _image(tokens, weights), further_distances(distances)
    ladder = Ladder(image, normalise=normalise, gamma=gamma, gamma_of=gamma_of)
    chosen = select_all(image, methods, ratio=ratio, keep=keep, gamma=gamma, gamma_of=gamma_of, seed=seed)
    size = next(iter(chosen.values())).keep
    floor = wasserstein2_floor(ladder.image, size, effort=effort).squared_distance
    coverage = quantisation_floor(ladder.image, size, effort=effort).squared_distance
    rows = {
        name: ladder.values(one.indices) | measure_distances(ladder.image, np.asarray(one.indices), further)
        for name, one in chosen.items()
    }
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("method").sort_values("w2")
    table.insert(1, "over_floor", over_floor(table["w2_squared"], floor))
    table.insert(2, "over_coverage_floor", over_floor(table["quantisation_error"], coverage))
    return table


def objective_values(
    tokens: Array | Image | Sample,
    methods: Iterable[str | Selector] = TOKEN_METHODS,
    *,
    ratio: float | None = None,
    keep: int | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Measure what each method keeps of one image on the objective of every other.

    Parameters
    ----------
    tokens : array [m, d], Image or Sample
        All tokens.
    methods : iterable of str or Selector
        Names, or selectors of one's own, each with its own parameters; by default all that need no side
        information.
    ratio, keep, seed
        As for :func:`otanalysis.select`.

    Returns
    -------
    DataFrame
        One row a method, one column an objective, by the name of its method; the larger the better, see
        :meth:`Selector.objective_value <otanalysis.selection.selector.Selector.objective_value>`. Methods
        that optimise no function of the kept set have no column.

    Raises
    ------
    InputError, ConvergenceError
        As for :func:`otanalysis.select`.

    Examples
    --------
    >>> values = objective_values([[0.0], [1.0], [8.0], [9.0]], ["norm", "fps", "first"], keep=1)
    >>> values.index.tolist(), values["norm"].round(2).tolist(), values["fps"].tolist()
    (['norm', 'fps', 'first'], [0.55, 0.01, 0.0], [-9.0, -8.0, -9.0])
    """
    image, wanted = _image(tokens), listed(methods, "methods")
    chosen = select_all(image, wanted, ratio=ratio, keep=keep, seed=seed)
    values = {
        of: {name: configured(method).objective_value(image, one.indices) for name, one in chosen.items()}
        for of, method in zip(chosen, wanted, strict=True)
    }
    return pd.DataFrame(values, dtype=np.float64).dropna(axis="columns", how="all").rename_axis("method")


def over_floor(values: _Values, floor: float) -> _Values | NDArray[np.float64]:
    """Return values over their floor; over one of zero, 1 where they are zero too, and infinity elsewhere.

    >>> over_floor(3.0, 2.0), float(over_floor(0.0, 0.0)), float(over_floor(1.0, 0.0))
    (1.5, 1.0, inf)
    """
    return values / floor if floor > 0.0 else np.where(values > 0.0, np.inf, 1.0)


def random_distances(
    tokens: Array | Image | Sample,
    keep: int | Sequence[int],
    *,
    draws: int = 200,
    normalise: Normalisation = "none",
    seed: int = 0,
) -> pd.DataFrame:
    r"""Measure the exact distance of random kept sets of one image: what a method has to beat.

    Parameters
    ----------
    tokens : array [m, d], Image or Sample
        All tokens.
    keep : int or sequence of int
        Numbers of kept tokens.
    draws : int
        Sets of each size.
    normalise : {"none", "columns", "rows"}
        Of the tokens under the distance.
    seed : int
        Of the draws.

    Returns
    -------
    DataFrame
        One row a set: ``keep`` and ``w2`` (in the unit of the tokens).

    Raises
    ------
    InputError, ConvergenceError
        As for :func:`otanalysis.wasserstein2`, or if a number of kept tokens or of draws is out of range.

    Examples
    --------
    >>> tokens = np.random.default_rng(0).standard_normal((60, 4))
    >>> found = random_distances(tokens, (3, 12), draws=20)
    >>> means = found.groupby("keep")["w2"].mean()
    >>> len(found), bool(means[3] > means[12])
    (40, True)
    """
    ladder = Ladder(_image(tokens), normalise=normalise)
    m = len(ladder.image)
    generator = np.random.default_rng(check_seed(seed))
    asked: Any = keep
    several = isinstance(asked, Iterable) and getattr(asked, "ndim", 1) > 0
    sizes = [resolve_keep(m, keep=one) for one in (listed(asked, "keep") if several else [asked])]
    draws = check_integer(draws, "draws", wanted="an integer from 1 on", low=1)
    return pd.DataFrame(
        [
            {"keep": size, "w2": ladder.distances(generator.permutation(m)[:size])["w2"]}
            for size in sizes
            for _ in range(draws)
        ]
    )


def _image(tokens: Array | Image | Sample, weights: Array | None = None) -> Image:
    """Return the image of what was given, with these weights, or those that it brings."""
    if isinstance(tokens, Sample):
        return Image.of_sample(tokens, weights=weights)
    return Image.of(tokens).with_weights(weights)
